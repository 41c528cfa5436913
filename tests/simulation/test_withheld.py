"""Rejected versions under attack: owners that insist, crashes, wishes at a bad moment."""

from __future__ import annotations

import pytest

from tandem_controller import keys
from tandem_controller.api.policy import HoldRelease, RollbackScope
from tandem_controller.effect import Kind
from tests.simulation import actions as do
from tests.simulation.facts import WEB
from tests.simulation.stage import (
    SETTLED,
    STYLES,
    annotation,
    notices,
    records,
    runs,
    state_pods,
    to_the_end,
    wish,
    world_of,
)


@pytest.mark.parametrize("extra", STYLES)
def test_going_back_from_a_restart_comes_to_rest(*, extra: bool) -> None:
    world = world_of(extra=extra)
    state_pods(world, {}, {"restarted": "today"})
    to_the_end(world)
    wish(world, keys.ROLLBACK)
    to_the_end(world)
    web = world.store.get(Kind.DEPLOYMENT, WEB)
    assert "restarted" not in web["spec"]["template"]["metadata"]["labels"]


@pytest.mark.parametrize("away", [False, True])
@pytest.mark.parametrize("extra", STYLES)
def test_going_back_to_an_earlier_release_ends_there_whatever_the_owner_states(
    *, extra: bool, away: bool
) -> None:
    world = world_of(do.Apply(3), extra=extra)
    to_the_end(world)
    world.webhook(away=away)
    wish(world, keys.ROLLBACK)
    for _ in range(15):
        world.tandem.look(crash_after=1)
        world.model.settle()
        world.user.reapply()
    for _ in range(30):
        world.tandem.settle()
        world.user.reapply()
        world.user.approve()
        world.model.advance(9)
    world.webhook(away=False)
    to_the_end(world)
    assert runs(world) == ("r/web:1", "r/init:1")
    rejected = [
        r.spec.template["spec"]["containers"][0]["image"]
        for r in records(world)
        if r.status.attempts[-1].rejection
    ]
    assert rejected == ["r/web:3"]


def test_a_restarted_version_that_was_left_by_name_stays_rejected() -> None:
    world = world_of(do.Apply(2))
    to_the_end(world)
    state_pods(world, {}, {"restarted": "today"})
    to_the_end(world)
    first = min(records(world), key=lambda r: r.status.attempts[0].started_at)
    wish(world, keys.ROLLBACK, first.metadata.name)
    to_the_end(world)
    for _ in range(3):
        world.user.reapply()
        to_the_end(world)
    assert (runs(world), notices(world)) == (("r/web:1", "r/init:1"), {"Rejected"})


def test_a_rollback_asked_for_with_a_new_version_takes_that_one_back() -> None:
    world = world_of(do.Apply(2))
    wish(world, keys.ROLLBACK)
    to_the_end(world)
    assert runs(world) == ("r/web:1", "r/init:1")
    assert notices(world) == {"Rejected"}


def test_a_rollback_called_off_leaves_its_origin_free_to_change() -> None:
    world = world_of(do.Apply(2))
    to_the_end(world)
    wish(world, keys.ROLLBACK)
    world.tandem.settle()
    wish(world, keys.ROLLBACK)
    to_the_end(world)
    assert runs(world) == ("r/web:2", "r/init:1")
    state_pods(world, {}, {"restarted": "today"})
    to_the_end(world)
    web = world.store.get(Kind.DEPLOYMENT, WEB)
    assert web["spec"]["template"]["metadata"]["labels"]["restarted"] == "today"


def test_after_a_rollback_called_off_its_origin_can_be_stated_to_roll_another_one_back() -> None:
    world = world_of(do.Apply(2))
    to_the_end(world)
    for _ in range(2):
        wish(world, keys.ROLLBACK)
        world.tandem.settle()
    to_the_end(world)
    world.play([do.EditPolicy(RollbackScope.ALL, HoldRelease.AUTO), do.Apply(5)])
    world.tandem.settle()
    assert world.status["phase"] == "Progressing"
    world.play([do.Apply(2)])
    to_the_end(world)
    assert runs(world) == ("r/web:2", "r/init:1")


def test_going_back_again_after_it_was_called_off_ends_there_whatever_the_owner_states() -> None:
    world = world_of(do.Apply(2))
    to_the_end(world)
    for _ in range(2):
        wish(world, keys.ROLLBACK)
        world.tandem.settle()
    to_the_end(world)
    world.webhook(away=True)
    wish(world, keys.ROLLBACK)
    for _ in range(40):
        world.tandem.settle()
        world.user.reapply()
        world.user.approve()
        world.model.advance(9)
    world.webhook(away=False)
    to_the_end(world)
    assert runs(world) == ("r/web:1", "r/init:1")


def test_a_version_retried_while_it_is_rolled_back_is_released_again() -> None:
    world = world_of(do.Apply(2), routing="route")
    world.tandem.settle()
    world.play([do.Apply(1)])
    world.tandem.look()
    wish(world, keys.RETRY)
    to_the_end(world)
    assert runs(world) == ("r/web:2", "r/init:1")


def test_a_rejected_business_version_is_retried_on_the_platform_part_in_force() -> None:
    world = world_of(do.Apply(2))
    world.tandem.settle()
    world.play([do.Apply(1)])
    to_the_end(world)
    world.play([do.Apply(4)])
    world.tandem.settle()
    wish(world, keys.ACCEPT)
    to_the_end(world)
    assert runs(world) == ("r/web:1", "r/init:2")
    wish(world, keys.RETRY)
    to_the_end(world)
    assert runs(world) == ("r/web:2", "r/init:2")


def test_a_rejected_business_version_stays_rejected_when_the_platform_part_goes_on() -> None:
    world = world_of(do.Apply(2), application=True)
    world.tandem.settle()
    world.play([do.Apply(1)])
    to_the_end(world)
    world.play([do.Apply(5)])
    world.tandem.settle()
    wish(world, keys.ACCEPT)
    to_the_end(world)
    world.user.reapply()
    to_the_end(world)
    assert (runs(world), notices(world)) == (("r/web:1", "r/init:2"), {"Rejected"})


def test_nothing_says_rejected_once_the_rollout_is_deleted_in_the_next_release() -> None:
    world = world_of(do.Apply(2))
    world.tandem.settle()
    world.play([do.Apply(1)])
    to_the_end(world)
    assert annotation(world)
    world.play([do.Apply(3)])
    world.tandem.settle()
    world.play([do.DeleteRollout()])
    world.tandem.settle(SETTLED)
    assert (world.rollout, annotation(world)) == (None, None)


@pytest.mark.parametrize("away", [False, True])
def test_nothing_says_rejected_once_the_rollout_is_disabled(*, away: bool) -> None:
    world = world_of(do.Apply(2))
    world.tandem.settle()
    world.play([do.Apply(1)])
    to_the_end(world)
    assert annotation(world)
    world.webhook(away=away)
    world.play([do.Disable(disabled=True)])
    world.tandem.settle(SETTLED)
    assert annotation(world) is None


def test_a_rollback_ends_what_was_accepted_with_the_version_that_it_took_back() -> None:
    world = world_of(do.Apply(2), application=True)
    world.tandem.settle()
    world.play([do.Apply(5)])
    world.tandem.settle()
    wish(world, keys.ACCEPT)
    while keys.ACCEPT in (world.rollout or {})["metadata"]["annotations"]:
        world.tandem.look(crash_after=1)
    world.play([do.Apply(1)])
    to_the_end(world)
    assert runs(world) == ("r/web:1", "r/init:1")
