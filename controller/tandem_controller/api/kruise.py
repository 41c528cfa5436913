"""Kruise Rollouts, the other controller of the Rollout API: what it is known by in a cluster.

Names as its chart installs them (openkruise/charts, kruise-rollout 0.3.0 to 0.6.2) and as its
program states them (leader election, webhook configurations).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

Obj = Mapping[str, Any]

CONTROLLER = "kruise-rollout-controller-manager"
"""Name of its Deployment, and value of the label `control-plane` on it and its pods."""

CONTROL_PLANE = "control-plane"
LEASE = "71ddec2c.kruise.io"
MUTATING = "kruise-rollout-mutating-webhook-configuration"
VALIDATING = "kruise-rollout-validating-webhook-configuration"

CONTROL_INFO = "batchrelease.rollouts.kruise.io/control-info"
DEPLOYMENT_STRATEGY = "rollouts.kruise.io/deployment-strategy"
EXTRA_STATUS = "rollouts.kruise.io/deployment-extra-status"
TRAFFIC_ROUTING = "rollouts.kruise.io/trafficrouting"
ROLLBACK_IN_BATCH = "rollouts.kruise.io/rollback-in-batch"
"""Annotations: the first three on a workload in mid-release, the others on a Rollout."""

ADVANCED_DEPLOYMENT = "rollouts.kruise.io/controlled-by-advanced-deployment-controller"
"""Label on a Deployment that is released in batches."""

BATCH_RELEASE_FINALIZER = "rollouts.kruise.io/batch-release-finalizer"
"""On a BatchRelease; without a controller that takes it away, its namespace cannot be deleted."""


def is_controller(deployment: Obj) -> bool:
    """Whether a Deployment runs Kruise Rollouts."""
    metadata = deployment["metadata"]
    label = (metadata.get("labels") or {}).get(CONTROL_PLANE)
    return CONTROLLER in (metadata["name"], label)


def signs_of_life(
    deployments: Iterable[Obj],
    leases: Iterable[Obj],
    configurations: Iterable[Obj],
    now: datetime,
) -> tuple[str, ...]:
    """Say by what a live Kruise Rollouts is known; a left-over CRD is no sign of life.

    Each sign is a clause, for instance "Deployment a/b runs 2 replicas".
    """
    return (
        *_running(deployments),
        *(
            _held(lease)
            for lease in leases
            if lease["metadata"]["name"] == LEASE and is_held(lease, now)
        ),
        *(
            f"{c['kind']} {c['metadata']['name']!r} is registered"
            for c in configurations
            if c["metadata"]["name"] in (MUTATING, VALIDATING)
        ),
    )


def is_held(lease: Obj, now: datetime) -> bool:
    """Whether a Lease has a holder that renewed it in time (client-go's leader election)."""
    spec = lease.get("spec") or {}
    if not spec.get("holderIdentity"):
        return False
    renewed = spec.get("renewTime")
    if not renewed:
        return False
    lasts = timedelta(seconds=int(spec.get("leaseDurationSeconds") or 15))
    return datetime.fromisoformat(renewed) + lasts > now


def _running(deployments: Iterable[Obj]) -> Iterator[str]:
    for deployment in filter(is_controller, deployments):
        replicas = (deployment.get("spec") or {}).get("replicas", 1)
        left = (deployment.get("status") or {}).get("replicas", 0)
        if replicas or left:
            metadata = deployment["metadata"]
            count = max(replicas, left)
            yield f"Deployment {metadata['namespace']}/{metadata['name']} runs {count} replicas"


def _held(lease: Obj) -> str:
    metadata = lease["metadata"]
    holder = lease["spec"]["holderIdentity"]
    return f"Lease {metadata['namespace']}/{metadata['name']} is held by {holder}"
