"""What a Rollout that is gone has left on a workload, and what becomes of it.

A Rollout has a finalizer only while a release is in progress. One that is deleted before the
controller has looked leaves a Deployment that admission paused for it; one that is deleted at
rest leaves the note about a rejected version, which keeps its component unhealthy.
"""

from __future__ import annotations

from tandem_controller import keys
from tandem_controller.api.workload import Deployment
from tandem_controller.decide import rest
from tandem_controller.decide.history import records
from tandem_controller.decide.hold import enforce
from tandem_controller.effect import Decision
from tandem_controller.snapshot import Snapshot, WorkloadSnapshot
from tandem_controller.workloads import deployment as native


def left(snapshot: Snapshot) -> Decision:
    """Return what is due for the workload of a Rollout that does not exist any more.

    `snapshot.rollout` stands in for it. A release that was frozen on purpose
    (`onDelete: Freeze`) stays as it is: it has pods, or an open attempt in its record. A
    template that is withheld is taken away; any other is released by its own controller, as
    by a Rollout that is deleted in time.
    """
    workload = snapshot.workload
    if workload is None or workload.deployment.metadata.deleting or snapshot.rivals:
        return Decision()
    if _is_marked(workload.deployment) and _has_begun(snapshot, workload):
        return Decision()
    return enforce.given_back(snapshot, workload) or rest.gone(snapshot)


def _is_marked(deployment: Deployment) -> bool:
    return keys.IN_PROGRESSING in deployment.metadata.annotations


def _has_begun(snapshot: Snapshot, workload: WorkloadSnapshot) -> bool:
    stated = native.by_fingerprint(workload, native.live_fingerprint(workload))
    return native.size(stated) > 0 or bool(records.in_progress(records.of_workload(snapshot)))
