"""A Rollout while no release is in progress, and how it is let go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from tandem_controller import keys
from tandem_controller.api.record import Attempt, Outcome, ReleaseRecord
from tandem_controller.api.rollout import (
    CanaryStatus,
    FinalisingStep,
    Phase,
    Rollout,
    StepState,
)
from tandem_controller.decide import plan as plans
from tandem_controller.decide import words
from tandem_controller.decide.case import Case
from tandem_controller.decide.history import evidence, records
from tandem_controller.decide.hold.notices import notices, standing_rejection
from tandem_controller.decide.hold.withheld import held, rejected
from tandem_controller.decide.released import released
from tandem_controller.decide.status import Report, report
from tandem_controller.effect import Decision, Effect, Kind, Note, Patch, patch_of
from tandem_controller.snapshot import Snapshot
from tandem_controller.workloads import deployment as native


def healthy(snapshot: Snapshot, known: tuple[ReleaseRecord, ...], now: datetime) -> Decision:
    """Report that the stable version runs, and drop what a release needed."""
    effects = (
        _unpause(snapshot)
        or _mirror_rejection(snapshot, known)
        or records.surplus(known, snapshot.policy_spec.history, kept=_kept(snapshot, known))
    )
    if effects:
        return Decision(effects=effects)
    stable = records.stable(known)
    if found := evidence.due(snapshot, stable) if stable else None:
        return found
    ended = _last_ended(known)
    wanted = _healthy_report(snapshot, known, ended)
    decision = report(snapshot.rollout, wanted, now)
    if decision.effects or decision.wake_at:
        return decision
    return let_go(snapshot)


def _kept(snapshot: Snapshot, known: tuple[ReleaseRecord, ...]) -> Iterator[ReleaseRecord]:
    """Yield the records that say what is withheld: they stay, however old they are."""
    yield from rejected(known)
    stable = records.stable(known)
    holding = held(known, stable, snapshot.policy_spec.containers) if stable else None
    if holding is not None:
        yield holding


def _healthy_report(
    snapshot: Snapshot, known: tuple[ReleaseRecord, ...], ended: Attempt | None
) -> Report:
    canary = _ended_status(snapshot)
    stable = records.stable(known)
    standing = standing_rejection(snapshot, known, stable) if stable else None
    done = released(snapshot, ended=standing is None)
    if ended is None or ended.outcome is Outcome.BASELINE:
        return Report(
            phase=Phase.HEALTHY,
            message=words.COMPLETED_BEFORE,
            reason="Completed",
            canary=canary,
            notices=notices(snapshot),
            released=done,
        )
    return Report(
        phase=Phase.HEALTHY,
        message=ended.message,
        reason="Completed",
        succeeded=ended.outcome is Outcome.COMPLETED,
        canary=canary,
        notices=notices(snapshot),
        released=done,
    )


def _ended_status(snapshot: Snapshot) -> CanaryStatus:
    """Return the release's part of the status at rest: the last step, completed."""
    old = snapshot.rollout.status.canary_status or CanaryStatus()
    deployment = snapshot.workload.deployment if snapshot.workload else None
    steps = len(snapshot.strategy.steps)
    return replace(
        old,
        observed_workload_generation=deployment.metadata.generation if deployment else 0,
        rollout_hash=plans.plan_hash(snapshot.strategy),
        current_step_index=old.current_step_index or steps,
        next_step_index=-1,
        current_step_state=StepState.COMPLETED,
        finalising_step=FinalisingStep.END if old.finalising_step else "",
        approved_by="",
    )


def _last_ended(known: Iterable[ReleaseRecord]) -> Attempt | None:
    """Return the attempt that ended last; one that was superseded says nothing of the end."""
    attempts = [
        a
        for record in known
        for a in record.status.attempts
        if a.completed_at and a.outcome is not Outcome.SUPERSEDED
    ]
    return max(
        attempts, key=lambda a: a.completed_at.isoformat() if a.completed_at else "", default=None
    )


def _unpause(snapshot: Snapshot) -> tuple[Effect, ...]:
    """Release a workload that was taken over for a change that is gone again.

    One that was frozen gets its user's fields back with it.
    """
    if snapshot.workload is None:
        return ()
    deployment = snapshot.workload.deployment
    if keys.IN_PROGRESSING not in deployment.metadata.annotations:
        return ()
    spec = {**native.frozen_fields(deployment), "paused": False}
    return native.patch(deployment, spec, in_progressing=None)


def _mirror_rejection(snapshot: Snapshot, known: tuple[ReleaseRecord, ...]) -> tuple[Effect, ...]:
    """Show on the workload that its owner states a rejected version: health policies see it."""
    stable = records.stable(known)
    if stable is None:
        return ()
    return _show(snapshot, standing_rejection(snapshot, known, stable))


def _show(snapshot: Snapshot, message: str | None) -> tuple[Effect, ...]:
    """Write the workload's annotation about a rejected version, or take it away.

    The mark of an unfinished release goes in the same write: no moment is without either.
    """
    return _annotated(snapshot, {keys.REJECTED: message, keys.UNFINISHED: None})


