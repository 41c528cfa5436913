"""How a story ends: the faults stop, and then everything is as its user stated it."""

from __future__ import annotations

from tandem_controller import keys
from tandem_controller.effect import Kind
from tests.simulation import facts
from tests.simulation.facts import CANARY, WEB
from tests.simulation.kubelet import Readiness
from tests.simulation.manifests import plain, traffic_objects
from tests.simulation.replica_sets import is_ready
from tests.simulation.rules import Obj
from tests.simulation.world import World


def calm_down(world: World) -> None:
    """The faults stop and every approval is given; the release must come to its end."""
    world.guard.log.append("calm down")
    world.guard.actor = "user"
    world.model.kubelet.broken.clear()
    for image in world.model.kubelet.readiness:
        world.model.set_readiness(image, Readiness.INSTANT)
    world.user.edit_rollout({"spec": {"strategy": {"paused": False}}})
    try:
        world.quiesce()
        if world.user.wanted["spec"]["replicas"] == 0:
            world.user.edit({"spec": {"replicas": 3}})
        world.run_to_the_end()
        if world.rollout is None and _frozen(world):
            world.user.create_rollout()
            world.run_to_the_end()
        world.tandem.settle(60)
        check_end(world)
    except AssertionError as error:
        tail = "\n  ".join(world.guard.log[-40:])
        raise AssertionError(f"{error}\nwhile calming down\n  {tail}") from error


def resting_state(world: World) -> Obj:
    """Return what must not depend on crashes: all but times, versions and names of pods."""
    canary = world.status.get("canaryStatus", {})
    sizes = {
        facts.fingerprint(rs): rs["spec"]["replicas"]
        for name in (WEB, CANARY)
        for rs in facts.replica_sets(world.store, name)
        if rs["spec"]["replicas"]
    }
    return {
        "users": traffic_objects(world.store),
        "workload": plain(world.store.get(Kind.DEPLOYMENT, WEB)),
        "sizes": sizes,
        "shares": facts.shares(world.store),
        "phase": world.status.get("phase"),
        "message": world.status.get("message"),
        "step": (canary.get("currentStepIndex"), canary.get("currentStepState")),
    }


def check_end(world: World) -> None:
    """Everything is as the user stated it, and nothing is left of the release."""
    web = world.store.get(Kind.DEPLOYMENT, WEB)
    wanted = world.user.wanted
    disabled = world.rollout is not None and world.rollout["spec"].get("disabled")
    if world.user.asked_back or (world.user.withheld and not disabled):
        wanted = {**wanted, "spec": {**wanted["spec"], "template": web["spec"]["template"]}}
        assert _proven(world, web), "brought back to a template that never was stable"
    assert plain(web) == plain(wanted)
    marks = {keys.IN_PROGRESSING, keys.UNFINISHED, keys.FROZEN}
    left = marks & web["metadata"].get("annotations", {}).keys()
    assert not left, f"the workload still bears {left}"
    assert traffic_objects(world.store) == world.before
    for kind in (Kind.SERVICE, Kind.INGRESS, Kind.DEPLOYMENT):
        assert world.store.find(kind, CANARY) is None, f"{kind} {CANARY} is left"
    if world.rollout is not None:
        assert not world.rollout["metadata"].get("finalizers"), "the finalizer is left"
        assert not set(keys.WISHES) & world.rollout["metadata"].get("annotations", {}).keys()
        assert disabled or not world.user.pending, "an accepted change was not released"
    running = [
        rs["spec"]["replicas"] * (facts.fingerprint(rs) == facts.fingerprint(web))
        for rs in facts.replica_sets(world.store, WEB)
        if rs["spec"]["replicas"]
    ]
    assert running == [web["spec"]["replicas"]], f"pods at the end: {running}"
    pods = [p for p in world.store.all_of(Kind.POD) if facts.running(p)]
    assert all(is_ready(p) for p in pods)
    assert len(pods) == web["spec"]["replicas"]


def _frozen(world: World) -> bool:
    return keys.IN_PROGRESSING in world.store.get(Kind.DEPLOYMENT, WEB)["metadata"].get(
        "annotations", {}
    )


def _proven(world: World, web: Obj) -> bool:
    return not world.guard.stable or facts.fingerprint(web) == world.guard.stable
