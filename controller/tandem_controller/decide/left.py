"""What a Rollout that is gone has left on a workload, and what becomes of it.

A Rollout has a finalizer only while a release is in progress. One that is deleted before the
controller has looked leaves a Deployment that admission paused for it; one that is deleted at
rest leaves the note about a rejected version, which keeps its component unhealthy. One whose
records were taken away first leaves a release of which nobody knows what its policy said.
"""

from __future__ import annotations

from dataclasses import replace

from tandem_controller import keys
from tandem_controller.decide import deletion, rest
from tandem_controller.decide.history import records
from tandem_controller.decide.hold import enforce
from tandem_controller.effect import Decision, Note
from tandem_controller.snapshot import Snapshot, WorkloadSnapshot
from tandem_controller.workloads import deployment as native

UNKNOWN = (
    "the Rollout was deleted in mid-release, and its records are gone, so it is not known what is "
    "to become of the release: pods and traffic stay as they are; create it again to go on from "
    "its first step, or un-pause the Deployment to release everything"
)


def left(snapshot: Snapshot) -> Decision:
    """Return what is due for the workload of a Rollout that goes, or does not exist any more.

    `snapshot.rollout` stands in for one that is gone. A release that has begun stays as it is:
    it was frozen on purpose (`onDelete: Freeze`), or it cannot be known what it is to become,
    and nothing is exposed without that. A template that is withheld is taken away; any other
    is released by its own controller, as by a Rollout that is deleted in time.
    """
    workload = snapshot.workload
    if workload is None or workload.deployment.metadata.deleting or snapshot.rivals:
        return rest.let_go(snapshot)
    if _has_begun(snapshot, workload):
        return _as_it_is(snapshot)
    return enforce.given_back(snapshot, workload) or rest.gone(snapshot)


def _as_it_is(snapshot: Snapshot) -> Decision:
    """Let the Rollout go and leave pods and traffic; say so once."""
    if orphans := deletion.disown(snapshot):
        return Decision(effects=orphans)
    decision = rest.let_go(snapshot)
    if not decision.effects:
        return decision
    return replace(decision, notes=(Note(reason="ReleaseFrozen", message=UNKNOWN, warning=True),))


def _has_begun(snapshot: Snapshot, workload: WorkloadSnapshot) -> bool:
    marks = workload.deployment.metadata.annotations
    if keys.IN_PROGRESSING not in marks:
        return False
    noted = keys.FROZEN in marks or records.in_progress(records.of_workload(snapshot)) is not None
    return noted or snapshot.canary is not None or _is_mixed(workload)


def _is_mixed(workload: WorkloadSnapshot) -> bool:
    """Whether pods of the stated template stand beside others: un-paused, these would go."""
    stated = native.by_fingerprint(workload, native.live_fingerprint(workload))
    return 0 < native.size(stated) < native.size(workload.replica_sets)
