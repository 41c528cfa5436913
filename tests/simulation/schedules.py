"""All that the model thinks possible after one edit.

Controllers run side by side, so where they meet decides some outcomes. `outcomes` plays
the same edit in several orders: controllers taking turns, one racing ahead of the others,
and seeded random single steps.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

from tandem_controller.decide.effect import Kind
from tests.simulation.model import Controller, Model

MOVING = (Controller.DEPLOYMENT, Controller.REPLICA_SET, Controller.KUBELET)


def settled_in_every_order(model: Model, randomly: int = 6) -> Iterator[Model]:
    """Yield copies of the model, each brought to rest in another order."""
    for order in itertools.permutations(MOVING):
        twin = model.copy()
        come_to_rest(twin, (*order, Controller.ENDPOINTS, Controller.GARBAGE))
        yield twin
    for seed in range(randomly):
        twin = model.copy()
        _wander(twin, random.Random(seed))
        come_to_rest(twin)
        yield twin


def come_to_rest(model: Model, order: tuple[Controller, ...] = tuple(Controller)) -> None:
    """Settle, letting time pass until nothing waits for it (at most a minute)."""
    model.settle(order)
    quiet = 0
    for _ in range(60):
        before = model.store.version
        model.advance(1)
        model.settle(order)
        quiet = quiet + 1 if model.store.version == before else 0
        if quiet == 2:
            return


def _wander(model: Model, chance: random.Random, steps: int = 60) -> None:
    """Take single steps of one controller at one object."""
    kinds = {Controller.DEPLOYMENT: Kind.DEPLOYMENT, Controller.REPLICA_SET: Kind.REPLICA_SET}
    for _ in range(steps):
        controller = chance.choice(MOVING)
        kind = kinds.get(controller, Kind.POD)
        names = [o["metadata"]["name"] for o in model.store.all_of(kind)]
        if names:
            model.step(controller, chance.choice(names))
