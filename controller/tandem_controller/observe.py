"""Gathering a snapshot from the caches: what belongs to one Rollout, and nothing else."""

from __future__ import annotations

from typing import Any, Protocol

from tandem_controller.api.approval import ReleaseApproval
from tandem_controller.api.meta import ObjectMeta
from tandem_controller.api.network import EndpointSlice
from tandem_controller.api.record import ReleaseRecord
from tandem_controller.api.rollout import Rollout, RolloutSpec, TrafficRouting, WorkloadRef
from tandem_controller.api.workload import Deployment, Pod, ReplicaSet
from tandem_controller.effect import Kind
from tandem_controller.snapshot import Snapshot, TrafficSnapshot, WorkloadSnapshot, canary_name
from tandem_controller.workloads import deployment as native


class Cache(Protocol):
    """What a snapshot is gathered from; all lookups are local."""

    def get(self, kind: Kind, namespace: str, name: str) -> Any | None:  # noqa: ANN401 - by kind
        """Return an object by name."""

    def replica_sets_of(self, deployment_uid: str) -> tuple[ReplicaSet, ...]:
        """Return the ReplicaSets that a Deployment controls."""

    def pods_of(self, replica_set_uid: str) -> tuple[Pod, ...]:
        """Return the pods that a ReplicaSet controls."""

    def slices_of(self, namespace: str, service: str) -> tuple[EndpointSlice, ...]:
        """Return the EndpointSlices of a Service."""

    def records_of(self, namespace: str, rollout: str) -> tuple[ReleaseRecord, ...]:
        """Return the records of a Rollout."""

    def approvals_of(self, namespace: str, rollout: str) -> tuple[ReleaseApproval, ...]:
        """Return the ReleaseApprovals for a Rollout."""

    def rollouts_for(self, namespace: str, kind: str, name: str) -> tuple[Rollout, ...]:
        """Return the Rollouts that name a workload."""


def gather(cache: Cache, rollout: Rollout) -> Snapshot:
    """Return everything that one decision about a Rollout sees."""
    namespace = rollout.metadata.namespace
    ref = rollout.spec.workload_ref
    rivals = cache.rollouts_for(namespace, ref.kind, ref.name)
    strategy = rollout.spec.strategy.canary
    routing = strategy.traffic_routings[0] if strategy and strategy.traffic_routings else None
    return Snapshot(
        rollout=rollout,
        policy=cache.get(Kind.RELEASE_POLICY, namespace, rollout.metadata.name),
        records=cache.records_of(namespace, rollout.metadata.name),
        approvals=cache.approvals_of(namespace, rollout.metadata.name),
        workload=_workload(cache, namespace, ref.name),
        canary=_workload(cache, namespace, canary_name(ref.name)),
        traffic=_traffic(cache, namespace, routing) if routing else TrafficSnapshot(),
        rivals=tuple(r for r in rivals if r.metadata.uid != rollout.metadata.uid),
    )


def gather_left(cache: Cache, deployment: Deployment, rollout: str) -> Snapshot:
    """Return the same for a Deployment whose Rollout does not exist any more."""
    meta = deployment.metadata
    ref = WorkloadRef(api_version="apps/v1", kind="Deployment", name=meta.name)
    named = native.taken_over_by(deployment) or rollout
    stand_in = Rollout(
        metadata=ObjectMeta(name=named, namespace=meta.namespace),
        spec=RolloutSpec(workload_ref=ref),
    )
    return gather(cache, stand_in)


def _workload(cache: Cache, namespace: str, name: str) -> WorkloadSnapshot | None:
    deployment = cache.get(Kind.DEPLOYMENT, namespace, name)
    if deployment is None:
        return None
    sets = cache.replica_sets_of(deployment.metadata.uid)
    pods = {rs.metadata.uid: cache.pods_of(rs.metadata.uid) for rs in sets}
    return WorkloadSnapshot(deployment=deployment, replica_sets=sets, pods=pods)


def _traffic(cache: Cache, namespace: str, routing: TrafficRouting) -> TrafficSnapshot:
    stable, canary = routing.service, canary_name(routing.service)
    route = routing.gateway.http_route_name if routing.gateway else None
    ingress = routing.ingress.name if routing.ingress else None
    return TrafficSnapshot(
        stable_service=cache.get(Kind.SERVICE, namespace, stable),
        canary_service=cache.get(Kind.SERVICE, namespace, canary),
        stable_endpoints=_ready(cache, namespace, stable),
        canary_endpoints=_ready(cache, namespace, canary),
        http_route=cache.get(Kind.HTTP_ROUTE, namespace, route) if route else None,
        ingress=cache.get(Kind.INGRESS, namespace, ingress) if ingress else None,
        canary_ingress=(
            cache.get(Kind.INGRESS, namespace, canary_name(ingress)) if ingress else None
        ),
    )


def _ready(cache: Cache, namespace: str, service: str) -> int:
    return sum(s.ready for s in cache.slices_of(namespace, service))
