"""Suspend, inspect, resume approves nothing, however slow the controller is."""

from __future__ import annotations

import pytest

from tests.simulation import actions as do
from tests.simulation import facts
from tests.simulation.actions import Setting
from tests.simulation.world import World

DWELL_SECONDS = 2


@pytest.fixture
def world() -> World:
    """A release of an Application that waits at its first step."""
    world = World(Setting(replicas=4, application=True))
    world.play([do.Apply(2)])
    for seconds in (0, DWELL_SECONDS + 1, 0):
        world.model.advance(seconds)
        world.tandem.settle()
    assert place(world) == (1, "StepPaused")
    return world


def place(world: World) -> tuple[int, str]:
    canary = world.status["canaryStatus"]
    return canary["currentStepIndex"], canary["currentStepState"]


def test_an_approval_given_with_an_unseen_suspension_and_resumption_counts_for_nothing(
    world: World,
) -> None:
    before = facts.replica_sets(world.store, "web")
    # The controller is busy; so is the webhook, or it would have taken the approval away.
    world.webhook(away=True)
    world.play([do.Suspend(paused=True), do.Suspend(paused=False), do.Approve()])
    assert place(world) == (1, "StepReady")
    for _ in range(2):
        world.tandem.settle()
        world.model.advance(DWELL_SECONDS)
    assert place(world) == (1, "StepPaused")
    assert facts.replica_sets(world.store, "web") == before


def test_after_a_resumption_the_step_does_not_wait_for_an_approval_at_once(world: World) -> None:
    world.play([do.Suspend(paused=True)])
    world.tandem.settle()
    world.model.advance(10 * DWELL_SECONDS)
    world.tandem.settle()
    world.play([do.Suspend(paused=False)])
    world.tandem.settle()
    assert place(world) == (1, "StepUpgrade")
    assert "nothing was approved" in world.status["message"]
    world.model.advance(DWELL_SECONDS)
    world.tandem.settle()
    assert place(world) == (1, "StepPaused")
