"""A Rollout that goes without a finalizer leaves nothing on its workload that holds it."""

from __future__ import annotations

import pytest

from tandem_controller import keys
from tandem_controller.api.policy import OnDelete
from tandem_controller.effect import Kind
from tandem_controller.workloads.deployment import original
from tests.simulation import actions as do
from tests.simulation.actions import Setting
from tests.simulation.facts import WEB
from tests.simulation.model import Controller
from tests.simulation.rules import Obj
from tests.simulation.world import World


def web(world: World) -> Obj:
    return world.store.get(Kind.DEPLOYMENT, WEB)


def test_a_workload_whose_rollout_is_deleted_before_the_first_look_is_released() -> None:
    world = World(Setting(replicas=4))
    world.play([do.Apply(2), do.DeleteRollout()])
    assert world.rollout is None
    assert web(world)["spec"]["paused"]
    world.tandem.settle()
    assert not web(world)["spec"].get("paused")
    assert keys.IN_PROGRESSING not in web(world)["metadata"].get("annotations", {})


def test_a_frozen_release_stays_as_its_rollout_left_it() -> None:
    world = World(Setting(replicas=4, policy=OnDelete.FREEZE))
    users = original(world.model.deployment(WEB))
    world.play([do.Apply(2)])
    world.tandem.settle()
    world.play([do.DeleteRollout()])
    world.tandem.settle()
    assert world.rollout is None
    before = web(world)
    assert before["spec"]["paused"]
    # KubeVela deletes the policy with the trait, and its records are collected.
    world.model.delete(Kind.RELEASE_POLICY, WEB)
    for record in world.store.all_of(Kind.RELEASE_RECORD):
        world.model.delete(Kind.RELEASE_RECORD, record["metadata"]["name"])
    world.tandem.settle()
    assert web(world)["spec"] == before["spec"]
    # What a release changed is known without any record, to whoever ends it.
    assert original(world.model.deployment(WEB)) == users
    assert web(world)["spec"]["strategy"] != users["strategy"]


def test_the_note_about_a_rejected_version_goes_with_the_rollout() -> None:
    world = World(Setting(replicas=4))
    world.play([do.Apply(2)])
    world.tandem.settle()
    world.play([do.Apply(1)])
    for seconds in (0, 5, 31):
        world.model.advance(seconds)
        world.tandem.settle()
    note = {"metadata": {"annotations": {keys.REJECTED: "version web-2 is rejected"}}}
    world.play([do.DeleteRollout()])
    world.model.edit(Kind.DEPLOYMENT, WEB, note)
    world.tandem.settle()
    assert keys.REJECTED not in web(world)["metadata"]["annotations"]


def test_the_note_of_what_a_chart_stated_goes_with_the_rollout() -> None:
    world = World(Setting(replicas=4))
    world.tandem.settle()
    note = {"metadata": {"annotations": {keys.DELIVERED: "d1 ab12"}}}
    world.model.edit(Kind.DEPLOYMENT, WEB, note)
    world.tandem.settle()
    assert keys.DELIVERED in web(world)["metadata"]["annotations"]
    world.play([do.DeleteRollout()])
    world.tandem.settle()
    assert keys.DELIVERED not in web(world)["metadata"].get("annotations", {})


def take_the_trait_away(world: World, *, with_records: bool) -> None:
    """Delete Rollout and policy at once, as KubeVela does; the collector is faster than Tandem."""
    world.model.delete(Kind.ROLLOUT, WEB)
    world.model.delete(Kind.RELEASE_POLICY, WEB)
    if with_records:
        for record in world.store.all_of(Kind.RELEASE_RECORD):
            world.model.delete(Kind.RELEASE_RECORD, record["metadata"]["name"])
    world.model.step(Controller.GARBAGE)
    world.tandem.settle()


@pytest.mark.parametrize("extra", [False, True], ids=["in-place", "canary"])
@pytest.mark.parametrize("with_records", [False, True], ids=["policy", "policy-and-records"])
def test_a_policy_that_goes_with_its_rollout_said_what_becomes_of_the_release(
    *, extra: bool, with_records: bool
) -> None:
    world = World(Setting(replicas=4, extra=extra, policy=OnDelete.FREEZE))
    world.play([do.Apply(2)])
    world.tandem.settle()
    before = web(world)["spec"]
    take_the_trait_away(world, with_records=with_records)
    assert world.rollout is None
    world.model.step(Controller.GARBAGE)
    world.tandem.settle()
    assert web(world)["spec"] == before


def test_a_release_whose_policy_goes_with_its_rollout_is_taken_back_where_it_said_so() -> None:
    world = World(Setting(replicas=4, policy=OnDelete.ROLLBACK))
    stable = web(world)["spec"]["template"]
    world.play([do.Apply(2)])
    world.tandem.settle()
    take_the_trait_away(world, with_records=False)
    world.model.advance(31)
    world.tandem.settle()
    assert world.rollout is None
    assert web(world)["spec"]["template"] == stable
    assert not web(world)["spec"].get("paused")


def test_a_template_that_came_back_before_the_first_look_is_not_left_paused() -> None:
    world = World(Setting(replicas=4))
    world.play([do.Apply(2), do.Apply(1), do.DeleteRollout()])
    world.tandem.settle()
    assert world.rollout is None
    assert not web(world)["spec"].get("paused")
