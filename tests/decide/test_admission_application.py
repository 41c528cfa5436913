"""What admission says of an Application in which an update and a release come together."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import msgspec
import pytest

from tandem_controller.api.record import ReleaseRecord
from tandem_controller.decide.admission.application import (
    KUBEVELA,
    Checkpoint,
    Mode,
    admit_application,
    proven_images,
)
from tandem_controller.decide.admission.review import ALLOWED, AdmissionRequest, UserInfo, Verdict
from tandem_controller.keys import TOGETHER

Obj = dict[str, Any]

DENY, WARN = Checkpoint(mode=Mode.DENY), Checkpoint(mode=Mode.WARN)
V1: Obj = {"businessImage": "shop:1", "initImage": "init:1", "replicas": 2}
BOTH: Obj = {**V1, "businessImage": "shop:2", "initImage": "init:2"}
UPDATE: Obj = {**V1, "initImage": "init:2"}
RELEASE: Obj = {**V1, "businessImage": "shop:2"}


def application(properties: Obj, *, kind: str = "web", **more: Any) -> Obj:  # noqa: ANN401
    component = {"name": "shop", "type": kind, "properties": properties, **more.pop("shop", {})}
    spec = {"components": [component, *more.pop("others", ())], **more.pop("spec", {})}
    return {"metadata": {"name": "shop", "namespace": "demo", **more}, "spec": spec}


OLD = application(V1)


def request(new: Obj, old: Obj = OLD, **more: Any) -> AdmissionRequest:  # noqa: ANN401
    known: Obj = {"uid": "u", "operation": "UPDATE", "namespace": "demo", "name": "shop"}
    return AdmissionRequest(**{**known, "object": new, "old_object": old, **more})


def test_a_refusal_names_component_properties_and_the_ways_out() -> None:
    assert admit_application(request(application(BOTH)), DENY) == Verdict(
        allowed=False,
        message=(
            "spec.components[shop]: a component update (properties.initImage) and a business "
            "release (properties.businessImage) would go out together: release one of the two "
            "first, then the other. To go back to an earlier version, or where both belong "
            "together, set the annotation tandem.oam.dev/together of the Application to the reason"
        ),
    )


def test_a_warning_lets_it_pass() -> None:
    said = (
        "component shop: a component update (properties.initImage) and a business release "
        "(properties.businessImage) go out together; release one of them first"
    )
    assert admit_application(request(application(BOTH)), WARN) == Verdict(warnings=(said,))


def test_off_says_nothing() -> None:
    assert admit_application(request(application(BOTH)), Checkpoint()) == ALLOWED


@pytest.mark.parametrize(
    "new",
    [
        application(V1),
        application(UPDATE),
        application(RELEASE),
        application({**UPDATE, "replicas": 9, "labels": {"a": "b"}}),
        application(V1, kind="web@v2.0.0"),
        application(UPDATE, kind="web@v2.0.0"),
        application(RELEASE, shop={"traits": [{"type": "rollout", "properties": {"steps": [5]}}]}),
        application(UPDATE, others=[{"name": "new", "type": "web", "properties": BOTH}]),
        {"metadata": {"name": "shop"}, "spec": {}},
        {"metadata": {"name": "shop"}},
    ],
)
def test_one_at_a_time_passes(new: Obj) -> None:
    assert admit_application(request(new), DENY) == ALLOWED


@pytest.mark.parametrize(
    "new",
    [
        application(RELEASE, kind="web@v2.0.0"),
        application({**UPDATE, "cmd": ["sh"]}),
        application(
            RELEASE,
            shop={"traits": [{"type": "init-container", "properties": {"image": "i"}}]},
        ),
        application(
            V1,
            spec={
                "policies": [
                    {
                        "name": "prod",
                        "type": "override",
                        "properties": {"components": [{"properties": BOTH}]},
                    }
                ]
            },
        ),
    ],
)
def test_both_are_found_wherever_the_application_states_them(new: Obj) -> None:
    assert not admit_application(request(new), DENY).allowed


def test_the_names_of_platform_properties_are_a_setting() -> None:
    new = application({**V1, "proxyImage": "proxy:2", "businessImage": "shop:2"})
    assert admit_application(request(new), DENY) == ALLOWED
    checkpoint = Checkpoint(mode=Mode.DENY, platform=("proxy*",))
    assert not admit_application(request(new), checkpoint).allowed


def versions(*images: Collection[str]) -> Any:  # noqa: ANN401
    def proven(namespace: str, component: str) -> Iterable[Collection[str]]:
        assert (namespace, component) == ("demo", "shop")
        return images

    return proven


def test_a_way_back_is_never_refused() -> None:
    """A pair of images that ran together before is proven; an on-call person is not stopped."""
    back = request(application(BOTH), application({**BOTH, **V1}))
    assert admit_application(back, DENY, versions({"shop:2", "init:2", "proxy:1"})) == ALLOWED
    for other in ({"shop:2", "init:1"}, {"shop:1", "init:1"}):
        assert not admit_application(back, DENY, versions(other)).allowed


def test_what_ran_to_its_end_is_proven() -> None:
    def record(image: str, outcome: str | None) -> ReleaseRecord:
        attempt = {"startedAt": "2026-01-01T00:00:00Z", **({"outcome": outcome} if outcome else {})}
        workload = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop", "uid": "u"}
        images = [{"name": "shop", "image": image}]
        spec = {"workload": workload, "fingerprint": "f", "template": {}, "images": images}
        body = {"metadata": {"name": image}, "spec": spec, "status": {"attempts": [attempt]}}
        return msgspec.convert(body, ReleaseRecord)

    records = [
        record("a", "Completed"),
        record("b", "Baseline"),
        record("c", "RolledBack"),
        record("d", None),
    ]
    assert list(proven_images(records)) == [{"a"}, {"b"}]


@pytest.mark.parametrize(
    "passing",
    [
        request(application(BOTH), user_info=UserInfo(username="core", groups=(KUBEVELA,))),
        request(application(BOTH, deletionTimestamp="2026-01-01T00:00:00Z")),
        request(application(BOTH, annotations={TOGETHER: "CVE-1"})),
        request(application(BOTH), operation="CREATE", old_object=None),
    ],
    ids=["KubeVela", "deletion", "waiver", "creation"],
)
def test_what_nobody_may_stop_passes(passing: AdmissionRequest) -> None:
    assert admit_application(passing, DENY) == ALLOWED


def test_a_waiver_that_was_there_before_waives_nothing() -> None:
    told = {TOGETHER: "CVE-1"}
    again = request(application(BOTH, annotations=told), application(V1, annotations=told))
    assert not admit_application(again, DENY).allowed
