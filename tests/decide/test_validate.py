"""What a user may not write, and what the refusal says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem_controller.api.conversion import rollout_of
from tandem_controller.api.rollout import Rollout, Step
from tandem_controller.decide.validity.rollout import Problem, validate_rollout
from tandem_controller.decide.validity.traffic import SUPPORTED_INGRESS_CLASSES
from tandem_controller.traffic.table import INGRESS_CLASSES

Obj = dict[str, Any]

SHOP = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"}
INGRESS = {"service": "shop", "ingress": {"name": "shop"}}
GATEWAY = {"service": "shop", "gateway": {"httpRouteName": "shop"}}
HEADER = {"name": "x-group", "value": "beta"}
COOKIE = {"name": "canary-by-cookie", "value": "demo"}


def beta(
    *steps: Obj,
    routing: Obj | None = None,
    ref: Obj | None = None,
    phase: str = "",
    **canary: object,
) -> Rollout:
    strategy: Obj = {"canary": {"steps": list(steps), **canary}}
    if routing is not None:
        strategy["canary"]["trafficRoutings"] = [routing]
    return rollout_of(
        {
            "apiVersion": "rollouts.kruise.io/v1beta1",
            "kind": "Rollout",
            "metadata": {"name": "shop", "namespace": "web"},
            "spec": {"workloadRef": SHOP if ref is None else ref, "strategy": strategy},
            "status": {"phase": phase},
        }
    )


def alpha(*steps: Obj, style: str = "partition", routing: Obj | None = None) -> Rollout:
    canary: Obj = {"steps": list(steps)}
    if routing is not None:
        canary["trafficRoutings"] = [routing]
    return rollout_of(
        {
            "apiVersion": "rollouts.kruise.io/v1alpha1",
            "kind": "Rollout",
            "metadata": {
                "name": "shop",
                "annotations": {"rollouts.kruise.io/rolling-style": style},
            },
            "spec": {"objectRef": {"workloadRef": SHOP}, "strategy": {"canary": canary}},
        }
    )


def problems(
    rollout: Rollout,
    *,
    old: Rollout | None = None,
    others: Iterable[Rollout] = (),
    alpha: bool = False,
) -> tuple[Problem, ...]:
    return validate_rollout(rollout.spec, old=old, others=others, alpha=alpha)


def fields(
    rollout: Rollout,
    *,
    old: Rollout | None = None,
    others: Iterable[Rollout] = (),
    alpha: bool = False,
) -> list[str]:
    found = problems(rollout, old=old, others=others, alpha=alpha)
    return [problem.field for problem in found]


S = "spec.strategy.canary.steps"


def test_a_plain_batch_release_is_accepted() -> None:
    assert not problems(beta({"replicas": 1}, {"replicas": "50%"}, {"replicas": "100%"}))


@pytest.mark.parametrize("missing", ["apiVersion", "kind", "name"])
def test_a_rollout_that_names_no_workload_is_refused(missing: str) -> None:
    ref = {k: v for k, v in SHOP.items() if k != missing}
    (problem,) = problems(beta({"replicas": 1}, ref=ref))
    assert problem.field == f"spec.workloadRef.{missing}"
    assert "apps/v1 Deployment" in problem.remedy


def test_an_unsupported_kind_is_refused_with_the_supported_ones() -> None:
    ref = {"apiVersion": "apps.kruise.io/v1alpha1", "kind": "CloneSet", "name": "shop"}
    (problem,) = problems(beta({"replicas": 1}, ref=ref))
    assert problem.field == "spec.workloadRef.kind"
    assert "CloneSet" in problem.message
    assert "apps/v1 Deployment" in problem.remedy


def test_two_rollouts_on_one_workload_are_refused_even_if_one_is_disabled() -> None:
    other = beta({"replicas": 1})
    (problem,) = problems(beta({"replicas": 1}), others=[other])
    assert problem.field == "spec.workloadRef"
    assert "'shop'" in problem.message
    elsewhere = beta({"replicas": 1}, ref=SHOP | {"name": "cart"})
    assert not problems(elsewhere, others=[other])


@pytest.mark.parametrize(
    ("first", "second"),
    [({"replicas": 3}, {"replicas": 2}), ({"replicas": "50%"}, {"replicas": "20%"})],
)
def test_steps_that_go_down_are_refused(first: Obj, second: Obj) -> None:
    (problem,) = problems(beta(first, second))
    assert problem.field == f"{S}[1].replicas"
    assert "go down" in problem.message


def test_traffic_that_goes_down_is_refused_across_steps_without_traffic() -> None:
    steps = (
        {"replicas": 1, "traffic": "30%"},
        {"replicas": 2},
        {"replicas": 3, "traffic": "20%"},
    )
    assert fields(beta(*steps, routing=INGRESS)) == [f"{S}[2].traffic"]


def test_numbers_and_percentages_are_not_compared() -> None:
    assert not problems(beta({"replicas": 5}, {"replicas": "10%"}, {"replicas": 2}))


@pytest.mark.parametrize("share", ["101%", "0%", "20", "-5%", "5.5%", "", "%", "a%", " 5%"])
def test_a_share_that_is_no_percentage_from_1_to_100_is_refused(share: str) -> None:
    assert fields(beta({"replicas": share})) == [f"{S}[0].replicas"]
    step = {"replicas": 1, "traffic": share}
    assert fields(beta(step, routing=INGRESS)) == [f"{S}[0].traffic"]


@given(st.integers(-200, 300))
def test_every_percentage_is_accepted_from_1_to_100_only(share: int) -> None:
    assert bool(problems(beta({"replicas": f"{share}%"}))) is not (1 <= share <= 100)


@pytest.mark.parametrize("replicas", [0, -1])
def test_a_step_of_no_pods_is_refused(replicas: int) -> None:
    assert fields(beta({"replicas": replicas})) == [f"{S}[0].replicas"]


def test_a_step_must_say_how_many_pods() -> None:
    assert fields(beta({"traffic": "5%"}, routing=INGRESS)) == [f"{S}[0].replicas"]
    assert fields(alpha({}), alpha=True) == [f"{S}[0].weight"]


def test_the_number_of_steps_is_limited() -> None:
    assert fields(beta()) == [S]
    assert fields(beta(*[{"replicas": 1}] * 51)) == [S]
    assert not problems(beta(*[{"replicas": 1}] * 50))


def test_a_negative_pause_is_refused() -> None:
    step = {"replicas": 1, "pause": {"duration": -1}}
    assert fields(beta(step)) == [f"{S}[0].pause.duration"]


@pytest.mark.parametrize(
    ("threshold", "good"), [(1, True), ("10%", True), (-1, False), ("x", False)]
)
def test_the_failure_threshold_is_a_number_or_a_percentage(
    threshold: int | str, good: bool
) -> None:
    assert bool(problems(beta({"replicas": 1}, failureThreshold=threshold))) is not good


def test_the_weight_of_v1alpha1_needs_no_routing_for_it_is_also_the_share_of_pods() -> None:
    assert not problems(alpha({"weight": 20}, {"weight": 100}), alpha=True)
    assert not problems(alpha({"weight": 20}, {"weight": 100}))


def test_a_weight_above_100_is_told_once_and_by_its_own_name() -> None:
    (problem,) = problems(alpha({"weight": 120}), alpha=True)
    assert problem.field == f"{S}[0].weight"
    assert "120" in problem.message


def test_v1alpha1_names_its_own_fields() -> None:
    rollout = alpha({"weight": 20})
    old = beta({"replicas": 1}, phase="Progressing", ref=SHOP | {"name": "cart"})
    found = fields(rollout, alpha=True, old=old, others=[beta({"replicas": 1})])
    assert found == ["spec.objectRef.workloadRef"] * 2


def test_traffic_without_a_route_is_refused() -> None:
    assert fields(beta({"replicas": 1, "traffic": "20%"})) == [f"{S}[0].traffic"]
    step = {"replicas": 1, "matches": [{"headers": [HEADER]}]}
    assert fields(beta(step)) == [f"{S}[0].matches"]


@pytest.mark.parametrize(
    ("replicas", "traffic", "good"),
    [
        ("50%", "5%", True),
        ("51%", "5%", False),
        ("51%", "51%", True),
        ("100%", "100%", True),
        (9, "5%", True),
    ],
)
def test_a_batch_release_leaves_enough_stable_pods_for_their_traffic(
    replicas: int | str, traffic: str, good: bool
) -> None:
    step = {"replicas": replicas, "traffic": traffic}
    assert (fields(beta(step, routing=INGRESS)) == []) is good
    assert not problems(beta(step, routing=INGRESS, enableExtraWorkloadForCanary=True))


def test_matches_count_as_no_traffic_for_the_stable_pods() -> None:
    step = {"replicas": "60%", "matches": [{"headers": [HEADER]}]}
    assert fields(beta(step, routing=INGRESS)) == [f"{S}[0].replicas"]


R = "spec.strategy.canary.trafficRoutings[0]"


@pytest.mark.parametrize(
    ("routing", "field"),
    [
        ({"ingress": {"name": "shop"}}, f"{R}.service"),
        ({"service": "shop"}, R),
        ({"service": "shop", "ingress": {}}, f"{R}.ingress.name"),
        (
            {"service": "shop", "ingress": {"name": "a", "classType": "mse"}},
            f"{R}.ingress.classType",
        ),
        ({"service": "shop", "gateway": {}}, f"{R}.gateway.httpRouteName"),
        (INGRESS | {"gracePeriodSeconds": -1}, f"{R}.gracePeriodSeconds"),
        (INGRESS | {"gateway": {"httpRouteName": "b"}}, R),
        (
            {
                "service": "shop",
                "customNetworkRefs": [{"apiVersion": "v1", "kind": "A", "name": "a"}],
            },
            f"{R}.customNetworkRefs",
        ),
    ],
)
def test_a_route_that_could_not_be_moved_is_refused(routing: Obj, field: str) -> None:
    assert fields(beta({"replicas": 1}, routing=routing)) == [field]


def test_the_supported_ingress_classes_are_those_that_have_a_provider() -> None:
    assert set(SUPPORTED_INGRESS_CLASSES) == set(INGRESS_CLASSES)


@pytest.mark.parametrize("name", SUPPORTED_INGRESS_CLASSES)
def test_supported_ingress_classes_are_accepted(name: str) -> None:
    routing = {"service": "shop", "ingress": {"name": "shop", "classType": name}}
    assert not problems(beta({"replicas": 1, "traffic": "5%"}, routing=routing))


def test_more_than_one_routing_is_refused() -> None:
    rollout = beta({"replicas": 1}, trafficRoutings=[INGRESS, GATEWAY])
    assert fields(rollout) == ["spec.strategy.canary.trafficRoutings"]


def test_a_reference_to_a_traffic_routing_object_is_refused() -> None:
    rollout = beta({"replicas": 1}, trafficRoutingRef="shop")
    assert fields(rollout) == ["spec.strategy.canary.trafficRoutingRef"]


@pytest.mark.parametrize(
    ("matches", "field"),
    [
        ([{"headers": [HEADER]}, {"headers": [COOKIE]}], None),
        ([{"path": {"value": "/x"}}], f"{S}[0].matches[0]"),
        ([{"headers": [HEADER], "queryParams": [HEADER]}], f"{S}[0].matches[0]"),
        ([{"headers": [HEADER, COOKIE]}], f"{S}[0].matches[0].headers"),
        ([{"headers": [HEADER]}, {"headers": [HEADER]}], f"{S}[0].matches"),
        ([{"headers": [COOKIE]}, {"headers": [COOKIE]}], f"{S}[0].matches"),
    ],
)
def test_an_ingress_is_only_asked_for_what_it_can_match(
    matches: list[Obj], field: str | None
) -> None:
    step = {"replicas": 1, "matches": matches}
    assert fields(beta(step, routing=INGRESS)) == ([field] if field else [])
    assert not problems(beta(step, routing=GATEWAY))


def test_a_match_without_a_condition_is_refused_because_everything_matches() -> None:
    step = {"replicas": 1, "matches": [{}]}
    assert fields(beta(step, routing=GATEWAY)) == [f"{S}[0].matches[0]"]


def test_a_header_modifier_is_refused_rather_than_ignored() -> None:
    step = {"replicas": 1, "traffic": "5%", "requestHeaderModifier": {"set": [HEADER]}}
    assert fields(beta(step, routing=GATEWAY)) == [f"{S}[0].requestHeaderModifier"]


def strategy_of(strategy: Obj) -> Rollout:
    return rollout_of(
        {
            "apiVersion": "rollouts.kruise.io/v1beta1",
            "kind": "Rollout",
            "metadata": {"name": "shop"},
            "spec": {"workloadRef": SHOP, "strategy": strategy},
        }
    )


def test_exactly_one_strategy_is_required_and_blue_green_says_not_yet() -> None:
    steps = {"steps": [{"replicas": 1}]}
    assert fields(strategy_of({})) == ["spec.strategy.canary"]
    assert fields(strategy_of({"canary": steps, "blueGreen": steps})) == ["spec.strategy"]
    (problem,) = problems(strategy_of({"blueGreen": steps}))
    assert problem.field == "spec.strategy.blueGreen"
    assert "not supported yet" in problem.message


@pytest.mark.parametrize("phase", ["Progressing", "Terminating", "Healthy"])
def test_what_a_release_has_touched_cannot_change_under_it(phase: str) -> None:
    old = beta({"replicas": 1}, routing=INGRESS, phase=phase)
    new = beta(
        {"replicas": 1},
        {"replicas": 2},
        routing=GATEWAY,
        ref=SHOP | {"name": "cart"},
        enableExtraWorkloadForCanary=True,
    )
    expected = [
        "spec.workloadRef",
        "spec.strategy.canary.trafficRoutings",
        "spec.strategy.canary.enableExtraWorkloadForCanary",
        "spec.strategy.canary.steps",
    ]
    assert fields(new, old=old) == ([] if phase == "Healthy" else expected)
    assert S not in fields(new, old=old, alpha=True)


def test_values_of_steps_may_change_in_mid_release() -> None:
    old = beta({"replicas": 1}, phase="Progressing")
    assert not problems(beta({"replicas": 2}), old=old)


def test_every_problem_names_its_field_and_a_remedy() -> None:
    rollout = beta({"replicas": "101%", "traffic": "x", "matches": [{}]}, ref={})
    for problem in problems(rollout):
        assert problem.field.startswith("spec.")
        assert problem.remedy
        assert str(problem) == f"{problem.field}: {problem.message} ({problem.remedy})"


def test_the_default_pause_waits_for_an_approval() -> None:
    assert Step().pause.duration is None
