"""Where a release stands in its plan, read from the Rollout's status."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from tandem_controller import keys
from tandem_controller.api.rollout import CanaryStatus, FinalisingStep, Phase, StepState
from tandem_controller.decide import plan as plans
from tandem_controller.decide import words
from tandem_controller.decide.case import Case
from tandem_controller.decide.hold.notices import notices
from tandem_controller.decide.released import released
from tandem_controller.decide.status import Report, report
from tandem_controller.effect import Decision, Note

ROLLBACK_PREFIX = "rollback-"
"""Marks the release id of a release that is being taken back (upstream)."""

DWELL = timedelta(seconds=2)
"""Time outside StepPaused for Rollouts of an Application: KubeVela re-reads and retries its
approval on conflict, so a state that returns at once would be approved twice."""


@dataclass(frozen=True, kw_only=True)
class Position:
    """The step entered last; `index` 0 means that none was."""

    index: int
    state: StepState | None


def position(case: Case) -> Position:
    """Return where the open attempt stands; a status of another attempt says nothing."""
    canary = case.canary_status
    entered = (
        case.status.phase in (Phase.PROGRESSING, Phase.TERMINATING, Phase.DISABLING)
        and canary.canary_revision == case.revision
        and canary.last_update_time is not None
        and canary.last_update_time > case.attempt.started_at
        and canary.current_step_index >= 1
    )
    if not entered:
        return Position(index=0, state=None)
    return Position(index=canary.current_step_index, state=_state(case))


def _state(case: Case) -> StepState | None:
    """Return the state of the step; an approval is good only for the spec that it was seen with.

    KubeVela's resume un-pauses a Rollout and approves what it reads next. Where Tandem had not
    even seen that it was paused, that is the StepPaused of before, and nobody approved it. A
    spec that was changed to another plan, or is paused, is met by its own rule.
    """
    value = case.canary_status.current_step_state
    state = StepState(value) if value in StepState.__members__.values() else None
    return StepState.PAUSED if state is StepState.READY and _toggled_unseen(case) else state


def _toggled_unseen(case: Case) -> bool:
    """Whether the spec was changed since the status was written, and yet asks for the same."""
    rollout = case.snapshot.rollout
    unseen = case.status.observed_generation != rollout.metadata.generation
    same = case.canary_status.rollout_hash == plans.plan_hash(case.snapshot.strategy)
    return unseen and same and not rollout.spec.strategy.paused


def move(case: Case, place: Position) -> Decision | None:
    """Enter the first step, follow a changed plan or a jump; None when nothing asks for it."""
    total = len(case.plan)
    if place.index == 0:
        return enter(case, 1)
    if case.canary_status.rollout_hash != plans.plan_hash(case.snapshot.strategy):
        target = plans.step_after_change(case.plan, place.index, case.progress.new)
        return enter(case, target, keep=place if target == place.index else None)
    jump = case.canary_status.next_step_index
    natural = _next_index(place.index, total)
    if jump not in (natural, place.index) and 1 <= jump <= total:
        return enter(case, jump)
    return None


def enter(case: Case, index: int, *, keep: Position | None = None) -> Decision:
    """Write the status that lets a step begin; nothing of it happens before."""
    step = case.plan[index - 1]
    message = words.entering(step, len(case.plan), case.progress.replicas)
    state = keep.state if keep and keep.state else StepState.UPGRADE
    return progressing(
        case, index, state, message, notes=(Note(reason="StepStarted", message=message),)
    )


def progressing(
    case: Case,
    index: int,
    state: StepState,
    message: str,
    *,
    reason: str = "InRolling",
    notes: tuple[Note, ...] = (),
    wake_at: datetime | None = None,
    approved_by: str = "",
) -> Decision:
    """Report a release at a step and wait; an approval that was given stays until it is used.

    `approved_by` is who gives one now.
    """
    if position(case) == Position(index=index, state=StepState.READY):
        state = StepState.COMPLETED if state is StepState.COMPLETED else StepState.READY
    canary = standing(case, index=index, state=state, approved_by=approved_by)
    wanted = Report(
        phase=_phase(case),
        message=message,
        reason=reason,
        progressing=True,
        canary=canary,
        notices=notices(case.snapshot),
        about=words.about(case.release, case.attempt.change),
        released=released(case.snapshot, ended=False),
    )
    return report(case.snapshot.rollout, wanted, case.now, notes=notes, wake_at=wake_at)


def finalising(
    case: Case,
    message: str,
    *,
    reason: str,
    step: FinalisingStep,
    rolling_back: bool = False,
    notes: tuple[Note, ...] = (),
    wake_at: datetime | None = None,
) -> Decision:
    """Report a release that is being completed or taken back, and wait."""
    place = position(case)
    canary = standing(
        case,
        index=max(place.index, 1),
        state=_not_waiting(place.state),
        finalising_step=step,
        rolling_back=rolling_back,
    )
    wanted = Report(
        phase=_phase(case),
        message=message,
        reason=reason,
        progressing=True,
        canary=canary,
        notices=notices(case.snapshot),
        about=words.about(case.release, case.attempt.change),
        released=released(case.snapshot, ended=False),
    )
    return report(case.snapshot.rollout, wanted, case.now, notes=notes, wake_at=wake_at)


def _not_waiting(state: StepState | None) -> StepState:
    """Return a state that nobody can approve, since nothing waits for it any more.

    A stale StepPaused is what upstream leaves behind (openkruise/rollouts#339).
    """
    return state if state is StepState.COMPLETED else StepState.UPGRADE


def standing(
    case: Case,
    *,
    index: int,
    state: StepState,
    finalising_step: str = "",
    rolling_back: bool = False,
    approved_by: str = "",
) -> CanaryStatus:
    """Return the release's part of the status at a place."""
    progress = case.progress
    release_id = case.deployment.metadata.labels.get(keys.ROLLOUT_ID, case.revision)
    approved: dict[str, Any] = {}
    if state is StepState.READY:
        approved["approved_by"] = approved_by or case.canary_status.approved_by
    return replace(
        CanaryStatus(),
        observed_workload_generation=case.deployment.metadata.generation,
        observed_rollout_id=f"{ROLLBACK_PREFIX}{release_id}" if rolling_back else release_id,
        rollout_hash=plans.plan_hash(case.snapshot.strategy),
        stable_revision=progress.stable_hash,
        canary_revision=case.revision,
        pod_template_hash=progress.new_hash,
        canary_replicas=progress.new,
        canary_ready_replicas=progress.new_ready,
        current_step_index=index,
        next_step_index=_next_index(index, len(case.plan)),
        current_step_state=state,
        finalising_step=finalising_step,
        **approved,
    )


def may_pause_at(case: Case) -> datetime | None:
    """Return the moment before which a step must not become StepPaused, if any."""
    labels = case.snapshot.rollout.metadata.labels
    since = case.canary_status.last_update_time
    if since is None or not any(key.startswith(keys.OAM_PREFIX) for key in labels):
        return None
    until = since + DWELL
    return until if until > case.now else None


def _next_index(index: int, total: int) -> int:
    return index + 1 if index < total else -1


def _phase(case: Case) -> Phase:
    rollout = case.snapshot.rollout
    if rollout.metadata.deleting:
        return Phase.TERMINATING
    return Phase.DISABLING if rollout.spec.disabled else Phase.PROGRESSING
