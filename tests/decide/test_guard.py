"""The admission policies as objects; what they do is tested on a cluster."""

from __future__ import annotations

from typing import Any

import pytest

from tandem_controller.api.guard import mutating_policies, validating_policies
from tandem_controller.api.watched import policy_within, selector, webhooks_within

Obj = dict[str, Any]

POLICIES = {
    "validating": validating_policies(["ada"]),
    "mutating": mutating_policies(["ada"], "v1"),
}


def policies(kind: str) -> list[Obj]:
    """Return those of a kind that the API server evaluates once for each Rollout."""
    return [body for body in POLICIES[kind] if "paramKind" in body["spec"]]


@pytest.mark.parametrize("kind", POLICIES)
def test_a_namespaces_rollouts_are_gone_through_once_for_each_kind_of_policy(kind: str) -> None:
    """A second policy would double what every update of a Deployment costs (decision 0014)."""
    assert len(policies(kind)) == 1


@pytest.mark.parametrize("kind", POLICIES)
def test_whom_an_update_does_not_concern_is_found_by_the_name_before_objects_are_compared(
    kind: str,
) -> None:
    (policy,) = policies(kind)
    first, second = policy["spec"]["matchConditions"]
    assert first["expression"] == '!(request.userInfo.username in ["ada"])'
    assert second["expression"].startswith(
        "params.?spec.?objectRef.?workloadRef.?name.orValue('') == object.metadata.name\n&& "
    )


def test_both_kinds_agree_on_what_concerns_them() -> None:
    """Else one would refuse what the other has not put right.

    The mutating one says in addition what is right already.
    """
    (refusing,), (restoring,) = policies("validating"), policies("mutating")
    for part in ("matchConstraints", "variables"):
        assert refusing["spec"][part] == restoring["spec"][part]
    what = [p["spec"]["matchConditions"][1]["expression"] for p in (refusing, restoring)]
    assert set(what[0].splitlines()) < set(what[1].splitlines())


@pytest.mark.parametrize("kind", POLICIES)
def test_a_policy_comes_before_its_binding(kind: str) -> None:
    """Only then may somebody bind it who may not read everything."""
    bound = [body["spec"].get("policyName") for body in POLICIES[kind]]
    names = [body["metadata"]["name"] for body in POLICIES[kind] if "paramKind" in body["spec"]]
    assert bound == [*[None] * len(names), *names]


@pytest.mark.parametrize("kind", POLICIES)
def test_policies_match_where_tandem_is_for(kind: str) -> None:
    (policy,) = policies(kind)
    assert policy_within(policy, ()) == policy
    within = policy_within(policy, {"web", "shop"})["spec"]["matchConstraints"]
    everywhere = policy["spec"]["matchConstraints"]
    named = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["shop", "web"]}
    assert within == everywhere | {"namespaceSelector": {"matchExpressions": [named]}}


def test_webhooks_call_for_the_namespaces_that_tandem_is_for() -> None:
    configuration = {"webhooks": [{"name": "status.t"}, {"name": "end.t"}]}
    assert webhooks_within(configuration, (), everywhere="end") == configuration
    status, end = webhooks_within(configuration, {"web"}, everywhere="end")["webhooks"]
    assert status == {"name": "status.t", "namespaceSelector": selector({"web"})}
    assert end == {"name": "end.t"}
