"""`decide` under chaos: the invariants of DESIGN §4 over generated schedules."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings

from tests.simulation import actions as do
from tests.simulation.actions import Action, Setting
from tests.simulation.world import World


def play(setting: Setting, schedule: list[Action]) -> World:
    world = World(setting)
    world.play(schedule)
    world.calm_down()
    return world


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(do.settings, do.schedules)
def test_whatever_happens_the_invariants_hold(setting: Setting, schedule: list[Action]) -> None:
    play(setting, schedule)
