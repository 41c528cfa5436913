"""The checkpoint tells component updates from business releases, and finds both in one step."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given

from tandem_controller.api.policy import Containers
from tandem_controller.api.record import Change
from tandem_controller.decide.checkpoint.difference import Difference, Part, differences
from tandem_controller.decide.checkpoint.judge import (
    Component,
    Conflict,
    Definition,
    Finding,
    Presence,
    Report,
    Side,
    Subject,
    change_of,
    check,
)
from tandem_controller.decide.checkpoint.properties import waiver
from tandem_controller.decide.classify import classify
from tandem_controller.keys import TOGETHER
from tests.decide.test_classify import SIDECAR, pod_templates

Obj = dict[str, Any]

SHOP = Subject(namespace="demo", application="shop", name="shop")
CART = Subject(namespace="demo", application="shop", name="cart")
V1 = Definition(name="web", version="1.0.0", content="one")
V2 = Definition(name="web", version="1.1.0", content="two")
NO_PATTERNS = Containers()


def workload(init: str = "init:1", image: str = "shop:1", **spec: object) -> Obj:
    containers = [{"name": "shop", "image": image, "envFrom": [{"configMapRef": {"name": "env"}}]}]
    inits = [
        {"name": "init", "image": init, "env": [{"valueFrom": {"secretKeyRef": {"name": "key"}}}]}
    ]
    pod = {"initContainers": inits, "containers": containers}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "shop"},
        "spec": {"replicas": 2, "template": {"spec": pod}, **spec},
    }


def config(kind: str, name: str, value: str) -> Obj:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "data": {"k": value}}


def component(*objects: Obj, definition: Definition = V1, **more: Any) -> Component:  # noqa: ANN401
    return Component(definition=definition, objects=objects, **more)


def changed(before: Component, after: Component) -> Change:
    report = check({SHOP: before}, {SHOP: after}, containers=NO_PATTERNS, whole=False)
    (finding,) = report.findings
    assert bool(report.conflicts) is (finding.change is Change.BOTH)
    return finding.change


BASE = (workload(), config("ConfigMap", "env", "a"), config("Secret", "key", "a"))
OTHER_CONFIG = (workload(), config("ConfigMap", "env", "b"), config("Secret", "key", "a"))
OTHER_SECRET = (workload(), config("ConfigMap", "env", "a"), config("Secret", "key", "b"))


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (component(*BASE), Change.NEITHER),
        (component(workload(image="shop:2"), *BASE[1:]), Change.BUSINESS),
        (component(workload("init:2"), *BASE[1:]), Change.PLATFORM),
        (component(workload("init:2", "shop:2"), *BASE[1:]), Change.BOTH),
        (component(workload(replicas=9), *BASE[1:]), Change.NEITHER),
        (component(*BASE, definition=V2), Change.PLATFORM),
        (component(workload(image="shop:2"), *BASE[1:], definition=V2), Change.BOTH),
        (component(*OTHER_CONFIG), Change.BUSINESS),
        (component(*OTHER_SECRET), Change.PLATFORM),
        (component(*OTHER_CONFIG, definition=V2), Change.BOTH),
        (component(*BASE, {"kind": "Rollout", "spec": {"x": 1}}), Change.NEITHER),
        (component(*BASE, stated={"dependsOn": ["db"]}), Change.NEITHER),
        (component(*BASE, overrides={"policy a": {"initImage": "i:2"}}), Change.PLATFORM),
        (component(*BASE, overrides={"policy a": {"cmd": ["x"]}}), Change.BUSINESS),
    ],
)
def test_a_change_has_the_class_of_what_it_touches(after: Component, expected: Change) -> None:
    assert changed(component(*BASE), after) is expected


def test_other_content_under_the_same_version_is_an_update() -> None:
    other = Definition(name="web", version="1.0.0", content="changed")
    assert changed(component(*BASE), component(*BASE, definition=other)) is Change.PLATFORM


def test_what_a_side_does_not_know_of_a_definition_is_not_compared() -> None:
    """A manifest states at most type and version; a foreign one states nothing."""
    for known in (Definition(), Definition(name="web"), Definition(name="web", version="1.0.0")):
        assert changed(component(*BASE), component(*BASE, definition=known)) is Change.NEITHER


def test_what_a_definition_changes_in_the_business_container_is_still_the_update() -> None:
    """Or no definition that touches a pod could ever be updated."""
    new = workload(image="shop:1", strategy={"type": "Recreate"})
    new["spec"]["template"]["spec"]["containers"][0]["lifecycle"] = {"preStop": {}}
    alone = component(workload(), updated=(new,))
    assert changed(alone, component(new, definition=V2)) is Change.PLATFORM
    released = copy.deepcopy(new)
    released["spec"]["template"]["spec"]["containers"][0]["image"] = "shop:2"
    assert changed(alone, component(released, definition=V2)) is Change.BOTH
    not_told_apart = component(workload())
    assert changed(not_told_apart, component(new, definition=V2)) is Change.BOTH


def test_a_sidecar_that_a_release_policy_names_is_the_platforms() -> None:
    policy = {"kind": "ReleasePolicy", "spec": {"containers": {"platform": ["proxy"]}}}
    old, new = workload(), workload()
    for obj, image in ((old, "proxy:1"), (new, "proxy:2")):
        obj["spec"]["template"]["spec"]["containers"].append({"name": "proxy", "image": image})
    assert changed(component(old, policy), component(new, policy)) is Change.PLATFORM
    assert changed(component(old), component(new)) is Change.BUSINESS


def test_a_workload_that_changes_its_kind_is_the_same_one() -> None:
    stateful = {**workload(image="shop:2"), "kind": "StatefulSet"}
    assert changed(component(workload()), component(stateful)) is Change.BUSINESS


def test_a_further_workload_is_the_products_and_its_update_counts() -> None:
    job = {**workload("migrate:1", "job:1"), "kind": "Job"}
    both = component(workload(), job)
    assert changed(component(workload()), both) is Change.BUSINESS
    assert changed(both, component(workload())) is Change.BUSINESS
    newer = component(workload(), {**workload("migrate:2", "job:1"), "kind": "Job"})
    assert changed(both, newer) is Change.PLATFORM


def test_config_that_both_parts_use_is_the_products() -> None:
    def shared(value: str) -> Component:
        found = workload()
        used = {"name": "init", "image": "i", "envFrom": [{"configMapRef": {"name": "env"}}]}
        found["spec"]["template"]["spec"]["initContainers"] = [used]
        return component(found, config("ConfigMap", "env", value))

    assert changed(shared("a"), shared("b")) is Change.BUSINESS


def test_a_report_says_everything_of_a_conflict() -> None:
    before: Side = {SHOP: component(workload())}
    after: Side = {SHOP: component(workload("init:2", "shop:2"), definition=V2)}
    version = Difference(
        part=Part.PLATFORM, what="definition", before="web 1.0.0", after="web 1.1.0"
    )
    init = Difference(
        part=Part.PLATFORM, what="initContainers[init].image", before="init:1", after="init:2"
    )
    shop = Difference(
        part=Part.BUSINESS, what="containers[shop].image", before="shop:1", after="shop:2"
    )
    finding = Finding(
        subject=SHOP,
        presence=Presence.KEPT,
        before=V1,
        after=V2,
        differences=(version, init, shop),
    )
    conflict = Conflict(
        what="component shop of Application demo/shop",
        application=("demo", "shop"),
        update=(version, init),
        release=(shop,),
    )
    expected = Report(findings=(finding,), conflicts=(conflict,))
    assert check(before, after, containers=NO_PATTERNS, whole=False) == expected


def test_an_update_and_a_release_of_two_components_conflict_only_in_the_whole() -> None:
    before: Side = {SHOP: component(workload()), CART: component(workload())}
    after: Side = {SHOP: component(workload("init:2")), CART: component(workload(image="c:2"))}
    assert check(before, after, containers=NO_PATTERNS, whole=False).conflicts == ()
    (conflict,) = check(before, after, containers=NO_PATTERNS, whole=True).conflicts
    assert conflict.what == "Application demo/shop"


def test_two_applications_are_never_one_whole() -> None:
    other = Subject(namespace="demo", application="other", name="cart")
    before: Side = {SHOP: component(workload()), other: component(workload())}
    after: Side = {SHOP: component(workload("init:2")), other: component(workload(image="c:2"))}
    assert check(before, after, containers=NO_PATTERNS, whole=True).conflicts == ()


def test_a_component_that_comes_or_goes_is_a_release_of_the_whole_alone() -> None:
    both: Side = {SHOP: component(workload()), CART: component(workload())}
    updated: Side = {SHOP: component(workload("init:2"))}
    report = check(both, updated, containers=NO_PATTERNS, whole=False)
    assert [(f.presence, f.change) for f in report.findings] == [
        (Presence.REMOVED, Change.BUSINESS),
        (Presence.KEPT, Change.PLATFORM),
    ]
    assert report.conflicts == ()
    assert len(check(both, updated, containers=NO_PATTERNS, whole=True).conflicts) == 1
    assert check({}, both, containers=NO_PATTERNS, whole=True).conflicts == ()


@given(pod_templates(), pod_templates())
def test_the_differences_of_two_templates_have_the_class_that_the_controller_finds(
    before: Obj, after: Obj
) -> None:
    found = differences(
        [{**workload(), "spec": {"template": before}}],
        [{**workload(), "spec": {"template": after}}],
        SIDECAR,
    )
    assert change_of(found) is classify(before, after, SIDECAR)


def test_values_other_than_images_are_not_shown() -> None:
    """The log of a CI job is read by many."""
    old, new = workload(), workload()
    new["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "P", "value": "s3cret"}]
    new_secret = config("Secret", "key", "s3cret")
    objects = ([old, config("Secret", "key", "x")], [new, new_secret])
    shown = [str(d) for d in differences(*objects, NO_PATTERNS)]
    assert shown == ["containers[shop].env", "Secret key"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "", ""),
        ("", "why", "why"),
        ("why", "why", ""),
        ("why", "other", "other"),
        ("a", "", ""),
    ],
)
def test_a_waiver_counts_once(old: str, new: str, expected: str) -> None:
    sides = [
        {"metadata": {"annotations": {TOGETHER: value} if value else {}}} for value in (old, new)
    ]
    assert waiver(*sides) == expected
