"""Tandem on the model: snapshots gathered by the product's own code, decisions carried out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from tandem_controller import keys
from tandem_controller.api.approval import ReleaseApproval
from tandem_controller.api.network import EndpointSlice
from tandem_controller.api.record import ReleaseRecord
from tandem_controller.api.rollout import Rollout
from tandem_controller.api.workload import Deployment, Pod, ReplicaSet
from tandem_controller.decide.left import left
from tandem_controller.decide.release import decide
from tandem_controller.effect import Decision, Kind, Look, Note
from tandem_controller.observe import gather, gather_left
from tandem_controller.reconcile import MAX_LOOKS
from tandem_controller.snapshot import Seen
from tests.simulation.errors import ApiError
from tests.simulation.model import STRUCTS, Model
from tests.simulation.rules import Obj
from tests.simulation.store import NAMESPACE

MAX_PASSES = 60


class ModelCache:
    """The caches of a controller that is never behind."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def _all(self, kind: Kind) -> tuple[Any, ...]:
        return self._model.objects(kind, STRUCTS[kind])

    def get(self, kind: Kind, namespace: str, name: str) -> Any | None:  # noqa: ANN401 - by kind
        assert namespace == NAMESPACE
        return self._model.find(kind, name, STRUCTS[kind])

    def replica_sets_of(self, deployment_uid: str) -> tuple[ReplicaSet, ...]:
        sets = self._all(Kind.REPLICA_SET)
        return tuple(rs for rs in sets if rs.metadata.controlled_by(deployment_uid))

    def pods_of(self, replica_set_uid: str) -> tuple[Pod, ...]:
        return tuple(p for p in self._all(Kind.POD) if p.metadata.controlled_by(replica_set_uid))

    def slices_of(self, namespace: str, service: str) -> tuple[EndpointSlice, ...]:
        del namespace
        return tuple(s for s in self._all(Kind.ENDPOINT_SLICE) if s.service == service)

    def records_of(self, namespace: str, rollout: str) -> tuple[ReleaseRecord, ...]:
        del namespace, rollout
        return self._all(Kind.RELEASE_RECORD)

    def approvals_of(self, namespace: str, rollout: str) -> tuple[ReleaseApproval, ...]:
        del namespace
        found: tuple[ReleaseApproval, ...] = self._all(Kind.RELEASE_APPROVAL)
        return tuple(a for a in found if a.spec.rollout == rollout)

    def rollouts_for(self, namespace: str, kind: str, name: str) -> tuple[Rollout, ...]:
        del namespace
        return tuple(
            r
            for r in self._all(Kind.ROLLOUT)
            if (r.spec.workload_ref.kind, r.spec.workload_ref.name) == (kind, name)
        )


class Tandem:
    """The controller, without threads: `look` is one reconcile."""

    def __init__(self, model: Model, rollout: str = "web") -> None:
        self.model = model
        self.rollout = rollout
        self.notes: list[Note] = []
        self.written = 0

    def look(self, *, crash_after: int | None = None) -> bool:
        """Decide and act until nothing is due; say whether anything was written.

        With `crash_after` the process dies after that many effects; what it knew is lost.
        """
        wrote = 0
        for _ in range(MAX_PASSES):
            rollout = self.model.find(Kind.ROLLOUT, self.rollout, Rollout)
            decision = self.decide(rollout) if rollout else self.tidy()
            self.notes += decision.notes
            if not decision.effects:
                return wrote > 0
            for effect in decision.effects:
                if crash_after is not None and wrote >= crash_after:
                    return True
                try:
                    self.model.execute_one(effect)
                except ApiError:
                    return True
                wrote += 1
                self.written += 1
        raise AssertionError(f"{MAX_PASSES} passes without coming to rest: {decision}")

    def tidy(self) -> Decision:
        """Decide what becomes of what a Rollout that is gone has left."""
        cache = ModelCache(self.model)
        found = self.model.find(Kind.DEPLOYMENT, self.rollout, Deployment)
        notes = {keys.IN_PROGRESSING, *keys.NOTES}
        told = found and notes & found.metadata.annotations.keys()
        return left(gather_left(cache, found, self.rollout)) if found and told else Decision()

    def decide(self, rollout: Rollout) -> Decision:
        """Decide, looking at what is asked for, as `Reconciler` does."""
        snapshot = gather(ModelCache(self.model), rollout)
        for _ in range(MAX_LOOKS):
            before = msgspec.json.encode(snapshot)
            decision = decide(snapshot, self.model.now)
            assert decide(snapshot, self.model.now) == decision, "decide remembers something"
            assert msgspec.json.encode(snapshot) == before, "decide changed what it was given"
            if not decision.looks:
                return decision
            seen = tuple(map(self._see, decision.looks))
            snapshot = replace(snapshot, seen=(*snapshot.seen, *seen))
        raise AssertionError(f"asked to look {MAX_LOOKS} times: {decision.looks}")

    def _see(self, look: Look) -> Seen:
        if not look.name:
            return Seen(look=look, objects=self.model.objects(look.kind, STRUCTS[look.kind]))
        found = self.model.find(look.kind, look.name, STRUCTS[look.kind])
        return Seen(look=look, objects=(found,) if found else ())

    def settle(self, seconds: float = 0) -> None:
        """Let cluster and Tandem run until nothing changes, passing `seconds` in 1 s steps."""
        for _ in range(int(seconds) + 1):
            self._quiesce()
            if seconds:
                self.model.advance(1)
        self._quiesce()

    def _quiesce(self) -> None:
        for _ in range(500):
            self.model.settle()
            if not self.look():
                return
        raise AssertionError("cluster and Tandem do not come to rest")

    def status(self) -> Obj:
        """Return the Rollout's status as stored."""
        status: Obj = self.model.store.get(Kind.ROLLOUT, self.rollout).get("status", {})
        return status
