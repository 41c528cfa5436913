"""ReleaseApprovals: approvals that workflow steps give by an object of their own.

One that is met becomes the approval that everybody gives, `StepReady`, and all that follows
is the same. Each is exact (DESIGN §4.7): one Rollout, one step, one revision, once. What
became of it is written before the release moves on, so that a crash uses none twice.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from tandem_controller.api.approval import (
    ApprovalPhase,
    ApprovalReason,
    ReleaseApproval,
    ReleaseApprovalStatus,
)
from tandem_controller.api.record import ReleaseRecord
from tandem_controller.api.rollout import StepState
from tandem_controller.decide import words
from tandem_controller.decide.case import Case
from tandem_controller.decide.history import records
from tandem_controller.decide.position import position, progressing
from tandem_controller.effect import Decision, Kind, Note, ReplaceStatus
from tandem_controller.snapshot import Snapshot

EXPIRY = timedelta(hours=24)
"""How long an approval waits for its step (DESIGN §7): then it approves nothing any more."""


def at_rest(snapshot: Snapshot, known: tuple[ReleaseRecord, ...], now: datetime) -> Decision | None:
    """Without a release nothing waits for an approval: every open one is void."""
    for approval in open_ones(snapshot):
        return _void(approval, _reason_at_rest(snapshot, known, approval), now)
    return None


def settle(case: Case) -> Decision | None:
    """Write down what became of an approval that was used, or that nothing can use any more."""
    for approval in open_ones(case.snapshot):
        if _was_used(case, approval):
            return _used(approval, case.now)
        if reason := _why_void(case, approval):
            return _void(approval, reason, case.now)
    return None


def give(case: Case) -> Decision | None:
    """Approve the step that waits, where an approval is for exactly it."""
    place = position(case)
    if place.state is not StepState.PAUSED:
        return None
    for approval in open_ones(case.snapshot):
        if approval.spec.step == place.index:
            message = words.approved(place.index, len(case.plan), approval.giver)
            by = approval.giver
            return progressing(case, place.index, StepState.READY, message, approved_by=by)
    return None


def wake_at(snapshot: Snapshot, decision: Decision) -> datetime | None:
    """Return when to look again: at the latest when an open approval expires."""
    ends = [end for approval in open_ones(snapshot) if (end := _ends(approval))]
    return min([*ends, *([decision.wake_at] if decision.wake_at else [])], default=None)


def open_ones(snapshot: Snapshot) -> tuple[ReleaseApproval, ...]:
    """Return the approvals that were neither used nor have become void, in order of name."""
    found = (a for a in snapshot.approvals if a.open and not a.metadata.deleting)
    return tuple(sorted(found, key=lambda a: a.metadata.name))


def _reason_at_rest(
    snapshot: Snapshot, known: tuple[ReleaseRecord, ...], approval: ReleaseApproval
) -> ApprovalReason:
    stable = records.stable(known)
    uid = snapshot.workload.deployment.metadata.uid if snapshot.workload else ""
    by_revision = {records.revision(uid, r.spec.fingerprint): r for r in known}
    meant = by_revision.get(approval.spec.revision)
    if meant is None:
        return ApprovalReason.OTHER_REVISION
    return ApprovalReason.STEP_PASSED if meant is stable else ApprovalReason.ROLLED_BACK


def _was_used(case: Case, approval: ReleaseApproval) -> bool:
    """Whether the Rollout's status shows that this very approval was given."""
    canary = case.canary_status
    return (
        _is_meant(case, approval)
        and canary.current_step_state == StepState.READY
        and canary.current_step_index == approval.spec.step
        and canary.approved_by == approval.giver
    )


def _why_void(case: Case, approval: ReleaseApproval) -> ApprovalReason | None:
    """Return why nothing can use an approval any more; None while it may be used yet."""
    if not _is_meant(case, approval):
        return ApprovalReason.OTHER_REVISION
    if case.attempt.rejection is not None:
        return ApprovalReason.ROLLED_BACK
    place = position(case)
    if approval.spec.step < place.index or place.state is StepState.COMPLETED:
        return ApprovalReason.STEP_PASSED
    if approval.spec.step > place.index:
        return ApprovalReason.NOT_REACHED
    expired = (end := _ends(approval)) is not None and end <= case.now
    return ApprovalReason.EXPIRED if expired else None


def _is_meant(case: Case, approval: ReleaseApproval) -> bool:
    return approval.spec.revision == case.revision


def _ends(approval: ReleaseApproval) -> datetime | None:
    created = approval.metadata.creation_timestamp
    return created + EXPIRY if created else None


def _used(approval: ReleaseApproval, now: datetime) -> Decision:
    message = words.approval_used(approval)
    return Decision(
        effects=(_write(approval, ApprovalPhase.USED, ApprovalReason.APPROVED, message, now),)
    )


def _void(approval: ReleaseApproval, reason: ApprovalReason, now: datetime) -> Decision:
    message = words.approval_void(approval, reason)
    note = Note(reason="ApprovalVoid", message=message, warning=True)
    return Decision(
        effects=(_write(approval, ApprovalPhase.VOID, reason, message, now),),
        notes=() if reason is ApprovalReason.STEP_PASSED else (note,),
    )


def _write(
    approval: ReleaseApproval,
    phase: ApprovalPhase,
    reason: ApprovalReason,
    message: str,
    now: datetime,
) -> ReplaceStatus:
    status = ReleaseApprovalStatus(phase=phase, reason=reason, message=message, at=now)
    meta = approval.metadata
    return ReplaceStatus(
        kind=Kind.RELEASE_APPROVAL,
        namespace=meta.namespace,
        name=meta.name,
        resource_version=meta.resource_version,
        status=msgspec.to_builtins(status),
    )
