"""The workflow step `release-checkpoint`, with KubeVela's actions answered by the test."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from tandem_controller import keys
from tandem_generator import cue, definitionfile, definitions, lint
from tandem_generator.evaluate import Definition

pytestmark = pytest.mark.usefixtures("each_cue")

Obj = dict[str, Any]

NAME = "release-checkpoint"
LAST = "app.oam.dev/last-applied-configuration"
ACTIONS = """
_rendered: %(rendered)s
_live: %(live)s
oam: {
	#LoadComponets: {
		$params: {...}
		$returns: value: {for name, _ in _rendered {(name): {"name": name}}}
	}
	#RenderComponent: {
		$params: {cluster: string, namespace: string, value: {...}}
		let found = _rendered[$params.value.name]
		$returns: {if found != _|_ {output: found}, ...}
		...
	}
}
kube: #Read: {
	$params: {cluster: string, value: {...}}
	$returns?: {...}
	let found = _live[$params.value.metadata.name]
	if found != _|_ {$returns: value: found}
	if found == _|_ {$returns: {value: $params.value, err: "not found"}}
	...
}
builtin: {
	#Fail: {$params: {message?: string}}
	#Suspend: {$params: {duration?: string}}
}
"""
"""What KubeVela's actions take and give, as `vela/oam`, `vela/kube`, `vela/builtin` state it."""


def workload(
    init: str = "init:1",
    image: str = "shop:1",
    version: str = "1.0.0",
    **annotations: str,
) -> Obj:
    containers = [{"name": "shop", "image": image}, {"name": "proxy", "image": "proxy:1"}]
    pod = {"initContainers": [{"name": "init", "image": init}], "containers": containers}
    found = {keys.COMPONENT_VERSION: version, **annotations}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "shop", "namespace": "demo", "annotations": found},
        "spec": {"template": {"spec": pod}},
    }


def applied(manifest: Obj) -> Obj:
    """Return what lives of a manifest that KubeVela applied: the server adds defaults."""
    live = copy.deepcopy(manifest)
    live["metadata"]["annotations"][LAST] = msgspec.json.encode(manifest).decode()
    live["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] = "IfNotPresent"
    return live


def step(definition: Definition, rendered: Obj, live: Obj, parameter: Obj | None = None) -> Obj:
    """Run the step as KubeVela puts it together, and return what it states."""
    head, _, body = definition.text.partition("\ntemplate: {\n")
    imports = re.search(r"^import \(.*?\n\)\n", head, re.DOTALL | re.MULTILINE)
    assert imports
    own = re.sub(r'^\t"vela/.*\n', "", imports[0], flags=re.MULTILINE)
    text = own + ACTIONS % {"rendered": encoded(rendered), "live": encoded(live)}
    text += f"step: {{\n{body.rstrip()}\n" + f"step: parameter: {encoded(parameter or {})}\n"
    decoded: Obj = msgspec.json.decode(cue.export(text, "step"))
    return decoded


def encoded(value: object) -> str:
    return msgspec.json.encode(value).decode()


def judged(definition: Definition, old: Obj, new: Obj, **parameter: object) -> tuple[bool, bool]:
    """Return whether the step finds an update and a release; they must agree with its end."""
    done = step(definition, {"shop": new}, {"shop": old}, parameter)
    found = done["components"]["shop"]["found"]
    assert ("fail" in done) is (found["update"] and found["release"])
    return found["update"], found["release"]


@pytest.fixture
def it(made: Mapping[str, Definition]) -> Definition:
    return made[NAME]


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (workload(), (False, False)),
        (workload("init:2"), (True, False)),
        (workload(image="shop:2"), (False, True)),
        (workload("init:2", "shop:2"), (True, True)),
        (workload(version="1.1.0"), (True, False)),
        (workload(image="shop:2", version="1.1.0"), (True, True)),
    ],
)
def test_what_is_rendered_is_compared_with_what_was_applied_last(
    it: Definition, new: Obj, expected: tuple[bool, bool]
) -> None:
    assert judged(it, applied(workload()), new) == expected


