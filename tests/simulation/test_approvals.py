"""Approvals by a ReleaseApproval, played on the model: exact, once, and none is left open."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from tandem_controller import keys
from tandem_controller.api.approval import ApprovalPhase, ApprovalReason, ReleaseApproval
from tandem_controller.decide.approval.release_approval import EXPIRY
from tandem_controller.effect import Kind
from tests.simulation import actions as do
from tests.simulation.rules import Obj
from tests.simulation.stage import records, to_the_end, wish, world_of
from tests.simulation.world import World


def paused() -> World:
    return world_of(do.Apply(2), do.Quiesce())


def standing(world: World) -> tuple[int, str]:
    canary: Obj = world.status["canaryStatus"]
    return canary["currentStepIndex"], canary["currentStepState"]


def approval(world: World, name: str) -> ReleaseApproval:
    return msgspec.convert(world.store.get(Kind.RELEASE_APPROVAL, name), ReleaseApproval)


def void(world: World, name: str) -> ApprovalReason | None:
    found = approval(world, name).status
    assert found.phase in (None, ApprovalPhase.VOID)
    return found.reason


def test_it_passes_the_step_that_it_names_and_is_recorded() -> None:
    world = paused()
    name = world.user.approve_by()
    world.quiesce()
    assert standing(world) == (2, "StepPaused")
    assert approval(world, name).status.phase is ApprovalPhase.USED
    given = [a for r in records(world) for t in r.status.attempts for a in t.approvals]
    assert [(a.step, a.by) for a in given] == [(1, f"ReleaseApproval {name} by a workflow")]


@pytest.mark.parametrize("crash_after", range(4))
def test_a_crash_between_any_two_writes_uses_it_once(crash_after: int) -> None:
    world = paused()
    name = world.user.approve_by()
    world.play([do.Look(crash_after), do.Quiesce(), do.Wait(5), do.Quiesce()])
    assert standing(world) == (2, "StepPaused")
    assert approval(world, name).status.phase is ApprovalPhase.USED


@pytest.mark.parametrize(
    ("ahead", "stale", "reason"),
    [
        (1, False, ApprovalReason.NOT_REACHED),
        (0, True, ApprovalReason.OTHER_REVISION),
    ],
)
def test_one_for_something_else_approves_nothing(
    ahead: int, stale: bool, reason: ApprovalReason
) -> None:
    world = paused()
    name = world.user.approve_by(ahead, stale=stale)
    world.quiesce()
    assert standing(world) == (1, "StepPaused")
    assert void(world, name) is reason
    assert [n.reason for n in world.tandem.notes].count("ApprovalVoid") == 1


def test_two_for_one_step_approve_one_step() -> None:
    world = paused()
    first, second = world.user.approve_by(), world.user.approve_by()
    world.quiesce()
    assert standing(world) == (2, "StepPaused")
    assert approval(world, first).status.phase is ApprovalPhase.USED
    assert void(world, second) is ApprovalReason.STEP_PASSED


def test_it_waits_while_the_release_is_suspended_and_counts_when_it_goes_on() -> None:
    world = paused()
    world.play([do.Suspend(paused=True), do.Quiesce()])
    name = world.user.approve_by()
    world.quiesce()
    assert approval(world, name).open
    assert standing(world) == (1, "StepUpgrade")
    world.play([do.Suspend(paused=False), do.Quiesce()])
    assert standing(world) == (2, "StepPaused")


def test_after_a_day_it_approves_nothing_and_says_so() -> None:
    world = paused()
    world.play([do.Suspend(paused=True), do.Quiesce()])
    name = world.user.approve_by()
    world.play([do.Wait(int((EXPIRY + timedelta(seconds=1)).total_seconds())), do.Quiesce()])
    assert void(world, name) is ApprovalReason.EXPIRED
    world.play([do.Suspend(paused=False), do.Quiesce()])
    assert standing(world) == (1, "StepPaused")


def test_a_rollback_makes_it_void() -> None:
    world = paused()
    world.play([do.Suspend(paused=True), do.Quiesce()])
    name = world.user.approve_by()
    wish(world, keys.ROLLBACK)
    to_the_end(world)
    assert void(world, name) is ApprovalReason.ROLLED_BACK


def test_one_that_comes_after_the_end_is_void() -> None:
    world = paused()
    revision = world.status["canaryStatus"]["canaryRevision"]
    to_the_end(world)
    name = world.user.approve_by()
    world.quiesce()
    assert approval(world, name).spec.revision == revision
    assert void(world, name) is ApprovalReason.STEP_PASSED
