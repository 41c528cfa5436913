"""The status of a Deployment and its conditions.

Facts from `sync.go` (`calculateStatus`, `checkPausedConditions`), `progress.go` and
`util/deployment_util.go` of Kubernetes 1.34.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tests.simulation.deployment_state import DeploymentState
from tests.simulation.rules import Obj
from tests.simulation.store import timestamp

AVAILABLE = "Available"
PROGRESSING = "Progressing"
NEW_SET_AVAILABLE = "NewReplicaSetAvailable"
PAUSED = "DeploymentPaused"
RESUMED = "DeploymentResumed"
TIMED_OUT = "ProgressDeadlineExceeded"


def note_pause(d: DeploymentState, now: datetime) -> None:
    """Say in the Progressing condition that the Deployment was paused or resumed."""
    current = condition(d.conditions, PROGRESSING)
    reason = current["reason"] if current else ""
    if d.deadline_seconds is None or reason == TIMED_OUT:
        return
    if d.spec.get("paused") and reason != PAUSED:
        set_condition(d.conditions, PROGRESSING, "Unknown", PAUSED, now)
    elif not d.spec.get("paused") and reason == PAUSED:
        set_condition(d.conditions, PROGRESSING, "Unknown", RESUMED, now)


def counted(d: DeploymentState, now: datetime) -> Obj:
    """Return the status that the ReplicaSets' reports add up to."""
    available = sum(s.available for s in d.sets)
    enough = available >= d.replicas - d.max_unavailable
    minimum = "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable"
    set_condition(d.conditions, AVAILABLE, str(enough), minimum, now)
    status = {
        "observedGeneration": d.stored["metadata"]["generation"],
        "replicas": sum(s.actual for s in d.sets),
        "updatedReplicas": d.new.actual if d.new else 0,
        "readyReplicas": sum(s.ready for s in d.sets),
        "availableReplicas": available,
        "unavailableReplicas": max(0, d.total - available),
        "conditions": d.conditions,
        "collisionCount": d.collisions,
    }
    return {k: v for k, v in status.items() if v}


def with_progress(d: DeploymentState, now: datetime) -> Obj:
    """Return the status during a rollout, with its progress judged."""
    status = counted(d, now)
    current = condition(d.conditions, PROGRESSING)
    if d.deadline_seconds is None:
        d.conditions[:] = [c for c in d.conditions if c["type"] != PROGRESSING]
        return status
    finished = (
        status.get("replicas", 0) == status.get("updatedReplicas", 0)
        and current is not None
        and current["reason"] == NEW_SET_AVAILABLE
    )
    if finished:
        return status
    if complete(d, status):
        set_condition(d.conditions, PROGRESSING, "True", NEW_SET_AVAILABLE, now)
    elif _moved(d.status, status):
        _renew_progress(d, current, now)
    elif _timed_out(d, current, now):
        set_condition(d.conditions, PROGRESSING, "False", TIMED_OUT, now)
    return status


def complete(d: DeploymentState, status: dict[str, Any]) -> bool:
    """Whether all replicas are updated and available and no old pod runs."""
    counts = ("updatedReplicas", "replicas", "availableReplicas")
    return (
        all(status.get(c, 0) == d.replicas for c in counts)
        and status.get("observedGeneration", 0) >= d.stored["metadata"]["generation"]
    )


def condition(conditions: list[Obj], kind: str) -> Obj | None:
    """Return the condition of a type, or None."""
    return next((c for c in conditions if c["type"] == kind), None)


def set_condition(
    conditions: list[Obj], kind: str, status: str, reason: str, now: datetime
) -> None:
    """Set a condition in place; the same status and reason again change nothing."""
    current = condition(conditions, kind)
    if current and (current["status"], current["reason"]) == (status, reason):
        return
    same = current is not None and current["status"] == status
    moment = timestamp(now)
    conditions[:] = [c for c in conditions if c["type"] != kind]
    conditions.append(
        {
            "type": kind,
            "status": status,
            "reason": reason,
            "lastUpdateTime": moment,
            "lastTransitionTime": current["lastTransitionTime"] if same and current else moment,
        }
    )


def _renew_progress(d: DeploymentState, current: Obj | None, now: datetime) -> None:
    """Any progress renews lastUpdateTime, from which the deadline counts."""
    since = current["lastTransitionTime"] if current and current["status"] == "True" else None
    d.conditions[:] = [c for c in d.conditions if c["type"] != PROGRESSING]
    set_condition(d.conditions, PROGRESSING, "True", "ReplicaSetUpdated", now)
    if since:
        d.conditions[-1]["lastTransitionTime"] = since


def _moved(before: dict[str, Any], after: dict[str, Any]) -> bool:
    def old_pods(status: dict[str, Any]) -> int:
        return int(status.get("replicas", 0)) - int(status.get("updatedReplicas", 0))

    grows = ("updatedReplicas", "readyReplicas", "availableReplicas")
    return old_pods(after) < old_pods(before) or any(
        after.get(c, 0) > before.get(c, 0) for c in grows
    )


def _timed_out(d: DeploymentState, current: Obj | None, now: datetime) -> bool:
    if current is None or d.deadline_seconds is None or current["reason"] == NEW_SET_AVAILABLE:
        return False
    if current["reason"] == TIMED_OUT:
        return True
    since = datetime.fromisoformat(current["lastUpdateTime"])
    return since + timedelta(seconds=d.deadline_seconds) < now