def _annotated(snapshot: Snapshot, wanted: Mapping[str, str | None]) -> tuple[Effect, ...]:
    """Give the workload annotations, or take them away, where they are not so already."""
    if snapshot.workload is None:
        return ()
    meta = snapshot.workload.deployment.metadata
    marks = {key: value for key, value in wanted.items() if meta.annotations.get(key) != value}
    if not marks:
        return ()
    return (patch_of(Kind.DEPLOYMENT, meta, {"metadata": {"annotations": marks}}),)


def note_ended(case: Case) -> Decision | None:
    """Take the note about a rejected version away in the release that ends the rejection.

    The mark of take-over tells by then that the workload is not at rest.
    """
    meta = case.deployment.metadata
    known = records.of_workload(case.snapshot)
    noted = {keys.REJECTED, keys.IN_PROGRESSING} <= meta.annotations.keys()
    if not noted or standing_rejection(case.snapshot, known, case.stable) is not None:
        return None
    body = {"metadata": {"annotations": {keys.REJECTED: None}}}
    return Decision(effects=(patch_of(Kind.DEPLOYMENT, meta, body),))


def hold_on(snapshot: Snapshot, *, met: bool) -> Decision | None:
    """Set the finalizer while a release is in progress, and drop the wish that it meets.

    `met` says whether the release is the rollback that was asked for. A wish that came
    with another release takes that one back.
    """
    meta = snapshot.rollout.metadata
    wished = met and keys.ROLLBACK in meta.annotations
    if keys.FINALIZER in meta.finalizers and not wished:
        return None
    annotations = {keys.ROLLBACK: None} if wished else {}
    finalizers = sorted({*meta.finalizers, keys.FINALIZER})
    return Decision(effects=(patch_rollout(snapshot.rollout, annotations, finalizers),))


def hold(snapshot: Snapshot) -> Decision | None:
    """Set the finalizer, which a Rollout created anew in mid-release does not have."""
    meta = snapshot.rollout.metadata
    if keys.FINALIZER in meta.finalizers:
        return None
    finalizers = sorted({*meta.finalizers, keys.FINALIZER})
    return Decision(effects=(patch_rollout(snapshot.rollout, {}, finalizers),))


def _drop_wishes(snapshot: Snapshot) -> tuple[Effect, ...]:
    """Drop what nobody will meet."""
    asked = [w for w in keys.WISHES if w in snapshot.rollout.metadata.annotations]
    return (patch_rollout(snapshot.rollout, dict.fromkeys(asked)),) if asked else ()


def gone(snapshot: Snapshot) -> Decision:
    """End a Rollout that is being deleted while no release is in progress."""
    if effects := _unpause(snapshot) or _annotated(snapshot, dict.fromkeys(keys.NOTES)):
        return Decision(effects=effects)
    return let_go(snapshot)


def let_go(snapshot: Snapshot) -> Decision:
    """Drop the finalizer."""
    meta = snapshot.rollout.metadata
    if keys.FINALIZER not in meta.finalizers:
        return Decision()
    finalizers = [f for f in meta.finalizers if f != keys.FINALIZER]
    return Decision(effects=(patch_rollout(snapshot.rollout, {}, finalizers),))


def not_found(snapshot: Snapshot, now: datetime) -> Decision:
    """Report that the workload is not there; never hold a deletion for it."""
    rollout = snapshot.rollout
    if rollout.metadata.deleting:
        return let_go(snapshot)
    ref = rollout.spec.workload_ref
    message = (
        f"{words.NOT_FOUND}: {ref.kind} {ref.name!r} in namespace {rollout.metadata.namespace!r}"
    )
    note = Note(
        reason="WorkloadNotFound",
        message=f"{message}; create it or correct spec.workloadRef",
        warning=True,
    )
    return report(
        rollout,
        Report(phase=Phase.INITIAL, message=message, reason="Initializing"),
        now,
        notes=(note,),
    )


def disabled(snapshot: Snapshot, now: datetime) -> Decision:
    """Report a disabled Rollout, and drop what a release needed, a wish included."""
    if effects := _unpause(snapshot) or _show(snapshot, None) or _drop_wishes(snapshot):
        return Decision(effects=effects)
    wanted = Report(
        phase=Phase.DISABLED,
        message=words.DISABLED,
        reason="Completed",
        released=released(snapshot, ended=True),
    )
    decision = report(snapshot.rollout, wanted, now)
    return decision if decision.effects else let_go(snapshot)


def patch_rollout(
    rollout: Rollout,
    annotations: dict[str, None],
    finalizers: list[str] | None = None,
) -> Patch:
    """Return the effect that drops annotations of a Rollout and sets its finalizers."""
    meta = rollout.metadata
    metadata: dict[str, Any] = {}
    if annotations:
        metadata["annotations"] = annotations
    if finalizers is not None:
        metadata["finalizers"] = finalizers
    return patch_of(Kind.ROLLOUT, meta, {"metadata": metadata})
