"""`decide` under chaos: the invariants of DESIGN §4 over generated schedules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings

from tandem_controller.api.meta import ObjectMeta
from tandem_controller.api.policy import OnDelete
from tandem_controller.api.rollout import CanaryStatus, Phase, Rollout, RolloutStatus
from tandem_controller.decide.status import Report, report
from tandem_controller.effect import ReplaceStatus
from tests.simulation import actions as do
from tests.simulation.actions import Action, Setting
from tests.simulation.endings import calm_down, resting_state
from tests.simulation.insistence import insist
from tests.simulation.kubelet import Readiness
from tests.simulation.model import Controller
from tests.simulation.world import World

# The same schedules each time: what chance finds belongs into the slow hunt, then into an example.
chaos = settings(deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def play(setting: Setting, schedule: list[Action]) -> World:
    world = World(setting)
    world.play(schedule)
    calm_down(world)
    insist(world)
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
        seen.append(resting_state(world))
    calm_down(world)
    return [*seen, resting_state(world)]


@settings(chaos, max_examples=80)
@given(do.settings, do.schedules | do.withheld)
# Two records of one moment: which was stable followed from their names.
@example(Setting(), [do.Apply(2), do.Quiesce(), do.Approve(), do.Quiesce()])
# Disabled or deleted before Tandem had looked: the Deployment stayed paused.
@example(Setting(), [do.Apply(2), do.Disable(disabled=True)])
# 20 % of one pod is one pod: the stable Service was left without any.
@example(Setting(replicas=1, routing="ingress"), [do.Apply(2)])
@example(Setting(replicas=1, routing="ingress", plan=4), [do.Apply(2)])
@example(Setting(routing="ingress"), [do.Apply(2), do.Scale(1), do.EditPlan(3)])
# A wish for a rollback stated the template first: paused, old pods went before traffic.
@example(Setting(replicas=2, routing="ingress"), [do.Apply(2), do.Quiesce(), do.AskBack()])
@example(Setting(), [do.Apply(3), do.Quiesce(), do.AskBack(), do.Disable(disabled=True)])
# Pods lost between approval and look: the approval was overwritten.
@example(
    Setting(),
    [
        do.Apply(2),
        do.Quiesce(),
        do.Approve(),
        do.Fate("r/web:2", Readiness.NEVER),
        do.Evict(4),
        do.Quiesce(),
    ],
)
# Stated again in mid-rollback: it went on at the step that had been approved before.
@example(
    Setting(routing="route"),
    [do.Apply(2), do.Quiesce(), do.Approve(), do.Quiesce(), do.Apply(1), do.Look(), do.Apply(2)],
)
# v1 stated in the grace of v2 -> v3: parking took it for its own doing.
@example(
    Setting(replicas=8, routing="route"),
    [do.Apply(2), do.Quiesce(), do.Approve(), do.Quiesce(), do.Apply(3), do.Look(), do.Apply(1)],
)
# Deleted while parked at zero replicas: the finalizer stayed for ever.
@example(
    Setting(routing="route"),
    [do.Apply(2), do.Quiesce(), do.Scale(0), do.Quiesce(), do.DeleteRollout(), do.Quiesce()],
)
# Created anew after Freeze: blocked by its predecessor's canary Service.
@example(
    Setting(routing="ingress", policy=OnDelete.FREEZE, extra=True),
    [do.Apply(2), do.Quiesce(), do.DeleteRollout()],
)
# Every stable pod dead at a rollback: the only pods that answered were removed.
@example(
    Setting(replicas=4, routing="route"),
    [
        do.Apply(2),
        do.Quiesce(),
        do.Break(0),
        do.Break(1),
        do.Break(2),
        do.Step(Controller.KUBELET),
        do.Quiesce(),
        do.Apply(1),
        do.Quiesce(),
    ],
)
# Ready, but not yet for minReadySeconds: the only pod left before another one was there.
@example(Setting(replicas=1, min_ready_seconds=3), [do.Apply(2)])
# Disabled and enabled again: everything was new at step 1.
@example(
    Setting(extra=True, routing="route"),
    [do.Apply(2), do.Disable(disabled=True), do.Quiesce(), do.Disable(disabled=False)],
)
# Asked back, then deleted and stated again: which came first cannot be told, so back it goes.
@example(
    Setting(replicas=1),
    [do.Apply(2), do.Quiesce(), do.Apply(1), do.AskBack(), do.DeleteRollout(), do.Apply(2)],
)
# Deleted while a change was held: the template in force stays.
@example(Setting(policy=OnDelete.FREEZE), [do.Apply(4), do.Quiesce(), do.DeleteRollout()])
# Deleted while a withheld template stood paused: it was rolled out.
@example(
    Setting(policy=OnDelete.FREEZE),
    [
        do.Apply(4),
        do.Quiesce(),
        do.Webhook(away=True),
        do.Reapply(),
        do.Quiesce(),
        do.Reapply(),
        do.Quiesce(),
        do.DeleteRollout(),
    ],
)
def test_whatever_happens_the_invariants_hold(setting: Setting, schedule: list[Action]) -> None:
    play(setting, schedule)


@settings(chaos, max_examples=15)
@given(do.settings, do.crashing | do.crashing_withheld)
def test_crashes_change_nothing(setting: Setting, schedule: list[Action]) -> None:
    with_crashes = play_at_rest(setting, schedule, crashes=True)
    without = play_at_rest(setting, schedule, crashes=False)
    assert with_crashes == without


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(chaos, max_examples=400)
@given(do.settings, do.schedules | do.withheld)
def test_whatever_happens_for_long(setting: Setting, schedule: list[Action]) -> None:
    play(setting, schedule)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(chaos, max_examples=80)
@given(do.settings, do.crashing | do.crashing_withheld)
def test_crashes_change_nothing_for_long(setting: Setting, schedule: list[Action]) -> None:
    with_crashes = play_at_rest(setting, schedule, crashes=True)
    assert with_crashes == play_at_rest(setting, schedule, crashes=False)


def test_pods_getting_ready_one_by_one_cost_few_writes() -> None:
    rollout = Rollout(metadata=ObjectMeta(name="web"))
    now, writes = datetime(2026, 1, 1, tzinfo=UTC), 0
    for ready in range(1000):
        now += timedelta(seconds=0.02)
        canary = CanaryStatus(canary_revision="a", canary_ready_replicas=ready)
        wanted = Report(phase=Phase.PROGRESSING, message=f"{ready} ready", canary=canary)
        for effect in report(rollout, wanted, now).effects:
            assert isinstance(effect, ReplaceStatus)
            writes += 1
            status = msgspec.convert(effect.status, RolloutStatus)
            rollout = Rollout(metadata=rollout.metadata, status=status)
    assert writes <= 1 + 20 / 5
