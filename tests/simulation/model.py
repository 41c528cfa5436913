"""A deterministic cluster in memory: no real time, no thread, no chance.

Nothing moves by itself. The schedule calls `step` (one controller looks once at one or all
of its objects), `advance` (time), `execute` (Tandem's effects) and the users' `create` and
`edit`; `settle` runs all controllers until nothing changes. `copy` branches the world.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any, TypeVar

import msgspec

from tandem_controller.api.approval import ReleaseApproval
from tandem_controller.api.autoscaling import HorizontalPodAutoscaler
from tandem_controller.api.config import ConfigObject
from tandem_controller.api.network import EndpointSlice, HTTPRoute, Ingress, Service
from tandem_controller.api.policy import ReleasePolicy
from tandem_controller.api.record import ReleaseRecord
from tandem_controller.api.rollout import Rollout
from tandem_controller.api.workload import Deployment, Pod, ReplicaSet
from tandem_controller.effect import Create, Delete, Effect, Kind, Patch, ReplaceStatus
from tests.simulation.deployments import sync_deployment, template_hash
from tests.simulation.endpoints import sync_service
from tests.simulation.errors import AlreadyExistsError, NotFoundError
from tests.simulation.garbage import collect
from tests.simulation.kubelet import Kubelet, Readiness
from tests.simulation.merge import merged
from tests.simulation.replica_sets import sync_replica_set
from tests.simulation.rules import Obj
from tests.simulation.store import NAMESPACE, Admission, Store

TANDEM = "system:serviceaccount:tandem-system:tandem"
STRUCTS: dict[Kind, type[msgspec.Struct]] = {
    Kind.ROLLOUT: Rollout,
    Kind.RELEASE_POLICY: ReleasePolicy,
    Kind.RELEASE_RECORD: ReleaseRecord,
    Kind.RELEASE_APPROVAL: ReleaseApproval,
    Kind.DEPLOYMENT: Deployment,
    Kind.REPLICA_SET: ReplicaSet,
    Kind.POD: Pod,
    Kind.SERVICE: Service,
    Kind.ENDPOINT_SLICE: EndpointSlice,
    Kind.INGRESS: Ingress,
    Kind.HTTP_ROUTE: HTTPRoute,
    Kind.CONFIG_MAP: ConfigObject,
    Kind.SECRET: ConfigObject,
    Kind.AUTOSCALER: HorizontalPodAutoscaler,
}
_S = TypeVar("_S", bound=msgspec.Struct)


class Controller(StrEnum):
    """Whoever moves when the schedule says so."""

    DEPLOYMENT = "deployment"
    REPLICA_SET = "replica-set"
    KUBELET = "kubelet"
    ENDPOINTS = "endpoints"
    GARBAGE = "garbage"


_WATCHED = {
    Controller.DEPLOYMENT: Kind.DEPLOYMENT,
    Controller.REPLICA_SET: Kind.REPLICA_SET,
    Controller.KUBELET: Kind.POD,
    Controller.ENDPOINTS: Kind.SERVICE,
}


class Model:
    """The cluster. `store` is its API server, `kubelet` decides what becomes of pods."""

    def __init__(self, admission: Admission | None = None) -> None:
        self.store = Store(admission)
        self.kubelet = Kubelet()
        self.template_hash = template_hash
        self.contested = True
        """Whether a sync's second write to one ReplicaSet meets a conflict (`sync_deployment`)."""

    def copy(self) -> Model:
        """Return an independent world in the same state."""
        twin = Model()
        twin.store = self.store.copy()
        twin.kubelet = self.kubelet.copy()
        twin.template_hash = self.template_hash
        twin.contested = self.contested
        return twin

    @property
    def now(self) -> datetime:
        """The virtual time."""
        return self.store.now

    def advance(self, seconds: float) -> None:
        """Let time pass; nobody acts on it before the next step."""
        self.store.advance(seconds)

    # What users do.

    def create(self, kind: Kind, body: Mapping[str, Any]) -> Obj:
        """Create an object, defaulted by the API server."""
        return self.store.create(kind, body)

    def edit(self, kind: Kind, name: str, patch: Mapping[str, Any]) -> Obj:
        """Merge-patch an object as a user does, without preconditions."""
        return self.store.patch(kind, name, patch)

    def edit_status(self, kind: Kind, name: str, patch: Mapping[str, Any]) -> Obj:
        """Merge-patch a status as a user does (an approval), without preconditions."""
        status = self.store.get(kind, name).get("status", {})
        return self.store.replace_status(kind, name, merged(status, patch))

    def delete(self, kind: Kind, name: str) -> None:
        """Delete an object as a user does."""
        self.store.delete(kind, name)

    # What becomes of pods.

    def set_readiness(self, image: str, readiness: Readiness) -> None:
        """Decide what becomes of the pods of an image, running ones included."""
        self.kubelet.readiness[image] = readiness

    def break_pod(self, name: str) -> None:
        """Let a pod lose its readiness at the kubelet's next step."""
        self.kubelet.broken.add(self.store.get(Kind.POD, name)["metadata"]["uid"])

    def mend_pod(self, name: str) -> None:
        """Undo `break_pod`."""
        self.kubelet.broken.discard(self.store.get(Kind.POD, name)["metadata"]["uid"])

    def kill_pod(self, name: str) -> None:
        """Delete a pod as an eviction does."""
        self.store.delete(Kind.POD, name)

    # Who moves.

    def step(
        self, controller: Controller, name: str | None = None, *, most_writes: int | None = None
    ) -> bool:
        """Let a controller look once at all of its objects, or at one; say if it wrote.

        `most_writes` ends a sync of the Deployment controller early, as a conflict does.
        """
        before = self.store.version
        if controller is Controller.GARBAGE:
            collect(self.store)
            return self.store.version != before
        sync = self._sync_of(controller, most_writes)
        for obj in self.store.all_of(_WATCHED[controller]):
            if name in (None, obj["metadata"]["name"]):
                sync(obj)
        return self.store.version != before

    def settle(self, order: Sequence[Controller] = tuple(Controller), rounds: int = 1000) -> None:
        """Run all controllers until nothing changes at this point of time."""
        for _ in range(rounds):
            before = self.store.version
            for controller in order:
                self.step(controller)
            if self.store.version == before:
                return
        raise AssertionError(f"the model did not settle in {rounds} rounds")

    def _sync_of(self, controller: Controller, most_writes: int | None) -> Callable[[Obj], None]:
        if controller is Controller.DEPLOYMENT:
            return partial(
                sync_deployment,
                self.store,
                name_hash=self.template_hash,
                most_writes=most_writes,
                contested=self.contested,
            )
        if controller is Controller.REPLICA_SET:
            return lambda obj: sync_replica_set(self.store, obj)
        if controller is Controller.KUBELET:
            return lambda obj: self.kubelet.sync_pod(self.store, obj)
        return lambda obj: sync_service(self.store, obj)

    # What Tandem does.

    def execute(self, effects: Iterable[Effect]) -> None:
        """Carry out effects in order; the first that fails ends it with its ApiError."""
        for effect in effects:
            self.execute_one(effect)

    def execute_one(self, effect: Effect) -> None:
        """Carry out one effect, so that the schedule can crash Tandem after any."""
        match effect:
            case Create(kind=kind, body=body):
                try:
                    self.store.create(kind, body, user=TANDEM)
                except AlreadyExistsError:
                    return
            case Patch(kind=kind, name=name, body=body):
                self.store.patch(
                    kind,
                    name,
                    body,
                    namespace=effect.namespace,
                    uid=effect.uid,
                    resource_version=effect.resource_version,
                    user=TANDEM,
                )
            case ReplaceStatus(kind=kind, name=name, status=status):
                self.store.replace_status(
                    kind,
                    name,
                    status,
                    namespace=effect.namespace,
                    resource_version=effect.resource_version,
                    user=TANDEM,
                )
            case Delete(kind=kind, name=name):
                try:
                    self.store.delete(kind, name, namespace=effect.namespace, uid=effect.uid)
                except NotFoundError:
                    return

    # What is to be seen.

    def objects(self, kind: Kind, struct: type[_S]) -> tuple[_S, ...]:
        """Return all objects of a kind as structs of `api`; they are frozen snapshots."""
        return tuple(msgspec.convert(o, struct) for o in self.store.all_of(kind))

    def find(self, kind: Kind, name: str, struct: type[_S]) -> _S | None:
        """Return one object as a struct of `api`, or None."""
        found = self.store.find(kind, name)
        return None if found is None else msgspec.convert(found, struct)

    def deployment(self, name: str) -> Deployment:
        """Return a Deployment that must exist."""
        return msgspec.convert(self.store.get(Kind.DEPLOYMENT, name), Deployment)

    def replica_sets(self, deployment: str) -> tuple[ReplicaSet, ...]:
        """Return the ReplicaSets of a Deployment, oldest first."""
        owner = self.store.get(Kind.DEPLOYMENT, deployment)
        owned = self.store.controlled_by(Kind.REPLICA_SET, owner)
        return tuple(msgspec.convert(o, ReplicaSet) for o in owned)

    def sizes(self, deployment: str) -> dict[str, int]:
        """Return the wanted pods of a Deployment by image, zero sizes left out."""
        return {k: n for k, n in self._by_image(deployment, lambda r: r.spec.replicas).items() if n}

    def ready(self, deployment: str) -> dict[str, int]:
        """Return the reported ready pods of a Deployment by image, zeros left out."""
        counts = self._by_image(deployment, lambda r: r.status.ready_replicas)
        return {k: n for k, n in counts.items() if n}

    def ready_endpoints(self, service: str) -> int:
        """Return how many endpoints of a Service take traffic."""
        slices = self.objects(Kind.ENDPOINT_SLICE, EndpointSlice)
        return sum(s.ready for s in slices if s.service == service)

    def _by_image(self, deployment: str, count: Callable[[ReplicaSet], int]) -> dict[str, int]:
        result: dict[str, int] = {}
        for replica_set in self.replica_sets(deployment):
            image = replica_set.spec.template["spec"]["containers"][0]["image"]
            result[image] = result.get(image, 0) + count(replica_set)
        return result


__all__ = ["NAMESPACE", "TANDEM", "Controller", "Model", "Readiness"]
