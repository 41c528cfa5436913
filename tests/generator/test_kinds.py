"""A workload kind is data: one template makes a component of each, under every CUE.

The controller releases Deployments. Blueprints of other kinds are rendered here and published
nowhere.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tandem_generator import cue, definitions, evaluate, kinds, source
from tandem_generator.blueprint import WorkloadKind
from tandem_generator.evaluate import Definition
from tests.generator import cues
from tests.generator.test_every_cue import the_same_everywhere

Obj = dict[str, Any]
NOT_RELEASED = [kind.name.value for kind in kinds.KINDS if not kind.is_released]
CONTEXT: Obj = {"name": "shop", "namespace": "demo", "appName": "store", "appRevision": "store-v1"}
IMAGES = {"businessImage": "shop:v1", "initImage": "init:v1"}
BOUNDS = {"maxUnavailable": 1, "minReadySeconds": 5}
SURGE = {"maxSurge": "25%"}
SPECS: dict[str, tuple[Obj, Obj]] = {
    "Deployment": (
        {"replicas": 3, **BOUNDS, **SURGE},
        {
            "replicas": 3,
            "strategy": {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 1}},
        },
    ),
    "StatefulSet": (
        {"replicas": 3, **BOUNDS},
        {
            "replicas": 3,
            "serviceName": "shop",
            "updateStrategy": {"rollingUpdate": {"maxUnavailable": 1}},
        },
    ),
    "DaemonSet": (
        {**BOUNDS, **SURGE},
        {"updateStrategy": {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 1}}},
    ),
    "CloneSet": (
        {"replicas": 3, **BOUNDS, **SURGE},
        {"replicas": 3, "updateStrategy": {"maxSurge": "25%", "maxUnavailable": 1}},
    ),
}
"""Parameters, and what a component states beside selector, template and minReadySeconds."""


@pytest.fixture
def blueprint(root: Path, write: Callable[[str], Path]) -> Callable[[str, str], Path]:
    """The shipped component of another kind: one word and a line more in its blueprint."""
    text = (root / "definitions/components/canary-ready-component.yaml").read_text("utf-8")
    assert "workload: Deployment\n" in text

    def of(kind: str, more: str = "published: false\n") -> Path:
        return write(text.replace("workload: Deployment\n", f"workload: {kind}\n{more}"))

    return of


@pytest.fixture
def made_of(blueprint: Callable[[str, str], Path]) -> Callable[[str], Definition]:
    def of(kind: str) -> Definition:
        found = definitions.component(blueprint(kind, "published: false\n"))
        return evaluate.from_text(found.text, found.name)

    return of


@pytest.mark.parametrize("kind", SPECS)
def test_a_component_of_each_kind_renders_the_same_under_every_cue(
    made_of: Callable[[str], Definition], kind: str
) -> None:
    parameters, stated = SPECS[kind]
    text = cues.template(made_of(kind), IMAGES | parameters, CONTEXT | {"publishVersion": ""})
    output = msgspec.json.decode(the_same_everywhere(partial(cues.whole, text)))["output"]
    known = kinds.of(WorkloadKind(kind))
    assert (output["apiVersion"], output["kind"]) == (known.api_version, kind)
    template, selector = output["spec"].pop("template"), output["spec"].pop("selector")
    assert output["spec"] == {**stated, "minReadySeconds": 5}
    assert selector["matchLabels"].items() <= template["metadata"]["labels"].items()
    images = [
        c["image"] for c in template["spec"]["initContainers"] + template["spec"]["containers"]
    ]
    assert images == ["init:v1", "shop:v1"]


@pytest.mark.parametrize("kind", SPECS)
def test_a_component_takes_no_parameter_that_its_kind_has_no_field_for(
    made_of: Callable[[str], Definition], kind: str
) -> None:
    known = kinds.of(WorkloadKind(kind))
    names = set(made_of(kind).parameter_names)
    assert ("maxSurge" in names, "replicas" in names) == (bool(known.surge), known.scales)


@pytest.mark.parametrize("kind", SPECS)
@pytest.mark.usefixtures("each_cue")
def test_its_health_reads_the_fields_of_its_kind(
    made_of: Callable[[str], Definition], kind: str
) -> None:
    known, definition = kinds.of(WorkloadKind(kind)), made_of(kind)
    whole = _live(known, pods=2, updated=2, available=2)
    assert _says(definition, whole) == (True, "2 of 2 pods available, 2 of the newest version")
    for field in ("pods", "updated", "available"):
        assert not _says(
            definition, _live(known, **{"pods": 2, "updated": 2, "available": 2} | {field: 1})
        )[0]
    if known.paused:
        _put(whole, known.paused, True)
        assert not _says(definition, whole)[0]


@pytest.mark.parametrize("kind", NOT_RELEASED)
def test_what_the_controller_does_not_release_is_not_published(
    blueprint: Callable[[str, str], Path], kind: str
) -> None:
    with pytest.raises(source.SourceError) as refused:
        definitions.component(blueprint(kind, ""))
    assert str(refused.value).endswith(
        f"the controller does not release a {kind} yet, only Deployment: `published: false` keeps "
        "the component out of the addon"
    )
    folder = blueprint(kind, "published: false\n").parent.parent
    assert definitions.generate(folder) == ()


def test_the_trait_names_the_kinds_that_the_controller_releases(
    made: dict[str, Definition],
) -> None:
    head = msgspec.json.decode(cues.whole(cues.head(made["rollout"])))["rollout"]
    assert head["attributes"]["appliesToWorkloads"] == [k.resource for k in kinds.released()]
    for kind in kinds.KINDS:
        workload = {"apiVersion": kind.api_version, "kind": kind.name.value}
        parameters = {"steps": [10], "workloadType": workload, "workloadName": "shop"}
        context = {**CONTEXT, "output": {**workload, "metadata": {}}, "outputs": {}}
        faults = evaluate.evaluate(made["rollout"], parameters, context).errs
        refusal = (
            f"workloadType is {kind.full_name}, which the controller does not release yet; it "
            "releases: apps/v1 Deployment"
        )
        assert faults == (() if kind.is_released else (refusal,))


def _says(definition: Definition, live: Obj) -> tuple[bool, str]:
    context = {"output": live}
    healthy = cue.export(cues.policy(definition, "healthPolicy", context, {}), "isHealth")
    message = cue.export(cues.policy(definition, "customStatus", context, {}), "message")
    return msgspec.json.decode(healthy), msgspec.json.decode(message)


def _live(kind: kinds.Kind, **status: int) -> Obj:
    """Return a workload that wants two pods and reports these."""
    live: Obj = {"metadata": {"generation": 1}, "status": {"observedGeneration": 1}}
    _put(live, kind.wanted, 2)
    for field, value in status.items():
        _put(live, getattr(kind, field), value)
    return live


def _put(obj: Obj, path: str, value: object) -> None:
    *above, last = path.split(".")
    for name in above:
        obj = obj.setdefault(name, {})
    obj[last] = value
