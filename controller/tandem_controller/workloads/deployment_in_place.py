"""A native Deployment released in batches by its own controller, in place.

Move: the release's template with knobs that let the Deployment controller make exactly
the pods asked for. As new pods never count as available while moving
(`minReadySeconds` is near its maximum), its rolling update keeps
`replicas - maxUnavailable` old pods and fills up to `replicas + maxSurge`.

Rest: paused, with the user's minReadySeconds and a surge that equals the pods above
`replicas`. Paused, the controller only scales in proportion, so scaling keeps the versions'
ratio and nothing moves without Tandem.

Arm: from rest, minReadySeconds is raised first, while still paused. The rolling update
reckons with the new ReplicaSet's `availableReplicas`, which its own controller updates
later; un-paused at once, it would take the new pods for available and remove as many old
ones too many (seen: 10 + 2 became 6 + 6 where 8 + 4 was asked for).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tandem_controller.api.workload import ReplicaSet
from tandem_controller.effect import Effect, Kind, patch_of
from tandem_controller.snapshot import Snapshot, WorkloadSnapshot
from tandem_controller.workloads import deployment as native
from tandem_controller.workloads.batch import (
    Batch,
    Bounds,
    bounds,
    corrected_counts,
    next_counts,
)
from tandem_controller.workloads.provider import Progress, Versions

NEVER_AVAILABLE_SECONDS = 2147483646
NO_DEADLINE_SECONDS = 2147483647
"""`progressDeadlineSeconds` must exceed `minReadySeconds`; this value disables it."""

_NEVER_AVAILABLE = {
    "minReadySeconds": NEVER_AVAILABLE_SECONDS,
    "progressDeadlineSeconds": NO_DEADLINE_SECONDS,
}


class DeploymentInPlace:
    """Batches inside the user's Deployment (upstream's partition style)."""

    def problem(self, snapshot: Snapshot) -> str | None:
        """Refuse strategy Recreate."""
        return native.problem(snapshot)

    def original(self, snapshot: Snapshot) -> dict[str, Any]:
        """Return the Deployment's strategy and deadlines."""
        return native.original(_workload(snapshot).deployment)

    def progress(self, snapshot: Snapshot, versions: Versions, now: datetime) -> Progress:
        """Count the pods of the Deployment's ReplicaSets."""
        workload = _workload(snapshot)
        deployment = workload.deployment
        stable = native.by_fingerprint(workload, versions.stable)
        new = native.by_fingerprint(workload, versions.release)
        min_ready = int(versions.originals.get("minReadySeconds") or 0)
        stable_ready = native.ready_of(workload, stable, min_ready, now)
        new_ready = native.ready_of(workload, new, min_ready, now)
        waits = [at for at in (stable_ready.next_at, new_ready.next_at) if at]
        counted = native.size(stable) + native.size(new)
        return Progress(
            replicas=deployment.spec.replicas,
            stable=native.size(stable),
            stable_ready=stable_ready.ready,
            new=native.size(new),
            new_ready=new_ready.ready,
            other=native.size(workload.replica_sets) - counted,
            observed=deployment.status.observed_generation >= deployment.metadata.generation,
            resting=deployment.spec.paused,
            stable_hash=native.template_hash(stable),
            new_hash=native.template_hash(new),
            next_ready_at=min(waits, default=None),
        )

    def advance(
        self,
        snapshot: Snapshot,
        versions: Versions,
        progress: Progress,
        *,
        target: int,
        reserve: int,
        keep: int,
    ) -> tuple[Effect, ...] | None:
        """Move towards `target` within the user's bounds."""
        if progress.new > target or progress.stable < keep:
            stay = max(progress.replicas - target, keep)
            return self._correct(snapshot, versions, progress, target, stay)
        old, new = next_counts(
            Batch(
                replicas=progress.replicas,
                old=progress.stable,
                old_ready=progress.stable_ready,
                new=progress.new,
                new_ready=progress.new_ready,
                target=target,
                reserve=reserve,
                keep=keep,
                bounds=_bounds(versions, progress.replicas),
            ),
        )
        if old + new < progress.replicas:
            return self.freeze(snapshot, versions, progress)
        if (old, new) != (progress.stable, progress.new):
            return self._arm(snapshot, versions, progress) or self._move(
                snapshot, versions, progress, old, new
            )
        return None if progress.resting or _reached(snapshot, progress) else ()

    def freeze(
        self, snapshot: Snapshot, versions: Versions, progress: Progress
    ) -> tuple[Effect, ...]:
        """Pause, with the user's minReadySeconds and a surge of the pods that are there.

        Not before the controller has made the sizes asked for: paused with the surge of
        an earlier moment it would scale to that.
        """
        if not progress.resting and not _reached(snapshot, progress):
            return ()
        return self._rest_with(snapshot, versions, progress, progress.stable, progress.new)

    def _rest_with(
        self, snapshot: Snapshot, versions: Versions, progress: Progress, old: int, new: int
    ) -> tuple[Effect, ...]:
        """Come to rest at these sizes.

        Where all replicas are new and stable pods stay beside them, it rests armed: even
        paused, the controller removes old pods once the new ReplicaSet is complete and
        available (`IsSaturated`).
        """
        spec = {
            **_resting(snapshot, versions, old + new + progress.other),
            **(_NEVER_AVAILABLE if old and new >= progress.replicas else {}),
        }
        return self._patch(snapshot, spec)

    def withdraw(self, snapshot: Snapshot, versions: Versions) -> tuple[Effect, ...]:
        """State the stable template and the user's fields in one write and un-pause."""
        workload = _workload(snapshot)
        spec = native.users_fields(versions)
        if native.live_fingerprint(workload) != versions.stable:
            spec["template"] = dict(versions.stable_template)
        return native.patch(
            workload.deployment,
            spec,
            in_progressing=None,
            unfinished=snapshot.rollout.metadata.name,
        )

    def withdrawn(self, progress: Progress) -> bool:
        """Whether the stable ReplicaSet is alone, complete and ready."""
        return (
            progress.observed
            and progress.new == progress.other == 0
            and progress.stable == progress.replicas <= progress.stable_ready
        )

    def state(
        self, snapshot: Snapshot, versions: Versions, template: Mapping[str, Any]
    ) -> tuple[Effect, ...]:
        """State a template, paused as admission would have it."""
        total = native.size(_workload(snapshot).replica_sets)
        spec = {**_resting(snapshot, versions, total), "template": dict(template)}
        return self._patch(snapshot, spec)

    def finish(self, snapshot: Snapshot, versions: Versions) -> tuple[Effect, ...]:
        """Restore the user's fields and un-pause; the controller rolls out the rest."""
        deployment = _workload(snapshot).deployment
        return native.patch(
            deployment,
            native.users_fields(versions),
            in_progressing=None,
            unfinished=snapshot.rollout.metadata.name,
        )

    def finished(self, progress: Progress) -> bool:
        """Whether the new ReplicaSet is alone, complete and ready."""
        return (
            progress.observed
            and progress.stable == progress.other == 0
            and progress.new == progress.replicas <= progress.new_ready
        )

    def clean_up(self, snapshot: Snapshot) -> tuple[Effect, ...]:
        """Nothing stands beside the workload."""
        del snapshot
        return ()

    def _arm(
        self, snapshot: Snapshot, versions: Versions, progress: Progress
    ) -> tuple[Effect, ...]:
        """Raise minReadySeconds while paused, where new pods may count as available."""
        if not progress.resting or progress.new == 0:
            return ()
        spec = {**_NEVER_AVAILABLE, "paused": True}
        del versions
        return self._patch(snapshot, spec)

    def _move(
        self, snapshot: Snapshot, versions: Versions, progress: Progress, old: int, new: int
    ) -> tuple[Effect, ...]:
        workload = _workload(snapshot)
        if not _armed(workload, versions):
            # Without the knobs of a move (an applier replaced them) only a rest stops the rest.
            moving = workload.deployment.spec.min_ready_seconds == NEVER_AVAILABLE_SECONDS
            return () if moving else self.freeze(snapshot, versions, progress)
        spec = {
            **_NEVER_AVAILABLE,
            "paused": False,
            "strategy": _rolling(old + new - progress.replicas, progress.replicas - old),
        }
        return self._patch(snapshot, spec)

    def _correct(
        self,
        snapshot: Snapshot,
        versions: Versions,
        progress: Progress,
        target: int,
        stay: int,
    ) -> tuple[Effect, ...]:
        """Correct the versions' ratio after scaling: stable pods up first, then new ones down.

        A rolling update never shrinks the ReplicaSet of the live template, so this is
        written to the ReplicaSets, while the Deployment rests. The surge follows in the
        same decision: paused, the controller keeps the sum of the sizes at replicas plus
        surge, and a sum that does not fit would be undone.
        """
        if not progress.resting:
            return self.freeze(snapshot, versions, progress)
        workload = _workload(snapshot)
        stable = native.by_fingerprint(workload, versions.stable)
        new = native.by_fingerprint(workload, versions.release)
        if not stable or not new:
            return ()
        users = _bounds(versions, progress.replicas)
        old_size, new_size = corrected_counts(
            Batch(
                replicas=progress.replicas,
                old=progress.stable,
                old_ready=progress.stable_ready,
                new=progress.new,
                new_ready=progress.new_ready,
                target=target,
                reserve=0,
                keep=stay,
                bounds=users,
            ),
        )
        return (
            *_scale(stable[-1], native.size(stable[-1:]) + old_size - progress.stable),
            *_scale(new[-1], native.size(new[-1:]) + new_size - progress.new),
            *self._rest_with(snapshot, versions, progress, old_size, new_size),
        )

    def _patch(self, snapshot: Snapshot, spec: dict[str, Any]) -> tuple[Effect, ...]:
        deployment = _workload(snapshot).deployment
        return native.patch(deployment, spec, in_progressing=snapshot.rollout.metadata.name)


