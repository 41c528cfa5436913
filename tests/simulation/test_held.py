"""Held changes under attack: policies, histories, workloads and containers that change."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tandem_controller import keys
from tandem_controller.api.policy import HoldRelease, OnDelete, RollbackScope
from tandem_controller.api.record import HoldEnd, Outcome
from tandem_controller.effect import Kind
from tests.simulation import actions as do
from tests.simulation.actions import Setting
from tests.simulation.facts import WEB
from tests.simulation.rules import Obj
from tests.simulation.stage import (
    SETTLED,
    STYLES,
    notices,
    records,
    runs,
    state_pods,
    to_the_end,
    wish,
    world_of,
)
from tests.simulation.world import World


@pytest.mark.parametrize("release", HoldRelease)
def test_what_a_policy_counts_as_business_is_no_longer_held(release: HoldRelease) -> None:
    world = world_of(do.Apply(4))
    world.tandem.settle()
    assert notices(world) == {"Held"}
    world.play([do.EditPolicy(RollbackScope.ALL, release, ("init",))])
    wish(world, keys.ACCEPT)
    to_the_end(world)
    assert (runs(world), notices(world)) == (("r/web:1", "r/init:1"), set())
    world.user.reapply()
    to_the_end(world)
    assert runs(world) == ("r/web:1", "r/init:2")


def test_a_change_held_after_a_rollback_is_void_once_the_policy_counts_it_as_business() -> None:
    world = world_of(do.Apply(3))
    world.tandem.settle()
    world.play([do.Apply(4)])
    to_the_end(world)
    assert notices(world) == {"Held", "Rejected"}
    world.play([do.EditPolicy(RollbackScope.ALL, HoldRelease.APPROVE, ("init",))])
    wish(world, keys.ACCEPT)
    to_the_end(world)
    assert runs(world) == ("r/web:1", "r/init:1")
    assert "Held" not in notices(world)


def test_a_hold_replaced_in_a_crash_leaves_one_hold() -> None:
    world = world_of(do.Apply(4))
    world.tandem.settle()
    state_pods(world, {"initContainers": [{"name": "init", "image": "r/init:3"}]})
    for _ in range(3):
        world.tandem.look(crash_after=1)
    world.tandem.settle()
    held = [h for r in records(world) if (h := r.status.hold)]
    assert [h.end for h in held] == [HoldEnd.REPLACED, None]


def test_the_shortest_history_keeps_what_is_held() -> None:
    world = World(Setting(replicas=4))
    body = {"metadata": {"name": WEB}, "spec": {"history": 1}}
    world.guard.actor = "user"
    world.model.create(Kind.RELEASE_POLICY, body)
    world.play([do.Apply(5), do.Quiesce(), do.Apply(1)])
    to_the_end(world)
    world.play([do.Apply(2)])
    to_the_end(world)
    world.play([do.Apply(5)])
    to_the_end(world)
    state_pods(world, {}, {"restarted": "today"})
    to_the_end(world)
    assert notices(world) == {"Held"}
    before = world.tandem.written
    for _ in range(3):
        world.user.reapply()
        to_the_end(world)
    assert notices(world) == {"Held"}
    assert world.tandem.written == before


def test_a_withheld_template_that_stands_paused_does_not_outlive_its_rollout() -> None:
    world = world_of(do.Apply(4))
    world.tandem.settle()
    world.webhook(away=True)
    for _ in range(2):
        world.user.reapply()
        world.tandem.settle()
    assert world.store.get(Kind.DEPLOYMENT, WEB)["spec"]["paused"]
    world.play([do.DeleteRollout()])
    world.tandem.settle()
    assert (world.rollout, runs(world)) == (None, ("r/web:1", "r/init:1"))


def test_a_recreated_workload_starts_without_the_verdicts_of_its_predecessor() -> None:
    world = world_of(do.Apply(2), policy=OnDelete.COMPLETE)
    world.tandem.settle()
    world.play([do.Apply(1)])
    to_the_end(world)
    body = world.store.get(Kind.DEPLOYMENT, WEB)
    world.guard.actor = "user"
    world.model.delete(Kind.DEPLOYMENT, WEB)
    world.tandem.settle()
    spec = {k: v for k, v in body["spec"].items() if k != "paused"}
    world.model.create(
        Kind.DEPLOYMENT,
        {"metadata": {"name": WEB, "labels": body["metadata"]["labels"]}, "spec": spec},
    )
    world.tandem.settle(SETTLED)
    assert notices(world) == set()
    world.play([do.Apply(2)])
    to_the_end(world)
    assert runs(world) == ("r/web:2", "r/init:1")


def test_a_deleted_record_of_a_held_change_is_written_anew_when_it_is_stated_again() -> None:
    world = world_of(do.Apply(4))
    world.tandem.settle()
    held = next(r for r in records(world) if r.status.hold)
    world.model.delete(Kind.RELEASE_RECORD, held.metadata.name)
    world.tandem.settle(SETTLED)
    assert notices(world) == set()
    world.user.reapply()
    to_the_end(world)
    assert (runs(world), notices(world)) == (("r/web:1", "r/init:1"), {"Held"})


PLATFORM: dict[str, Obj] = {
    "removed": {"initContainers": []},
    "renamed": {"initContainers": [{"name": "setup", "image": "r/init:1"}]},
    "added": {
        "initContainers": [
            {"name": "init", "image": "r/init:1"},
            {"name": "more", "image": "r/more:1"},
        ]
    },
    "native sidecar": {
        "initContainers": [
            {"name": "init", "image": "r/init:1"},
            {"name": "proxy", "image": "r/proxy:1", "restartPolicy": "Always"},
        ]
    },
    "with a volume of its own": {
        "initContainers": [
            {
                "name": "init",
                "image": "r/init:1",
                "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
            }
        ],
        "volumes": [{"name": "scratch", "emptyDir": {}}],
    },
}


@pytest.mark.parametrize("extra", STYLES)
@pytest.mark.parametrize("what", PLATFORM)
def test_an_init_container_is_held_and_accepted_on_another_business_version(
    what: str, *, extra: bool
) -> None:
    world = world_of(extra=extra, application=True)
    state_pods(world, PLATFORM[what])
    world.tandem.settle()
    assert (runs(world), notices(world)) == (("r/web:1", "r/init:1"), {"Held"})
    business = {"containers": [{"name": "app", "image": "r/web:2"}]}
    state_pods(world, {**PLATFORM[what], **business})
    to_the_end(world)
    assert (runs(world), notices(world)) == (("r/web:2", "r/init:1"), {"Held"})
    wish(world, keys.ACCEPT)
    to_the_end(world)
    assert notices(world) == set()
    spec = world.store.get(Kind.DEPLOYMENT, WEB)["spec"]["template"]["spec"]
    wanted = PLATFORM[what]
    found = [(c["name"], c["image"]) for c in spec.get("initContainers", ())]
    assert found == [(c["name"], c["image"]) for c in wanted["initContainers"]]
    assert [v["name"] for v in spec.get("volumes", ())] == [
        v["name"] for v in wanted.get("volumes", ())
    ]
    assert spec["containers"][0]["image"] == "r/web:2"


def test_at_zero_replicas_a_platform_change_is_held_and_a_rejected_version_stays_away() -> None:
    world = world_of(do.Apply(2))
    world.tandem.settle()
    world.play([do.Apply(1)])
    to_the_end(world)
    world.play([do.Scale(0), do.Apply(2)])
    world.tandem.settle(SETTLED)
    world.play([do.Apply(4)])
    world.tandem.settle(SETTLED)
    assert notices(world) == {"Held", "Rejected"}
    world.play([do.Scale(3)])
    to_the_end(world)
    assert runs(world) == ("r/web:1", "r/init:1")


def test_a_second_rollout_for_the_workload_withholds_and_releases_nothing() -> None:
    world = world_of(do.Apply(4))
    world.tandem.settle()
    rival = {**(world.rollout or {})}
    world.model.advance(1)
    world.guard.actor = "user"
    world.model.create(Kind.ROLLOUT, {"metadata": {"name": "rival"}, "spec": rival["spec"]})
    world.user.reapply()
    world.tandem.settle(SETTLED)
    assert (runs(world), notices(world)) == (("r/web:1", "r/init:1"), {"Held"})
    wish(world, keys.ACCEPT)
    to_the_end(world)
    assert runs(world) == ("r/web:1", "r/init:2")


def test_what_escaped_through_break_glass_is_neither_held_nor_rejected() -> None:
    world = world_of(do.Apply(4))
    world.tandem.settle()
    world.user.edit({"metadata": {"labels": {keys.BREAK_GLASS: "true"}}})
    world.play([do.Apply(3)])
    for _ in range(3):
        world.model.settle()
    to_the_end(world)
    assert (runs(world), notices(world)) == (("r/web:3", "r/init:2"), set())


def test_what_break_glass_lets_through_is_not_released_in_steps_while_it_rolls_out() -> None:
    world = world_of(do.Apply(4))
    world.tandem.settle()
    world.user.edit({"metadata": {"labels": {keys.BREAK_GLASS: "true"}}})
    world.play([do.Apply(3), do.Look(None)])
    world.tandem.settle()
    attempts = [a.outcome for r in records(world) for a in r.status.attempts]
    assert (runs(world), notices(world)) == (("r/web:3", "r/init:2"), set())
    assert attempts == [Outcome.BASELINE, Outcome.BASELINE]


def test_suspended_nothing_that_is_held_or_rejected_moves() -> None:
    world = world_of(do.Apply(2))
    world.tandem.settle()
    world.play([do.Suspend(paused=True), do.Apply(5)])
    world.tandem.settle(SETTLED)
    world.user.reapply()
    world.tandem.settle(SETTLED)
    attempts = [a for r in records(world) for a in r.status.attempts]
    assert [a.outcome for a in attempts] == [Outcome.BASELINE, None]
    assert world.model.now - attempts[-1].started_at > timedelta(seconds=SETTLED)