def test_every_field_of_a_container_counts_unless_the_definition_may_have_changed_it(
    it: Definition,
) -> None:
    new = workload()
    new["spec"]["template"]["spec"]["containers"][0]["command"] = ["sh"]
    assert judged(it, applied(workload()), new) == (False, True)
    new["metadata"]["annotations"][keys.COMPONENT_VERSION] = "1.1.0"
    assert judged(it, applied(workload()), new) == (True, False)


def test_what_another_tool_applied_is_compared_by_its_images(it: Definition) -> None:
    live = workload()
    live["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] = "Always"
    for mark in ({}, {LAST: "skip"}):
        live["metadata"]["annotations"] |= mark
        assert judged(it, live, workload()) == (False, False)
        assert judged(it, live, workload("init:2", "shop:2")) == (True, True)


def test_sidecars_are_the_platforms_where_the_component_or_the_step_says_so(
    it: Definition,
) -> None:
    def proxied(image: str, **annotations: str) -> Obj:
        found = workload(**annotations)
        found["spec"]["template"]["spec"]["containers"][1]["image"] = image
        return found

    assert judged(it, applied(workload()), proxied("proxy:2")) == (False, True)
    stated = {"tandem.oam.dev/sidecars": "log,proxy"}
    old = applied(workload(**stated))
    assert judged(it, old, proxied("proxy:2", **stated)) == (True, False)
    named = judged(it, applied(workload()), proxied("proxy:2"), platform=["proxy"])
    assert named == (True, False)


def test_a_first_deployment_and_objects_without_pods_pass(it: Definition) -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "d"}}
    done = step(it, {"shop": workload(), "config": {**config, "spec": {}}}, {})
    assert "fail" not in done
    assert "found" not in done["components"]["shop"]


def test_both_fail_the_step_with_the_components_and_the_way_out(it: Definition) -> None:
    done = step(it, {"shop": workload("init:2", "shop:2")}, {"shop": applied(workload())})
    assert done["fail"] == {
        "$params": {
            "message": (
                "a component update and a business release would go out together in shop: release "
                "one of the two first, then the other; where both belong together, give the "
                f"Application the annotation {keys.TOGETHER} with the reason"
            )
        }
    }


def test_on_request_both_wait_for_a_person(it: Definition) -> None:
    new, live = {"shop": workload("init:2", "shop:2")}, {"shop": applied(workload())}
    done = step(it, new, live, {"onBoth": "suspend"})
    assert "fail" not in done
    assert done["component_update_and_business_release_together"] == {"$params": {}}


def test_only_the_named_components_are_judged(it: Definition) -> None:
    both = {"shop": workload("init:2", "shop:2")}
    done = step(it, both, {"shop": applied(workload())}, {"components": ["cart"]})
    assert done["components"] == {}
    assert "fail" not in done


def test_a_waiver_counts_once(it: Definition) -> None:
    reason = {keys.TOGETHER: "CVE-1"}
    new = workload("init:2", "shop:2", **reason)
    for old, fails in ((workload(), False), (workload(**reason), True)):
        assert ("fail" in step(it, {"shop": new}, {"shop": applied(old)})) is fails


def test_every_attribute_is_stated_and_no_image_is_held(it: Definition) -> None:
    head = it.text.partition("\ntemplate: {")[0]
    head = re.sub(r"import \(.*?\n\)\n", "", head, count=1, flags=re.DOTALL)
    stated = cue.export(f"all: {{\n{head}\n}}", "{for head in all {head.attributes}}")
    assert msgspec.json.decode(stated) == {"version": "1.0.0", "definitionRef": {"name": ""}}
    (template,) = definitionfile.parse(it.text, "it.cue").templates
    assert lint.check(template) == ()


def test_the_keys_are_the_controllers() -> None:
    assert {definitions._KEYS[name] for name in ("component_version", "together")} == {
        keys.COMPONENT_VERSION,
        keys.TOGETHER,
    }
