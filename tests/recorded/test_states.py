"""What KubeVela, Argo CD and Flux make of every state of a release, recorded from real ones.

The table is ``expected.yaml`` beside this file; ``python -m tests.recorded.table`` writes it.
"""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tandem_controller import keys
from tandem_controller.api.conversion import rollout_of
from tests.generator import cues
from tests.recorded import judges
from tests.recorded.table import Obj, expected, judged, states

STATES = states()
IN_RELEASE = (
    "changed-just-now",
    "controller-dead",
    "going-back",
    "pods-crash-in-a-step",
    "scaled-to-zero-in-a-release",
    "status-with-little-in-it",
    "step-paused",
    "step-paused-after-an-old-clients-put",
    "step-ready",
    "suspended",
    "upgrading",
)
"""States in which a release has begun and not ended, as a person reads them."""

WITHHELD = ("rejected", "rolled-back")
SEEN_BY_THE_WORKLOAD_ALONE = ("changed-just-now", "controller-dead")
"""No controller has looked: the Rollout's status is that of before, the workload is paused."""


@pytest.mark.parametrize("name", sorted(STATES))
@pytest.mark.parametrize("kubevela", cues.VERSIONS)
def test_a_state_is_held_to_be_what_the_table_says(name: str, kubevela: str) -> None:
    row = {key: value for key, value in expected()[name].items() if key != "what"}
    with cues.speaking(kubevela):
        assert judged(STATES[name]) == row


def test_the_table_has_a_row_for_every_state_and_says_what_it_is() -> None:
    assert set(expected()) == set(STATES)
    assert [name for name, row in expected().items() if len(row["what"]) < 10] == []


@pytest.mark.parametrize("name", [*IN_RELEASE, *WITHHELD])
def test_a_component_is_not_healthy_before_its_release_has_ended_nor_while_a_version_is_rejected(
    name: str,
) -> None:
    assert expected()[name]["component"]["healthy"] is False


@pytest.mark.parametrize(
    "name",
    sorted({*IN_RELEASE, *WITHHELD} - {*SEEN_BY_THE_WORKLOAD_ALONE}),
)
def test_nor_is_a_rollout_for_argo_cd_and_flux(name: str) -> None:
    row = expected()[name]
    assert row["argo"]["status"] != "Healthy"
    assert row["flux"] != "Current"


@pytest.mark.parametrize("name", SEEN_BY_THE_WORKLOAD_ALONE)
def test_what_no_controller_has_seen_is_told_by_the_workload_to_argo_cd_and_flux_too(
    name: str,
) -> None:
    """Both have a check of Deployments of their own: paused or not observed is not healthy."""
    workload = STATES[name]["workload"]
    assert workload["spec"]["paused"]
    assert workload["status"].get("updatedReplicas", 0) < workload["spec"]["replicas"] or (
        workload["status"]["observedGeneration"] < workload["metadata"]["generation"]
    )


@pytest.mark.parametrize("name", sorted(STATES))
def test_both_versions_of_a_rollout_are_judged_alike(name: str) -> None:
    state = STATES[name]
    assert judges.argo(state["beta"]) == judges.argo(state["rollout"])
    assert judges.flux(state["beta"]) == judges.flux(state["rollout"])


WRITES = {
    "approve": ("step-paused", "metadata"),
    "pause": ("upgrading", "spec"),
    "resume": ("suspended", "spec"),
    "roll-back": ("step-paused", "metadata"),
    "retry": ("rejected", "metadata"),
    "accept": ("held", "metadata"),
}


@pytest.mark.parametrize("version", ["rollout", "beta"])
@pytest.mark.parametrize("action", sorted(WRITES))
def test_an_action_is_offered_where_it_has_an_effect_and_changes_nothing_else(
    action: str, version: str
) -> None:
    name, part = WRITES[action]
    before = STATES[name][version]
    assert action in expected()[name]["argo"]["actions"]
    after = judges.argo_action(action, copy.deepcopy(before))
    assert {k for k in before if _changed(before, after, k)} == {part}


def test_every_action_is_one_that_is_offered() -> None:
    assert judges.action_names() == set(WRITES)


def test_an_approval_names_release_and_step_as_the_controller_wants_it() -> None:
    rollout = STATES["step-paused"]["rollout"]
    canary = rollout_of(rollout).status.canary_status
    assert canary is not None
    stated = judges.argo_action("approve", copy.deepcopy(rollout))["metadata"]["annotations"]
    assert stated[keys.APPROVE] == f"{canary.canary_revision}/{canary.current_step_index}"


def test_other_actions_write_what_the_controller_reads() -> None:
    def annotations(action: str, name: str) -> set[str]:
        after = judges.argo_action(action, copy.deepcopy(STATES[name]["rollout"]))
        return set(after["metadata"]["annotations"])

    assert keys.ROLLBACK in annotations("roll-back", "step-paused")
    assert keys.RETRY in annotations("retry", "rejected")
    assert keys.ACCEPT in annotations("accept", "held")
    for action, name, paused in (("pause", "upgrading", True), ("resume", "suspended", False)):
        after = judges.argo_action(action, copy.deepcopy(STATES[name]["rollout"]))
        assert rollout_of(_lists(after)).spec.strategy.paused is paused


def test_an_approval_where_nothing_waits_is_an_error() -> None:
    with pytest.raises(Exception, match="no step of shop waits for an approval"):
        judges.argo_action("approve", copy.deepcopy(STATES["completed"]["rollout"]))


def _changed(before: Obj, after: Obj, key: str) -> bool:
    return bool(_lists(before[key]) != _lists(after[key]))


def _lists(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return a value without empty tables: Lua knows no difference between `{}` and `[]`.

    Argo CD puts back what the live object had (argo-cd `util/lua`, `cleanReturnedObj`).
    """
    if isinstance(value, dict):
        return {key: _lists(item) for key, item in value.items() if item not in ({}, [])}
    return [_lists(item) for item in value] if isinstance(value, list) else value
