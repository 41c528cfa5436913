"""Which part of a template a change touches, and putting two parts together again."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem_controller.api.policy import Containers
from tandem_controller.api.record import Change
from tandem_controller.decide.classify import classify, compose, is_platform, parts

DEFAULT = Containers()
SIDECAR = Containers(platform=("proxy",))


def template(**spec: object) -> dict[str, Any]:
    return {
        "metadata": {"labels": {"app": "web"}},
        "spec": {
            "initContainers": [container("init", "init:1", "work", "scripts")],
            "containers": [container("web", "web:1", "work"), container("proxy", "proxy:1")],
            "volumes": [{"name": n, "emptyDir": {}} for n in ("work", "scripts")],
            **spec,
        },
    }


def container(name: str, image: str, *mounts: str) -> dict[str, Any]:
    body: dict[str, Any] = {"name": name, "image": image}
    if mounts:
        body["volumeMounts"] = [{"name": m, "mountPath": f"/{m}"} for m in mounts]
    return body


BASE = template()
WORK, SCRIPTS = BASE["spec"]["volumes"]
CHANGES = {
    "business image": (
        template(containers=[container("web", "web:2", "work"), container("proxy", "proxy:1")]),
        Change.BUSINESS,
        Change.BUSINESS,
    ),
    "init image": (
        template(initContainers=[container("init", "init:2", "work", "scripts")]),
        Change.PLATFORM,
        Change.PLATFORM,
    ),
    # Nobody mounts its volume any more, which is then an ordinary one of the pod.
    "init container taken away": (template(initContainers=[]), Change.BOTH, Change.BOTH),
    "sidecar image": (
        template(containers=[container("web", "web:1", "work"), container("proxy", "proxy:2")]),
        Change.BUSINESS,
        Change.PLATFORM,
    ),
    "sidecar moved before the business container": (
        template(containers=[container("proxy", "proxy:1"), container("web", "web:1", "work")]),
        Change.BUSINESS,
        Change.NEITHER,
    ),
    "volume of the init container alone": (
        template(volumes=[WORK, {"name": "scripts", "configMap": {"name": "s"}}]),
        Change.PLATFORM,
        Change.PLATFORM,
    ),
    "volume that both mount": (
        template(volumes=[{"name": "work", "hostPath": {"path": "/x"}}, SCRIPTS]),
        Change.BUSINESS,
        Change.BUSINESS,
    ),
    "pod-level field": (
        template(serviceAccountName="web"),
        Change.BUSINESS,
        Change.BUSINESS,
    ),
    "labels": (
        {**BASE, "metadata": {"labels": {"app": "web", "team": "a"}}},
        Change.NEITHER,
        Change.NEITHER,
    ),
    "both images": (
        template(
            initContainers=[container("init", "init:2", "work", "scripts")],
            containers=[container("web", "web:2", "work"), container("proxy", "proxy:1")],
        ),
        Change.BOTH,
        Change.BOTH,
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_classified_by_the_class_of_its_containers(name: str) -> None:
    after, by_default, with_sidecar = CHANGES[name]
    assert classify(BASE, after, DEFAULT) is by_default
    assert classify(BASE, after, SIDECAR) is with_sidecar


@pytest.mark.parametrize(
    ("name", "init", "patterns", "expected"),
    [
        ("init", True, Containers(), True),
        ("web", False, Containers(), False),
        ("proxy-1", False, Containers(platform=("proxy-*",)), True),
        ("migrate", True, Containers(business=("migrate",)), False),
        ("shop-proxy", False, Containers(platform=("*-proxy",), business=("shop-*",)), False),
    ],
)
def test_a_business_pattern_outweighs_a_platform_one(
    name: str, init: bool, patterns: Containers, expected: bool
) -> None:
    assert is_platform({"name": name}, patterns, init=init) is expected


_images = st.sampled_from(["1", "2", "3"])
_mounts = st.lists(st.sampled_from(["a", "b", "c"]), unique=True)


@st.composite
def pod_templates(draw: st.DrawFn) -> dict[str, Any]:
    init = draw(st.lists(st.sampled_from(["i", "j"]), unique=True))
    main = ["web", *draw(st.lists(st.sampled_from(["proxy", "log"]), unique=True))]
    containers = [container(n, draw(_images), *draw(_mounts)) for n in draw(st.permutations(main))]
    inits = [container(n, draw(_images), *draw(_mounts)) for n in init]
    kinds = {n: draw(st.sampled_from(["emptyDir", "hostPath"])) for n in "abc"}
    return {
        "metadata": {"labels": {"v": draw(_images)}},
        "spec": {
            "initContainers": inits,
            "containers": containers,
            "volumes": [{"name": n, kind: {}} for n, kind in kinds.items()],
            "hostNetwork": draw(st.booleans()),
        },
    }


@given(pod_templates(), pod_templates())
def test_a_composed_template_finds_every_volume_that_it_mounts(
    business: dict[str, Any], platform: dict[str, Any]
) -> None:
    spec = compose(business, platform, SIDECAR)["spec"]
    volumes = [v["name"] for v in spec.get("volumes", ())]
    mounted = {
        m["name"]
        for field in ("initContainers", "containers")
        for c in spec.get(field, ())
        for m in c.get("volumeMounts", ())
    }
    assert mounted <= set(volumes)
    assert len(volumes) == len(set(volumes))


@given(pod_templates(), pod_templates())
def test_a_composed_template_has_the_containers_of_the_part_that_they_come_from(
    business: dict[str, Any], platform: dict[str, Any]
) -> None:
    composed = compose(business, platform, SIDECAR)
    assert composed["metadata"] == business["metadata"]
    for theirs, source in ((False, business), (True, platform)):
        assert own_containers(composed, theirs) == own_containers(source, theirs)


def own_containers(found: dict[str, Any], platform: bool) -> list[dict[str, Any]]:
    spec = found["spec"]
    return [
        c
        for field in ("initContainers", "containers")
        for c in spec.get(field, ())
        if is_platform(c, SIDECAR, init=field == "initContainers") is platform
    ]


@given(pod_templates())
def test_a_template_composed_with_itself_is_the_same(found: dict[str, Any]) -> None:
    assert parts(compose(found, found, SIDECAR), SIDECAR) == parts(found, SIDECAR)
    assert classify(found, compose(found, found, SIDECAR), SIDECAR) is Change.NEITHER
