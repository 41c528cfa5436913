"""What becomes of Rollouts that the real Kruise left in these states, and why some are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tandem_cli.migration.judge import Fate
from tandem_cli.migration.plan import judgements, make
from tandem_controller.api.record import Outcome
from tests.migration.states import Objects, inventory, recorded, their_crd

IN_FLIGHT = ("partition", "canary", "ingress")


@pytest.mark.parametrize("name", IN_FLIGHT)
def test_a_release_paused_at_a_step_is_carried_on_exactly(name: str) -> None:
    (judged,) = judgements(inventory(recorded(name)))
    assert (judged.fate, judged.why) == (Fate.IN_FLIGHT, "paused at step 1/2")
    assert judged.takeover is not None
    stable, release = judged.takeover.stable, judged.takeover.release
    assert stable.stable_attempt is not None
    assert stable.stable_attempt.outcome is Outcome.BASELINE
    assert [i.image for i in stable.spec.images] == ["init:v1", "shop:v1"]
    assert [i.image for i in release.spec.images] == ["init:v2", "shop:v2"]
    attempt = release.open_attempt
    assert attempt is not None
    assert attempt.circumstances.stable == stable.metadata.name
    assert attempt.originals.workload == {
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": "30%", "maxUnavailable": 1},
        },
        "minReadySeconds": 0,
        "progressDeadlineSeconds": 600,
    }
    assert attempt.originals.services == {"shop": {"app": "shop"}}


@pytest.mark.parametrize("name", IN_FLIGHT)
def test_no_pod_template_is_written(name: str) -> None:
    (judged,) = judgements(inventory(recorded(name)))
    assert judged.takeover is not None
    spec = judged.takeover.workload["spec"]
    assert "template" not in spec
    assert "replicas" not in spec
    assert spec.get("paused", True) is True


def test_a_route_goes_back_to_the_service_alone() -> None:
    (judged,) = judgements(inventory(recorded("partition")))
    assert judged.takeover is not None
    attempt = judged.takeover.release.open_attempt
    assert attempt is not None
    (rule,) = attempt.originals.routes["shop"]["rules"]
    assert [(r["name"], r["weight"]) for r in rule["backendRefs"]] == [("shop", 1)]


def test_at_rest_nothing_is_written_for_a_rollout() -> None:
    (judged,) = judgements(inventory(recorded("rest")))
    assert (judged.fate, judged.takeover) == (Fate.AT_REST, None)


def _canary_status(objects: Objects) -> dict[str, Any]:
    status: dict[str, Any] = objects["Rollout"][0]["status"]["canaryStatus"]
    return status


def _moving(objects: Objects) -> None:
    _canary_status(objects)["currentStepState"] = "StepUpgrade"


def _jumping(objects: Objects) -> None:
    objects["Rollout"][0]["spec"]["strategy"]["canary"]["steps"] *= 2
    _canary_status(objects)["nextStepIndex"] = 4


def _rolling_back(objects: Objects) -> None:
    _canary_status(objects)["observedRolloutID"] = "rollback-57db5649d5"


def _more_pods(objects: Objects) -> None:
    objects["ReplicaSet"][0]["spec"]["replicas"] = 3


def _no_stable(objects: Objects) -> None:
    _canary_status(objects)["stableRevision"] = "gone"


def _another_weight(objects: Objects) -> None:
    refs = objects["HTTPRoute"][0]["spec"]["rules"][0]["backendRefs"]
    refs[0]["weight"], refs[1]["weight"] = 70, 30


def _unpinned(objects: Objects) -> None:
    objects["Service"][0]["spec"]["selector"].pop("pod-template-hash")


def _no_strategy(objects: Objects) -> None:
    objects["Deployment"][0]["metadata"]["annotations"][
        "rollouts.kruise.io/deployment-strategy"
    ] = "?"


def _blue_green(objects: Objects) -> None:
    strategy = objects["Rollout"][0]["spec"]["strategy"]
    strategy["blueGreen"] = strategy.pop("canary")


def _clone_set(objects: Objects) -> None:
    ref = {"apiVersion": "apps.kruise.io/v1alpha1", "kind": "CloneSet", "name": "shop"}
    objects["Rollout"][0]["spec"]["workloadRef"] = ref


def _by_traffic_routing(objects: Objects) -> None:
    objects["Rollout"][0]["metadata"]["annotations"]["rollouts.kruise.io/trafficrouting"] = "t"


def _deleted(objects: Objects) -> None:
    objects["Rollout"][0]["metadata"]["deletionTimestamp"] = "2026-11-21T10:00:00Z"


def _beginning(objects: Objects) -> None:
    objects["Rollout"][0]["status"]["phase"] = "Healthy"


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_moving, "its release moves (StepUpgrade)"),
        (_jumping, "it is about to jump to step 4"),
        (_rolling_back, "it is being rolled back"),
        (_more_pods, "could not be carried on exactly"),
        (_no_stable, "no ReplicaSet has the stable revision 'gone'"),
        (_another_weight, "patch HTTPRoute 'shop'"),
        (_unpinned, "patch Service 'shop'"),
        (_no_strategy, "is no JSON object"),
        (_blue_green, "blue-green"),
        (_clone_set, "does not release CloneSet"),
        (_by_traffic_routing, "TrafficRouting"),
        (_deleted, "is being deleted"),
        (_beginning, "its release is Healthy"),
    ],
)
def test_what_cannot_be_carried_on_exactly_is_refused_with_the_reason(
    spoil: Callable[[Objects], None], told: str
) -> None:
    objects = recorded("partition")
    spoil(objects)
    (judged,) = judgements(inventory(objects))
    assert judged.fate is Fate.REFUSED
    assert told in judged.why
    assert judged.remedy
    (refusal,) = make(inventory(objects)).refusals
    assert refusal == f"Rollout part/shop: {judged.why}; {judged.remedy}"


def test_helms_and_fluxs_hold_on_the_old_controller_is_told() -> None:
    release = {"meta.helm.sh/release-name": "kr", "meta.helm.sh/release-namespace": "vela-system"}
    controller = {
        "kind": "Deployment",
        "metadata": {
            "name": "kruise-rollout-controller-manager",
            "namespace": "kruise-rollout",
            "labels": {"helm.toolkit.fluxcd.io/name": "kruise-rollout"},
        },
        "spec": {"replicas": 1},
    }
    plan = make(
        inventory(
            recorded("rest"),
            rollout_crd=their_crd(annotations=release),
            controllers=(controller,),
        )
    )
    assert plan.controller == (
        "Deployment kruise-rollout/kruise-rollout-controller-manager runs 1 replicas",
    )
    assert [
        "Helm release vela-system/kr" in plan.warnings[0],
        "HelmRelease" in plan.warnings[1],
    ] == [
        True,
        True,
    ]
    assert plan.refusals == ()


def test_two_controllers_at_once_are_refused() -> None:
    spec = {"holderIdentity": "a", "renewTime": "2026-11-21T11:59:59Z"}
    lease = {"metadata": {"name": "tandem-controller"}, "spec": spec}
    (refusal,) = make(inventory(recorded("rest"), tandem_lease=lease)).refusals
    assert "Tandem's controller runs already" in refusal


def test_where_there_is_no_kruise_nothing_is_to_be_done() -> None:
    plan = make(inventory({"Rollout": [], "BatchRelease": []}, rollout_crd=None))
    assert (plan.finished, plan.refusals) == (True, ())
