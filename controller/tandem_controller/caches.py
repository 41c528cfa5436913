"""The stores of all kinds, the lookups between them, and whom a change concerns."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Any

from tandem_controller.api.approval import ReleaseApproval
from tandem_controller.api.network import EndpointSlice
from tandem_controller.api.policy import ReleasePolicy
from tandem_controller.api.record import ReleaseRecord
from tandem_controller.api.rollout import Rollout, TrafficRouting
from tandem_controller.api.workload import Deployment, Pod, ReplicaSet
from tandem_controller.effect import Kind
from tandem_controller.keys import CANARY_DEPLOYMENT, NOTES, RECORD_ROLLOUT
from tandem_controller.kube.store import Key, Store
from tandem_controller.snapshot import canary_name
from tandem_controller.workloads.deployment import taken_over_by

DEPLOYMENT = "Deployment"


def _owners(obj: Any) -> Iterator[Hashable]:  # noqa: ANN401 - any struct with metadata
    yield from (o.uid for o in obj.metadata.owner_references if o.controller)


def _uid(obj: Any) -> Iterator[Hashable]:  # noqa: ANN401 - any struct with metadata
    yield obj.metadata.uid


_NOTED = ""
"""Stands for the Rollout of a Deployment that bears a note that outlives its release."""


def _rollouts_told_by(obj: Deployment) -> Iterator[Hashable]:
    """Yield (namespace, Rollout) of what Tandem or admission has left on a Deployment."""
    if named := taken_over_by(obj):
        yield (obj.metadata.namespace, named)
    if obj.metadata.annotations.keys() & set(NOTES):
        yield (obj.metadata.namespace, _NOTED)


def _service_of_slice(obj: EndpointSlice) -> Iterator[Hashable]:
    yield (obj.metadata.namespace, obj.service)


def _rollout_of_record(obj: ReleaseRecord) -> Iterator[Hashable]:
    yield (obj.metadata.namespace, obj.metadata.labels.get(RECORD_ROLLOUT, ""))


def _rollout_of_approval(obj: ReleaseApproval) -> Iterator[Hashable]:
    yield (obj.metadata.namespace, obj.spec.rollout)


def _workloads_of_rollout(obj: Rollout) -> Iterator[Hashable]:
    ref = obj.spec.workload_ref
    yield (obj.metadata.namespace, ref.kind, ref.name)


def _routing(obj: Rollout) -> TrafficRouting | None:
    strategy = obj.spec.strategy.canary
    return strategy.traffic_routings[0] if strategy and strategy.traffic_routings else None


def _traffic_of_rollout(obj: Rollout) -> Iterator[Hashable]:
    """Yield (namespace, kind, name) of each traffic object that a Rollout looks at."""
    routing = _routing(obj)
    if routing is None:
        return
    namespace = obj.metadata.namespace
    for name in (routing.service, canary_name(routing.service)):
        yield (namespace, Kind.SERVICE, name)
    if routing.gateway and routing.gateway.http_route_name:
        yield (namespace, Kind.HTTP_ROUTE, routing.gateway.http_route_name)
    if routing.ingress:
        for name in (routing.ingress.name, canary_name(routing.ingress.name)):
            yield (namespace, Kind.INGRESS, name)


class Caches:
    """One store a kind. Implements `observe.Cache`."""

    def __init__(self) -> None:
        self.stores: dict[Kind, Store[Any]] = {
            Kind.ROLLOUT: Store(
                {"workload": _workloads_of_rollout, "traffic": _traffic_of_rollout}
            ),
            Kind.RELEASE_POLICY: Store(),
            Kind.RELEASE_RECORD: Store({"rollout": _rollout_of_record}),
            Kind.RELEASE_APPROVAL: Store({"rollout": _rollout_of_approval}),
            Kind.DEPLOYMENT: Store({"uid": _uid, "told": _rollouts_told_by}),
            Kind.REPLICA_SET: Store({"owner": _owners, "uid": _uid}),
            Kind.POD: Store({"owner": _owners}),
            Kind.SERVICE: Store(),
            Kind.ENDPOINT_SLICE: Store({"service": _service_of_slice}),
            Kind.INGRESS: Store(),
            Kind.HTTP_ROUTE: Store(),
        }
        self._concerned: dict[Kind, Callable[[Any], Iterator[Key]]] = {
            Kind.ROLLOUT: self._of_rollout,
            Kind.RELEASE_POLICY: self._of_policy,
            Kind.RELEASE_RECORD: self._of_record,
            Kind.RELEASE_APPROVAL: self._of_approval,
            Kind.DEPLOYMENT: self._of_deployment,
            Kind.REPLICA_SET: self._of_replica_set,
            Kind.POD: self._of_pod,
            Kind.SERVICE: self._of_route(Kind.SERVICE),
            Kind.ENDPOINT_SLICE: self._of_slice,
            Kind.INGRESS: self._of_route(Kind.INGRESS),
            Kind.HTTP_ROUTE: self._of_route(Kind.HTTP_ROUTE),
        }

    def get(self, kind: Kind, namespace: str, name: str) -> Any | None:  # noqa: ANN401
        """Return an object by name."""
        return self.stores[kind].get(namespace, name)

    def replica_sets_of(self, deployment_uid: str) -> tuple[ReplicaSet, ...]:
        """Return the ReplicaSets that a Deployment controls."""
        return self.stores[Kind.REPLICA_SET].by_index("owner", deployment_uid)

    def pods_of(self, replica_set_uid: str) -> tuple[Pod, ...]:
        """Return the pods that a ReplicaSet controls."""
        return self.stores[Kind.POD].by_index("owner", replica_set_uid)

    def slices_of(self, namespace: str, service: str) -> tuple[EndpointSlice, ...]:
        """Return the EndpointSlices of a Service."""
        return self.stores[Kind.ENDPOINT_SLICE].by_index("service", (namespace, service))

    def records_of(self, namespace: str, rollout: str) -> tuple[ReleaseRecord, ...]:
        """Return the records of a Rollout."""
        return self.stores[Kind.RELEASE_RECORD].by_index("rollout", (namespace, rollout))

    def approvals_of(self, namespace: str, rollout: str) -> tuple[ReleaseApproval, ...]:
        """Return the ReleaseApprovals for a Rollout."""
        return self.stores[Kind.RELEASE_APPROVAL].by_index("rollout", (namespace, rollout))

    def rollouts_for(self, namespace: str, kind: str, name: str) -> tuple[Rollout, ...]:
        """Return the Rollouts that name a workload."""
        return self.stores[Kind.ROLLOUT].by_index("workload", (namespace, kind, name))

    def left_by(self, key: Key) -> tuple[Deployment, ...]:
        """Return the Deployments on which a Rollout that is gone may have left something."""
        found = [
            deployment
            for rollout in (key.name, _NOTED)
            for deployment in self.stores[Kind.DEPLOYMENT].by_index(
                "told", (key.namespace, rollout)
            )
        ]
        return tuple(d for d in found if not self._is_released(d))

    def _is_released(self, deployment: Deployment) -> bool:
        meta = deployment.metadata
        return bool(self.rollouts_for(str(meta.namespace), DEPLOYMENT, meta.name))

    def concerned(self, kind: Kind, obj: Any) -> Iterator[Key]:  # noqa: ANN401
        """Yield the Rollouts whose snapshot contains an object."""
        yield from self._concerned[kind](obj)

    def _of_rollout(self, obj: Rollout) -> Iterator[Key]:
        """A Rollout concerns itself and its rivals."""
        yield Key(obj.metadata.namespace, obj.metadata.name)
        yield from self._keys("workload", next(iter(_workloads_of_rollout(obj))))

    def _of_policy(self, obj: ReleasePolicy) -> Iterator[Key]:
        yield Key(obj.metadata.namespace, obj.metadata.name)

    def _of_record(self, obj: ReleaseRecord) -> Iterator[Key]:
        yield Key(obj.metadata.namespace, obj.metadata.labels.get(RECORD_ROLLOUT, ""))

    def _of_approval(self, obj: ReleaseApproval) -> Iterator[Key]:
        yield Key(obj.metadata.namespace, obj.spec.rollout)

    def _of_deployment(self, obj: Deployment) -> Iterator[Key]:
        meta = obj.metadata
        for name in {meta.name, meta.labels.get(CANARY_DEPLOYMENT, meta.name)}:
            yield from self._keys("workload", (meta.namespace, DEPLOYMENT, name))
        told = any(True for _ in _rollouts_told_by(obj))
        if told and not self._is_released(obj):
            yield Key(meta.namespace, taken_over_by(obj) or meta.name)

    def _of_replica_set(self, obj: ReplicaSet) -> Iterator[Key]:
        for deployment in self._owners(Kind.DEPLOYMENT, obj):
            yield from self._of_deployment(deployment)

    def _of_pod(self, obj: Pod) -> Iterator[Key]:
        for replica_set in self._owners(Kind.REPLICA_SET, obj):
            yield from self._of_replica_set(replica_set)

    def _of_slice(self, obj: EndpointSlice) -> Iterator[Key]:
        yield from self._keys("traffic", (obj.metadata.namespace, Kind.SERVICE, obj.service))

    def _of_route(self, kind: Kind) -> Callable[[Any], Iterator[Key]]:
        def keys(obj: Any) -> Iterator[Key]:  # noqa: ANN401
            return self._keys("traffic", (obj.metadata.namespace, kind, obj.metadata.name))

        return keys

    def _keys(self, index: str, value: Hashable) -> Iterator[Key]:
        for rollout in self.stores[Kind.ROLLOUT].by_index(index, value):
            yield Key(rollout.metadata.namespace, rollout.metadata.name)

    def _owners(self, kind: Kind, obj: Any) -> Iterator[Any]:  # noqa: ANN401
        for uid in _owners(obj):
            yield from self.stores[kind].by_index("uid", uid)
