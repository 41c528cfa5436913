"""What one decision sees: everything that belongs to one Rollout, at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tandem_controller.api.approval import ReleaseApproval
from tandem_controller.api.network import HTTPRoute, Ingress, Service
from tandem_controller.api.policy import DEFAULT_POLICY, ReleasePolicy, ReleasePolicySpec
from tandem_controller.api.record import ReleaseRecord
from tandem_controller.api.rollout import CanaryStrategy, Rollout, TrafficRouting
from tandem_controller.api.workload import Deployment, Pod, ReplicaSet
from tandem_controller.effect import Look


@dataclass(frozen=True, kw_only=True)
class WorkloadSnapshot:
    """A Deployment with the ReplicaSets that it controls and their pods, by ReplicaSet uid."""

    deployment: Deployment
    replica_sets: tuple[ReplicaSet, ...] = ()
    pods: Mapping[str, tuple[Pod, ...]] = field(default_factory=dict)

    def pods_of(self, replica_set: ReplicaSet) -> tuple[Pod, ...]:
        """The pods that a ReplicaSet controls."""
        return self.pods.get(replica_set.metadata.uid, ())


@dataclass(frozen=True, kw_only=True)
class TrafficSnapshot:
    """Services and routes that a Rollout names; None where the object does not exist.

    Endpoints are counted while they are ready, over all slices of the Service.
    """

    stable_service: Service | None = None
    canary_service: Service | None = None
    stable_endpoints: int = 0
    canary_endpoints: int = 0
    http_route: HTTPRoute | None = None
    ingress: Ingress | None = None
    canary_ingress: Ingress | None = None


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a look found. `refused` says why it could not be read (RBAC)."""

    look: Look
    objects: tuple[Any, ...] = ()
    refused: str = ""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The immutable input of a decision."""

    rollout: Rollout
    policy: ReleasePolicy | None = None
    records: tuple[ReleaseRecord, ...] = ()
    approvals: tuple[ReleaseApproval, ...] = ()
    workload: WorkloadSnapshot | None = None
    canary: WorkloadSnapshot | None = None
    """The extra Deployment of canary style."""
    traffic: TrafficSnapshot = field(default_factory=TrafficSnapshot)
    rivals: tuple[Rollout, ...] = ()
    """Other Rollouts that name the same workload."""
    seen: tuple[Seen, ...] = ()
    """What an earlier decision about this snapshot asked to look at."""

    def saw(self, look: Look) -> Seen | None:
        """Return what a look found, or None where nobody looked yet."""
        return next((seen for seen in self.seen if seen.look == look), None)

    @property
    def policy_spec(self) -> ReleasePolicySpec:
        """The policy in force."""
        return self.policy.spec if self.policy else DEFAULT_POLICY

    @property
    def strategy(self) -> CanaryStrategy:
        """The canary strategy; empty when the Rollout states none."""
        return self.rollout.spec.strategy.canary or CanaryStrategy()

    @property
    def routing(self) -> TrafficRouting | None:
        """The Rollout's traffic routing, or None when pods alone decide the split."""
        routings = self.strategy.traffic_routings
        return routings[0] if routings else None


def canary_name(name: str) -> str:
    """Name of the object that stands beside a stable one during a release (as upstream)."""
    return f"{name}-canary"
