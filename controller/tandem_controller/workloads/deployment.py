"""What both ways of releasing a native Deployment share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from tandem_controller.api.fingerprint import POD_TEMPLATE_HASH, canonical, template_fingerprint
from tandem_controller.api.workload import Deployment, ReplicaSet
from tandem_controller.effect import Effect, Kind, patch_of
from tandem_controller.keys import FROZEN, IN_PROGRESSING, UNFINISHED
from tandem_controller.mergepatch import merge_diff
from tandem_controller.snapshot import Snapshot, WorkloadSnapshot
from tandem_controller.workloads.pods import ReadyCount, count_ready
from tandem_controller.workloads.provider import Versions

ORIGINAL_FIELDS = ("strategy", "minReadySeconds", "progressDeadlineSeconds")


def problem(snapshot: Snapshot) -> str | None:
    """Refuse what cannot run two versions side by side."""
    workload = snapshot.workload
    if workload and workload.deployment.spec.strategy.type != "RollingUpdate":
        name = workload.deployment.metadata.name
        return (
            f"Deployment {name!r}: spec.strategy.type is "
            f"{workload.deployment.spec.strategy.type}, which never runs two versions side "
            f"by side; set it to RollingUpdate"
        )
    return None


def original(deployment: Deployment) -> dict[str, Any]:
    """Return the user's fields that a release changes: of a frozen one, as they were before."""
    return frozen_fields(deployment) or _stated(deployment)


def frozen_fields(deployment: Deployment) -> dict[str, Any]:
    """Return the user's fields that were noted when a release was frozen; empty without."""
    annotations = deployment.metadata.annotations
    if IN_PROGRESSING not in annotations:
        return {}
    try:
        noted = msgspec.json.decode(annotations.get(FROZEN, ""), type=dict[str, Any])
    except msgspec.MsgspecError:
        return {}
    whole = all(key in noted for key in ORIGINAL_FIELDS)
    return {key: noted[key] for key in ORIGINAL_FIELDS} if whole else {}


def note_frozen(deployment: Deployment, versions: Versions) -> tuple[Effect, ...]:
    """Return the patch that notes the user's fields on a Deployment that is frozen.

    Also where they are as they were: the note tells, when all else of the release is gone,
    that the Deployment is paused on purpose.
    """
    fields = {key: versions.originals[key] for key in ORIGINAL_FIELDS}
    marked = IN_PROGRESSING in deployment.metadata.annotations
    if not marked or frozen_fields(deployment) == fields:
        return ()
    body = {"metadata": {"annotations": {FROZEN: canonical(fields).decode()}}}
    return (patch_of(Kind.DEPLOYMENT, deployment.metadata, body),)


def _stated(deployment: Deployment) -> dict[str, Any]:
    spec = deployment.spec
    return {
        "strategy": strategy_of(deployment),
        "minReadySeconds": spec.min_ready_seconds,
        "progressDeadlineSeconds": spec.progress_deadline_seconds,
    }


def strategy_of(deployment: Deployment) -> dict[str, Any]:
    """Return `spec.strategy` as it is on the wire."""
    strategy = deployment.spec.strategy
    rolling = strategy.rolling_update
    wire: dict[str, Any] = {"type": strategy.type}
    if rolling is not None:
        wire["rollingUpdate"] = msgspec.to_builtins(rolling)
    return wire


def current_spec(deployment: Deployment) -> dict[str, Any]:
    """Return the part of a Deployment's spec that Tandem may write."""
    return {
        **_stated(deployment),
        "paused": deployment.spec.paused,
        "template": deployment.spec.template,
    }


def patch(
    deployment: Deployment,
    spec: Mapping[str, Any],
    *,
    in_progressing: str | None,
    unfinished: str | None = None,
) -> tuple[Effect, ...]:
    """Return the patch that brings these spec fields about, and marks or unmarks the workload.

    `in_progressing` (taken over) and `unfinished` (left to its own controller before the
    release has ended) are the Rollout's name, or None to remove the mark.
    """
    have = current_spec(deployment)
    body: dict[str, Any] = {}
    if diff := merge_diff({key: have[key] for key in spec}, spec):
        body["spec"] = diff
    mark = None if in_progressing is None else take_over_mark(in_progressing)
    have_marks = deployment.metadata.annotations
    wanted: dict[str, str | None] = {IN_PROGRESSING: mark, UNFINISHED: unfinished}
    if mark is None:
        wanted[FROZEN] = None
    if marks := {key: value for key, value in wanted.items() if have_marks.get(key) != value}:
        body["metadata"] = {"annotations": marks}
    if not body:
        return ()
    meta = deployment.metadata
    return (patch_of(Kind.DEPLOYMENT, meta, body),)


def take_over_mark(rollout: str) -> str:
    """Return the value of the take-over annotation (upstream's format)."""
    return msgspec.json.encode({"rolloutName": rollout}).decode()


def taken_over_by(deployment: Deployment) -> str:
    """Return the Rollout that the take-over mark names; empty without a readable one."""
    mark = deployment.metadata.annotations.get(IN_PROGRESSING, "")
    try:
        named = msgspec.json.decode(mark) if mark else {}
    except msgspec.DecodeError:
        return ""
    return str(named.get("rolloutName", "")) if isinstance(named, dict) else ""


def users_fields(versions: Versions) -> dict[str, Any]:
    """Return the user's strategy and deadlines, and an un-paused Deployment."""
    return {**{key: versions.originals[key] for key in ORIGINAL_FIELDS}, "paused": False}


def live_fingerprint(workload: WorkloadSnapshot) -> str:
    """Return the fingerprint of the template that the Deployment states."""
    return template_fingerprint(workload.deployment.spec.template)


def by_fingerprint(workload: WorkloadSnapshot, fingerprint: str) -> tuple[ReplicaSet, ...]:
    """Return the ReplicaSets of a template, oldest first."""
    found = [
        rs for rs in workload.replica_sets if template_fingerprint(rs.spec.template) == fingerprint
    ]
    return tuple(sorted(found, key=_age))


def _age(replica_set: ReplicaSet) -> tuple[str, str]:
    created = replica_set.metadata.creation_timestamp
    return (created.isoformat() if created else "", replica_set.metadata.name)


def size(replica_sets: tuple[ReplicaSet, ...]) -> int:
    """Return how many pods ReplicaSets were asked for."""
    return sum(rs.spec.replicas for rs in replica_sets)


def template_hash(replica_sets: tuple[ReplicaSet, ...]) -> str:
    """Return the `pod-template-hash` of the newest ReplicaSet, or an empty string."""
    return replica_sets[-1].metadata.labels.get(POD_TEMPLATE_HASH, "") if replica_sets else ""


def ready_of(
    workload: WorkloadSnapshot,
    replica_sets: tuple[ReplicaSet, ...],
    min_ready_seconds: int,
    now: datetime,
) -> ReadyCount:
    """Count the ready pods of ReplicaSets."""
    pods = (pod for rs in replica_sets for pod in workload.pods_of(rs))
    return count_ready(pods, min_ready_seconds, now)
