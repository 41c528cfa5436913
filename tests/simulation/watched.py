"""A store and a model that are watched: every write is told, with who writes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tandem_controller.effect import Kind
from tests.simulation.admission import ProductAdmission
from tests.simulation.deployment_scaling import is_scaling_event
from tests.simulation.deployment_state import DeploymentState
from tests.simulation.invariants import Guard
from tests.simulation.model import Controller, Model
from tests.simulation.rules import Obj
from tests.simulation.store import Key, Store


class WatchedStore(Store):
    """Tells somebody of every write."""

    def __init__(self) -> None:
        self.product = ProductAdmission(self)
        super().__init__(self.product)
        self.watch: Callable[[Key, Obj | None, Obj | None], None] | None = None

    def _store(self, key: Key, obj: Obj) -> Obj:
        old = self._objects.get(key)
        new = super()._store(key, obj)
        if self.watch is not None:
            self.watch(key, old, new)
        return new

    def remove(self, key: Key) -> None:
        """Take an object away at once."""
        old = self._objects.get(key)
        super().remove(key)
        if self.watch is not None:
            self.watch(key, old, None)


class WatchedModel(Model):
    """Says who is about to write, and whether it is by a user's scaling."""

    def __init__(self, guard: Guard, store: WatchedStore) -> None:
        super().__init__()
        self.store = store
        self.guard = guard

    def step(
        self, controller: Controller, name: str | None = None, *, most_writes: int | None = None
    ) -> bool:
        """Let a controller look once."""
        self.guard.actor = controller.value
        if controller is not Controller.DEPLOYMENT:
            return super().step(controller, name, most_writes=most_writes)
        wrote = False
        for stored in self.store.all_of(Kind.DEPLOYMENT):
            d = DeploymentState.of(stored, self.store.controlled_by(Kind.REPLICA_SET, stored))
            self.guard.scaling = bool(d.spec.get("paused")) or is_scaling_event(d) or not d.active
            if name in (None, stored["metadata"]["name"]):
                found = stored["metadata"]["name"]
                wrote |= super().step(controller, found, most_writes=most_writes)
        self.guard.scaling = False
        return wrote

    def execute_one(self, effect: Any) -> None:  # noqa: ANN401 - as the base class's union
        """Carry out one effect of Tandem."""
        self.guard.actor = "tandem"
        super().execute_one(effect)
