"""Approving by annotation takes a release through its steps, whatever happens in between."""

from __future__ import annotations

import pytest

from tandem_controller import keys
from tests.simulation import actions as do
from tests.simulation.stage import STYLES, runs, wish, world_of
from tests.simulation.world import World


def step(world: World) -> tuple[int, str]:
    canary = world.status["canaryStatus"]
    return canary["currentStepIndex"], canary["currentStepState"]


def marks(world: World) -> set[str]:
    found = (world.rollout or {})["metadata"].get("annotations", {})
    return set(found) & {keys.APPROVE, keys.APPROVED_BY}


@pytest.mark.parametrize("crash_after", [None, 1])
@pytest.mark.parametrize("extra", STYLES)
def test_each_annotation_passes_one_step_and_is_gone(
    *, extra: bool, crash_after: int | None
) -> None:
    world = world_of(do.Apply(2), do.Quiesce(), extra=extra)
    for expected in (1, 2):
        assert step(world) == (expected, "StepPaused")
        world.user.approve_by_annotation()
        world.tandem.look(crash_after=crash_after)
        world.play([do.Quiesce()])
        assert marks(world) == set()
    assert runs(world) == ("r/web:2", "r/init:1")


def test_one_that_names_a_passed_step_passes_nothing() -> None:
    world = world_of(do.Apply(2), do.Quiesce())
    revision = world.status["canaryStatus"]["canaryRevision"]
    world.play([do.ApproveByAnnotation(), do.Quiesce()])
    assert step(world) == (2, "StepPaused")
    wish(world, keys.APPROVE, f"{revision}/1")
    world.play([do.Quiesce()])
    assert (step(world), marks(world)) == ((2, "StepPaused"), set())


def test_suspended_and_resumed_nothing_is_approved() -> None:
    world = world_of(do.Apply(2), do.Quiesce(), do.Suspend(paused=True), do.Quiesce())
    world.play([do.ApproveByAnnotation(), do.Quiesce(), do.Suspend(paused=False), do.Quiesce()])
    assert (step(world), marks(world)) == ((1, "StepPaused"), set())
