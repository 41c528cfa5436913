"""`decide` under chaos: the invariants of DESIGN §4 over generated schedules."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from tests.simulation import actions as do
from tests.simulation.actions import Action, Setting
from tests.simulation.world import World

chaos = settings(deadline=None, suppress_health_check=list(HealthCheck))


def play(setting: Setting, schedule: list[Action]) -> World:
    world = World(setting)
    world.play(schedule)
    world.calm_down()
    return world


def play_at_rest(setting: Setting, schedule: list[Action], *, crashes: bool) -> list[object]:
    """Play a schedule in which everybody comes to rest before the next action.

    Return what the world looked like each time: users' objects, pods by version, status.
    """
    world = World(setting)
    world.crashes = crashes
    seen = []
    for action in schedule:
        world.play([action, do.Quiesce()])
        seen.append(world.resting_state())
    world.calm_down()
    return [*seen, world.resting_state()]


@settings(chaos, max_examples=150)
@given(do.settings, do.schedules)
def test_whatever_happens_the_invariants_hold(setting: Setting, schedule: list[Action]) -> None:
    play(setting, schedule)


@settings(chaos, max_examples=40)
@given(do.settings, do.crashing)
def test_crashes_change_nothing(setting: Setting, schedule: list[Action]) -> None:
    with_crashes = play_at_rest(setting, schedule, crashes=True)
    without = play_at_rest(setting, schedule, crashes=False)
    assert with_crashes == without


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(chaos, max_examples=5000)
@given(do.settings, do.schedules)
def test_whatever_happens_for_long(setting: Setting, schedule: list[Action]) -> None:
    play(setting, schedule)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(chaos, max_examples=1000)
@given(do.settings, do.crashing)
def test_crashes_change_nothing_for_long(setting: Setting, schedule: list[Action]) -> None:
    with_crashes = play_at_rest(setting, schedule, crashes=True)
    assert with_crashes == play_at_rest(setting, schedule, crashes=False)
