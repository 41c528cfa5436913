"""All that the model thinks possible after one edit.

Controllers run side by side, so where they meet decides some outcomes. `likely` is the
schedule that real clusters play nearly always: the Deployment controller looks when the
others have finished. `outcomes` adds others: controllers taking turns, one or another
racing ahead, and seeded random single steps with conflicts. What makes them differ:

- A ReplicaSet's report is older than its last change: it counts pods as available that a
  higher `minReadySeconds` has just taken from it, and the Deployment controller goes on.
- A sync ends half-way, because a ReplicaSet's status was written between two of its writes.

Both were seen on a cluster, in about one of a hundred random edits.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from tandem_controller.effect import Kind
from tests.simulation.model import Controller, Model

MOVING = (Controller.DEPLOYMENT, Controller.REPLICA_SET, Controller.KUBELET)
_KINDS = {
    Controller.DEPLOYMENT: Kind.DEPLOYMENT,
    Controller.REPLICA_SET: Kind.REPLICA_SET,
    Controller.KUBELET: Kind.POD,
}


def likely(model: Model) -> Model:
    """Return a copy at rest, after the schedule that is nearly always played."""
    twin = model.copy()
    _last(twin, Controller.DEPLOYMENT)
    come_to_rest(twin)
    return twin


def outcomes(model: Model, randomly: int = 300) -> Iterator[Model]:
    """Yield copies at rest, each after another schedule; many are alike."""
    turns = model.copy()
    turns.settle()
    come_to_rest(turns)
    yield turns
    for slow in MOVING:
        twin = model.copy()
        _last(twin, slow)
        come_to_rest(twin)
        yield twin
    for seed in range(randomly):
        twin = model.copy()
        _wander(twin, random.Random(seed))
        come_to_rest(twin)
        yield twin


def come_to_rest(model: Model) -> None:
    """Settle, letting time pass until nothing waits for it (at most a minute)."""
    _last(model, Controller.DEPLOYMENT)
    quiet = 0
    for _ in range(60):
        before = model.store.version
        model.advance(1)
        _last(model, Controller.DEPLOYMENT)
        quiet = quiet + 1 if model.store.version == before else 0
        if quiet == 2:
            return


def _last(model: Model, slow: Controller) -> None:
    """Settle, with one controller stepping only when all others have nothing to do."""
    others = [c for c in Controller if c is not slow]
    model.settle(others)
    while model.step(slow):
        model.settle(others)


def _wander(model: Model, chance: random.Random, steps: int = 80) -> None:
    """Take single steps of one controller at one object, some of them cut short.

    Each schedule has its own idea of who is fast.
    """
    weights = [chance.choice((1, 3, 9)) for _ in MOVING]
    for _ in range(steps):
        controller = chance.choices(MOVING, weights)[0]
        names = [o["metadata"]["name"] for o in model.store.all_of(_KINDS[controller])]
        if not names:
            continue
        if controller is Controller.KUBELET and chance.random() < 0.5:
            model.step(controller)
            continue
        conflict = controller is Controller.DEPLOYMENT and chance.random() < 0.3
        most_writes = chance.randrange(3) if conflict else None
        model.contested = chance.random() < 0.7
        model.step(controller, chance.choice(names), most_writes=most_writes)
    model.contested = True
