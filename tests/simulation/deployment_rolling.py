"""Rolling and re-creating: how sizes move from old ReplicaSets to the new one.

Facts from `rolling.go` and `recreate.go` of Kubernetes 1.34. Each function changes sizes
and says whether it did; one sync moves in one direction only.
"""

from __future__ import annotations

from tests.simulation.deployment_state import DeploymentState, SizedSet


def size_of_new(d: DeploymentState, current: int) -> int:
    """Return how large the new ReplicaSet may be, given its current size."""
    if not d.rolling:
        return d.replicas
    room = d.replicas + d.max_surge - d.total
    return current + min(room, d.replicas - current) if room > 0 else current


def grow_new(d: DeploymentState, new: SizedSet) -> bool:
    """Scale the new ReplicaSet up as far as the surge allows, or down to `replicas`."""
    if new.replicas >= d.replicas:
        return d.scale(new, d.replicas)
    return d.scale(new, size_of_new(d, new.replicas))


def shrink_old(d: DeploymentState, new: SizedSet) -> bool:
    """Scale old ReplicaSets down as far as availability allows, unhealthy pods first."""
    old = [s for s in d.old if s.replicas > 0]
    least = d.replicas - d.max_unavailable
    spare = d.total - least - (new.replicas - new.available)
    if not old or spare <= 0:
        return False
    cleaned = _clean_up_unhealthy(d, old, spare)
    if cleaned is None:
        return False
    available = sum(s.available for s in old) + new.available
    shrunk = _remove(d, old, available - least)
    return cleaned + shrunk > 0


def empty_old(d: DeploymentState) -> bool:
    """Scale all old ReplicaSets to zero (Recreate)."""
    return sum(d.scale(s, 0) for s in d.old) > 0


def _clean_up_unhealthy(d: DeploymentState, old: list[SizedSet], most: int) -> int | None:
    """Remove pods that are wanted but not available; the ReplicaSet picks them first.

    None: a report older than the last scale-down shows more available pods than wanted,
    and the controller gives up for this sync (what it scaled before stays).
    """
    cleaned = 0
    for target in old:
        if cleaned >= most:
            break
        unhealthy = target.replicas - target.available
        if unhealthy < 0:
            return None
        count = min(most - cleaned, unhealthy)
        d.scale(target, target.replicas - count)
        cleaned += count
    return cleaned


def _remove(d: DeploymentState, old: list[SizedSet], count: int) -> int:
    removed = 0
    for target in old:
        if removed >= count:
            break
        part = min(target.replicas, count - removed)
        d.scale(target, target.replicas - part)
        removed += part
    return removed
