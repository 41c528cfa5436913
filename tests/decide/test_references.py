"""What a Rollout names and what is there: one clear sentence, and hands off the workload."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from tandem_controller.api.meta import ObjectMeta
from tandem_controller.api.network import HTTPRoute, Ingress, Service
from tandem_controller.api.rollout import (
    CanaryStatus,
    CanaryStrategy,
    GatewayRef,
    IngressRef,
    Phase,
    Rollout,
    RolloutStatus,
    Step,
    TrafficRouting,
    WorkloadRef,
)
from tandem_controller.decide.release import decide
from tandem_controller.decide.validity.references import problem
from tandem_controller.effect import Decision, Kind, ReplaceStatus
from tandem_controller.keys import OWNER
from tandem_controller.snapshot import Snapshot, TrafficSnapshot
from tandem_controller.workloads.table import provider_for
from tests.examples import LONG_AGO, NOW, V1, V2, Obj, deployment, owned, rollout, workload

STEPS = (Step(replicas="20%", traffic="20%"), Step(replicas="100%"))
BY_ROUTE = TrafficRouting(service="shop", gateway=GatewayRef(http_route_name="shop"))
BY_INGRESS = TrafficRouting(service="shop", ingress=IngressRef(name="shop"))
META = ObjectMeta(name="shop", namespace="web")
BESIDE = ObjectMeta(name="shop-canary", namespace="web")

SERVICE = Service(metadata=META, spec={"selector": {"app": "shop"}})
ROUTE = HTTPRoute(metadata=META, spec={"rules": [{"backendRefs": [{"name": "shop"}]}]})
OTHER_ROUTE = HTTPRoute(metadata=META, spec={"rules": [{"backendRefs": [{"name": "docs"}]}]})


def ingress(service: str, meta: ObjectMeta = META) -> Ingress:
    path = {"path": "/", "backend": {"service": {"name": service, "port": {"number": 80}}}}
    return Ingress(metadata=meta, spec={"rules": [{"http": {"paths": [path]}}]})


def routed(routing: TrafficRouting = BY_ROUTE) -> Rollout:
    return rollout(CanaryStrategy(steps=STEPS, traffic_routings=(routing,)))


def snapshot(
    of: Rollout | None = None,
    rivals: tuple[Rollout, ...] = (),
    **traffic: Any,  # noqa: ANN401 - as the struct's
) -> Snapshot:
    present = {"stable_service": SERVICE, "http_route": ROUTE, "ingress": ingress("shop")}
    return Snapshot(
        rollout=of or routed(),
        workload=workload(deployment(), (V1, 10, 10)),
        traffic=TrafficSnapshot(**{**present, **traffic}),
        rivals=rivals,
    )


def found(seen: Snapshot) -> str | None:
    return problem(seen, provider_for(seen.rollout.spec.workload_ref, seen.strategy))


RECREATE = workload(deployment(strategy={"type": "Recreate"}, template=V2), (V1, 10, 10))
SERVICE_FIELD = "trafficRoutings[0].service"
ROUTE_FIELD = "trafficRoutings[0].gateway.httpRouteName"
INGRESS_FIELD = "trafficRoutings[0].ingress.name"

BAD: dict[str, tuple[Snapshot, str]] = {
    "service missing": (
        snapshot(stable_service=None),
        f"{SERVICE_FIELD}: Service 'shop' does not exist; create it or correct the name",
    ),
    "service without selector": (
        snapshot(stable_service=Service(metadata=META)),
        f"{SERVICE_FIELD}: Service 'shop' has no selector; it cannot be split by pods",
    ),
    "canary service of somebody else": (
        snapshot(canary_service=Service(metadata=BESIDE)),
        (
            f"{SERVICE_FIELD}: Service 'shop-canary' exists and is not this Rollout's; rename it, "
            "the canary needs the name"
        ),
    ),
    "canary service of a frozen release without records": (
        snapshot(canary_service=Service(metadata=replace(BESIDE, labels={OWNER: "shop"}))),
        (
            f"{SERVICE_FIELD}: Service 'shop-canary' was left by a frozen release whose "
            "ReleaseRecords are gone; send all traffic to the stable Service, take "
            "pod-template-hash out of its selector, delete Service 'shop-canary', and the release "
            "begins anew"
        ),
    ),
    "canary ingress of somebody else": (
        snapshot(routed(BY_INGRESS), canary_ingress=ingress("docs", BESIDE)),
        (
            f"{INGRESS_FIELD}: Ingress 'shop-canary' exists and is not this Rollout's; rename it, "
            "the canary needs the name"
        ),
    ),
    "route missing": (
        snapshot(http_route=None),
        f"{ROUTE_FIELD}: HTTPRoute 'shop' does not exist; create it or correct the name",
    ),
    "no rule names the service": (
        snapshot(http_route=OTHER_ROUTE),
        (
            f"{ROUTE_FIELD}: no rule of HTTPRoute 'shop' has Service 'shop' as a backend; add it "
            f"as a backendRef or correct {SERVICE_FIELD}"
        ),
    ),
    "ingress missing": (
        snapshot(routed(BY_INGRESS), ingress=None),
        f"{INGRESS_FIELD}: Ingress 'shop' does not exist; create it or correct the name",
    ),
    "no path names the service": (
        snapshot(routed(BY_INGRESS), ingress=ingress("docs")),
        (
            f"{INGRESS_FIELD}: no path of Ingress 'shop' has Service 'shop' as its backend; add it "
            f"or correct {SERVICE_FIELD}"
        ),
    ),
    "strategy recreate": (
        Snapshot(rollout=rollout(), workload=RECREATE),
        (
            "Deployment 'shop': spec.strategy.type is Recreate, which never runs two versions side "
            "by side; set it to RollingUpdate"
        ),
    ),
    "no step": (
        snapshot(rollout(CanaryStrategy())),
        "spec.strategy.canary.steps: there is no step (state between 1 and 50)",
    ),
    "another kind": (
        snapshot(
            replace(
                rollout(),
                spec=replace(
                    rollout().spec,
                    workload_ref=WorkloadRef(api_version="batch/v1", kind="Job", name="shop"),
                ),
            )
        ),
        (
            "spec.workloadRef.kind: batch/v1 Job is not supported (name a workload of a supported "
            "kind: apps/v1 Deployment)"
        ),
    ),
    "an older rollout": (
        snapshot(rivals=(rollout(name="first", creation_timestamp=LONG_AGO - timedelta(days=1)),)),
        (
            "spec.workloadRef: Deployment 'shop' is already released by Rollout 'first'; delete "
            "one of the two"
        ),
    ),
}


@pytest.mark.parametrize(("seen", "sentence"), BAD.values(), ids=BAD)
class TestProblem:
    def test_is_one_sentence_with_field_and_remedy(self, seen: Snapshot, sentence: str) -> None:
        assert found(seen) == sentence

    def test_is_told_in_status_and_event_and_leaves_the_workload_alone(
        self, seen: Snapshot, sentence: str
    ) -> None:
        decision = decide(seen, NOW)
        assert told(decision) == (Phase.INITIAL, sentence)
        assert [(n.reason, n.message, n.warning) for n in decision.notes] == [
            ("Blocked", sentence, True)
        ]

    def test_is_told_once(self, seen: Snapshot, sentence: str) -> None:
        told_of = after(seen, decide(seen, NOW))
        assert told_of.rollout.status.message == sentence
        assert decide(told_of, NOW) == Decision()


def told(decision: Decision) -> tuple[str, str]:
    """Phase and message of a decision that writes nothing but the Rollout's status."""
    [effect] = decision.effects
    assert isinstance(effect, ReplaceStatus)
    assert (effect.kind, effect.name) == (Kind.ROLLOUT, "shop")
    return (effect.status["phase"], effect.status["message"])


