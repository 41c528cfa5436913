"""Scaling while a Deployment is paused, or when `spec.replicas` changed.

Facts from `sync.go` (`scale`, `isScalingEvent`) and `util/deployment_util.go`
(`FindActiveOrLatest`, `IsSaturated`, `GetReplicaSetProportion`) of Kubernetes 1.34.
"""

from __future__ import annotations

import math

from tests.simulation.deployment_state import DESIRED, MAX_REPLICAS, DeploymentState, SizedSet


def is_scaling_event(d: DeploymentState) -> bool:
    """Whether an active ReplicaSet was sized for another number of replicas."""
    sized_for = (s.annotated(DESIRED) for s in d.active)
    return any(desired is not None and desired != d.replicas for desired in sized_for)


def scale(d: DeploymentState) -> None:
    """Bring the ReplicaSets to `spec.replicas` without hastening a rollout."""
    only = _only_active_or_latest(d)
    if only is not None:
        d.scale(only, d.replicas)
    elif d.sets and _saturated(d):
        for old in d.old:
            d.scale(old, 0)
    elif d.sets and d.rolling:
        _scale_in_proportion(d)


def _only_active_or_latest(d: DeploymentState) -> SizedSet | None:
    """Return the one that takes all replicas: the only active one, or with none the newest."""
    if len(d.active) > 1 or not d.sets:
        return None
    return d.active[0] if d.active else d.new or d.old[-1]


def _saturated(d: DeploymentState) -> bool:
    new = d.new
    return (
        new is not None
        and new.replicas == d.replicas
        and new.annotated(DESIRED) == d.replicas
        and new.available == d.replicas
    )


def _scale_in_proportion(d: DeploymentState) -> None:
    """Share what is to be added or removed by size; rounding goes to the largest."""
    allowed = d.replicas + d.max_surge if d.replicas > 0 else 0
    to_add = allowed - d.total
    active = _largest_first(d.active, newest_first=to_add > 0)
    sizes = [s.replicas for s in active]
    left = to_add
    for i, target in enumerate(active):
        share = _within(_fraction(d, target), left)
        sizes[i] += share
        left -= share
    if to_add:
        sizes[0] = max(0, sizes[0] + left)
    for target, size in zip(active, sizes, strict=True):
        d.resize(target, size)


def _largest_first(active: list[SizedSet], *, newest_first: bool) -> list[SizedSet]:
    by_age = sorted(active, key=lambda s: s.age_order, reverse=newest_first)
    return sorted(by_age, key=lambda s: -s.replicas)


def _within(share: int, left: int) -> int:
    """Limit a share to what is left to add (or, when negative, to remove)."""
    if left == 0:
        return 0
    return min(share, left) if left > 0 else max(share, left)


def _fraction(d: DeploymentState, target: SizedSet) -> int:
    """Return by how much a ReplicaSet changes, by the size it had of the whole before."""
    if d.replicas == 0:
        return -target.replicas
    before = target.annotated(MAX_REPLICAS) or d.status.get("replicas", 0)
    if before == 0:
        return 0
    grown = target.replicas * (d.replicas + d.max_surge) / before
    return math.floor(grown + 0.5) - target.replicas
