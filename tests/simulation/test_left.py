"""A Rollout that goes without a finalizer leaves nothing on its workload that holds it."""

from __future__ import annotations

from tandem_controller import keys
from tandem_controller.api.policy import OnDelete
from tandem_controller.effect import Kind
from tandem_controller.workloads.deployment import original
from tests.simulation import actions as do
from tests.simulation.actions import Setting
from tests.simulation.facts import WEB
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