def after(seen: Snapshot, decision: Decision) -> Snapshot:
    [effect] = decision.effects
    assert isinstance(effect, ReplaceStatus)
    status = msgspec.convert(effect.status, RolloutStatus)
    return dataclasses.replace(seen, rollout=replace(seen.rollout, status=status))


def test_everything_in_its_place_is_no_problem() -> None:
    good = [
        snapshot(),
        snapshot(routed(BY_INGRESS)),
        snapshot(canary_service=Service(metadata=owned(BESIDE))),
        snapshot(routed(BY_INGRESS), canary_ingress=ingress("shop-canary", owned(BESIDE))),
        snapshot(rollout()),
    ]
    assert [found(seen) for seen in good] == [None] * len(good)


class TestRivals:
    def test_the_older_one_keeps_the_workload(self) -> None:
        younger = rollout(name="second", creation_timestamp=NOW)
        assert found(snapshot(rivals=(younger,))) is None

    def test_created_in_the_same_second_the_name_decides_for_both_alike(self) -> None:
        one = replace(routed(), metadata=replace(routed().metadata, name="a", uid="a"))
        other = replace(routed(), metadata=replace(routed().metadata, name="b", uid="b"))
        assert found(snapshot(one, rivals=(other,))) is None
        assert found(snapshot(other, rivals=(one,))) is not None

    def test_the_oldest_of_several_is_named(self) -> None:
        rivals = tuple(
            rollout(name=f"r{days}", creation_timestamp=LONG_AGO - timedelta(days=days))
            for days in (1, 3, 2)
        )
        assert "Rollout 'r3'" in (found(snapshot(rivals=rivals)) or "")


class TestMissingWorkload:
    SEEN = Snapshot(rollout=rollout())

    def test_is_told_with_field_and_remedy(self) -> None:
        decision = decide(self.SEEN, NOW)
        message = "Workload Not Found: Deployment 'shop' in namespace 'web'"
        assert told(decision) == (Phase.INITIAL, message)
        assert [(n.reason, n.message, n.warning) for n in decision.notes] == [
            ("WorkloadNotFound", f"{message}; create it or correct spec.workloadRef", True)
        ]

    def test_is_told_once(self) -> None:
        assert decide(after(self.SEEN, decide(self.SEEN, NOW)), NOW) == Decision()

    def test_holds_no_deletion_up(self) -> None:
        metadata: Obj = {"deletion_timestamp": NOW, "finalizers": ("rollouts.kruise.io/rollout",)}
        [effect] = decide(Snapshot(rollout=rollout(**metadata)), NOW).effects
        assert getattr(effect, "body", None) == {"metadata": {"finalizers": []}}


def test_a_healthy_rollout_stays_healthy_while_it_says_what_is_wrong() -> None:
    status = RolloutStatus(phase=Phase.HEALTHY, canary_status=CanaryStatus())
    seen = snapshot(replace(routed(), status=status), stable_service=None)
    assert told(decide(seen, NOW))[0] == Phase.HEALTHY