def _workload(snapshot: Snapshot) -> WorkloadSnapshot:
    if snapshot.workload is None:
        msg = "a provider is asked only about workloads that exist"
        raise AssertionError(msg)
    return snapshot.workload


def _resting(snapshot: Snapshot, versions: Versions, total: int) -> dict[str, Any]:
    """Return the fields of rest: paused, with a surge for this many pods in all.

    Paused, the controller scales to replicas plus surge, whatever runs.
    """
    replicas = _workload(snapshot).deployment.spec.replicas
    surge = max(0, total - replicas)
    users = _bounds(versions, replicas)
    unavailable = users.max_unavailable if surge else max(1, users.max_unavailable)
    return {
        **native.users_fields(versions),
        "strategy": _rolling(surge, unavailable),
        "paused": True,
    }


def _armed(workload: WorkloadSnapshot, versions: Versions) -> bool:
    """Whether no new pod counts as available for the Deployment controller."""
    return all(
        rs.spec.replicas == 0
        or (
            rs.spec.min_ready_seconds == NEVER_AVAILABLE_SECONDS
            and rs.status.observed_generation >= rs.metadata.generation
            and rs.status.available_replicas == 0
        )
        for rs in native.by_fingerprint(workload, versions.release)
    )


def _reached(snapshot: Snapshot, progress: Progress) -> bool:
    """Whether the controller has made the sizes that the knobs of a move ask for."""
    spec = _workload(snapshot).deployment.spec
    if spec.min_ready_seconds != NEVER_AVAILABLE_SECONDS or spec.strategy.rolling_update is None:
        return progress.observed
    rolling = spec.strategy.rolling_update
    knobs = bounds(rolling.max_surge, rolling.max_unavailable, progress.replicas)
    old = max(0, progress.replicas - knobs.max_unavailable)
    new = min(progress.replicas, progress.replicas + knobs.max_surge - progress.stable)
    return progress.stable <= old and progress.new == new


def _bounds(versions: Versions, replicas: int) -> Bounds:
    rolling = (versions.originals.get("strategy") or {}).get("rollingUpdate") or {}
    return bounds(rolling.get("maxSurge"), rolling.get("maxUnavailable"), replicas)


def _rolling(surge: int, unavailable: int) -> dict[str, Any]:
    return {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable},
    }


def _scale(replica_set: ReplicaSet, replicas: int) -> tuple[Effect, ...]:
    if replica_set.spec.replicas == replicas:
        return ()
    meta = replica_set.metadata
    return (patch_of(Kind.REPLICA_SET, meta, {"spec": {"replicas": replicas}}),)
