"""The work of one step: pods first, then traffic, then whatever the step waits for."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from tandem_controller import keys
from tandem_controller.api.record import Approval
from tandem_controller.api.rollout import StepState
from tandem_controller.decide import services, words
from tandem_controller.decide.case import Case
from tandem_controller.decide.history import records
from tandem_controller.decide.plan import PlannedStep
from tandem_controller.decide.position import (
    Position,
    enter,
    may_pause_at,
    progressing,
)
from tandem_controller.effect import Decision, Effect, Note
from tandem_controller.traffic.split import Split
from tandem_controller.workloads.batch import scaled

RESTLESS = timedelta(seconds=2)
"""How long a step may wait for pods un-paused: pods that are ready sooner cost one write less."""


def work(case: Case, place: Position) -> Decision | None:
    """Return what the entered step needs next; None when the whole plan has passed."""
    step = case.plan[place.index - 1]
    if step.finishing or place.state is StepState.COMPLETED:
        return None
    return (
        _prepare_services(case, step)
        or _raise_pods(case, step)
        or _route(case, step)
        or _pass(case, step, place)
        or _settle(case, step)
        or _wait(case, step)
    )


def _prepare_services(case: Case, step: PlannedStep) -> Decision | None:
    """Pin the stable Service while traffic is split, and un-pin it while it is not.

    A step of everything un-pins it too: old pods may all go, and a Service that selects
    only them would be left without endpoints. For the same reason it is not pinned while
    only new pods are ready.
    """
    if case.traffic is None:
        return None
    pinned = step.split is not None and not step.everything
    if pinned and case.progress.stable_ready == 0 < case.progress.new_ready:
        return None
    return _do(services.pin_stable(case) if pinned else services.unpin_stable(case))


def _raise_pods(case: Case, step: PlannedStep) -> Decision | None:
    """Bring up the step's pods; None once enough of them are ready."""
    progress = case.progress
    if _enough(case, step):
        return None
    if partial := _partial_split(case, step):
        return partial
    effects = case.provider.advance(
        case.snapshot,
        case.versions,
        progress,
        target=step.replicas,
        reserve=_reserve(case, step),
        keep=_keep(case, step),
    )
    if effects is not None:
        return Decision(effects=effects)
    rest_at = _rest_at(case)
    if rest_at <= case.now and (resting := _rest(case)):
        return resting
    message = words.waiting_for_pods(step, len(case.plan), progress.new, progress.new_ready)
    waits = [at for at in (progress.next_ready_at, rest_at) if at and at > case.now]
    return progressing(
        case, step.index, StepState.UPGRADE, message, wake_at=min(waits, default=None)
    )


def _rest_at(case: Case) -> datetime:
    """When waiting for pods is worth a write that brings the workload to rest."""
    return (case.canary_status.last_update_time or case.now) + RESTLESS


def _rest(case: Case) -> Decision | None:
    return _do(case.provider.freeze(case.snapshot, case.versions, case.progress))


def _enough(case: Case, step: PlannedStep) -> bool:
    """Whether the step's pods are ready, less those that `failureThreshold` lets fail."""
    progress = case.progress
    threshold = case.snapshot.strategy.failure_threshold
    may_fail = 0 if threshold is None else scaled(threshold, step.replicas, up=True)
    needed = max(min(1, step.replicas), step.replicas - may_fail)
    ready = progress.new == step.replicas and progress.new_ready >= needed
    return ready and progress.stable_ready >= min(1, _keep(case, step))


def _partial_split(case: Case, step: PlannedStep) -> Decision | None:
    """Shift traffic with the pods where the user's surge does not cover the step at once.

    Otherwise old pods would have to leave while they still serve their whole share.
    """
    progress = case.progress
    if case.traffic is None or step.split is None or not step.split.weight or step.everything:
        return None
    if not 0 < progress.new == progress.new_ready < step.replicas:
        return None
    weight = min(step.split.weight, math.ceil(100 * progress.new / progress.replicas))
    if weight <= case.traffic.weight(case.snapshot.traffic, case.backends):
        return None
    return _split(case, step, Split(weight=weight))


def _reserve(case: Case, step: PlannedStep) -> int:
    """Old pods that the present traffic needs, while it can still be moved away."""
    if case.traffic is None or step.split is None or not step.split.weight or step.everything:
        return 0
    weight = case.traffic.weight(case.snapshot.traffic, case.backends)
    if weight >= step.split.weight:
        return 0
    stable_percent = 100 - weight
    return math.ceil(case.progress.replicas * stable_percent / 100) - _may_miss(case)


def _keep(case: Case, step: PlannedStep) -> int:
    """Stable pods that stay although the step wants all pods new: its traffic needs them.

    Percentages of few pods are rounded up, so 50 % of one pod is all of it. As many stay
    as the user's surge has room for, and one always: a share of traffic without a pod to
    answer it is an outage.
    """
    if case.traffic is None or step.split is None or step.replicas < case.progress.replicas:
        return 0
    rolling = (case.versions.originals.get("strategy") or {}).get("rollingUpdate") or {}
    surge = scaled(rolling.get("maxSurge", "25%"), case.progress.replicas, up=True)
    needed = math.ceil(case.progress.replicas * step.split.stable_percent / 100)
    return min(needed, max(1, surge))


def _may_miss(case: Case) -> int:
    """Pods that may be missing at the first move: without a surge one has to leave first."""
    rolling = (case.versions.originals.get("strategy") or {}).get("rollingUpdate") or {}
    if scaled(rolling.get("maxSurge", "25%"), case.progress.replicas, up=True):
        return 0
    allowed = scaled(rolling.get("maxUnavailable", "25%"), case.progress.replicas, up=False)
    return max(1, allowed)


def _route(case: Case, step: PlannedStep) -> Decision | None:
    """Bring about the step's split; None when it is in force."""
    if case.traffic is None or step.everything:
        return None
    if step.split is None:
        traffic = case.snapshot.traffic
        return _do(case.traffic.restore(traffic, case.backends, case.original_route))
    return _split(case, step, step.split)


def _split(case: Case, step: PlannedStep, split: Split) -> Decision | None:
    """Route to the canary Service once it exists and has a ready endpoint."""
    if case.traffic is None:
        return None
    if created := services.canary_service(case):
        return Decision(effects=created)
    traffic = case.snapshot.traffic
    if traffic.canary_service is None or traffic.canary_endpoints == 0:
        message = words.waiting_for_endpoints(step, len(case.plan), case.backends.canary)
        return progressing(case, step.index, StepState.UPGRADE, message)
    return _do(case.traffic.route(traffic, case.backends, split, case.original_route))


def _pass(case: Case, step: PlannedStep, place: Position) -> Decision | None:
    """Enter the next step if this one's wait is over; None while it is not."""
    approved = place.state is StepState.READY
    seconds = step.pause_seconds
    paused = place.state is StepState.PAUSED and seconds is not None
    over = paused and _pause_end(case, seconds or 0) <= case.now
    if not (approved or over or step.pause_seconds == 0):
        return None
    if approved and not any(a.step == step.index for a in case.attempt.approvals):
        return _note_approval(case, step)
    if step.index < len(case.plan):
        return enter(case, step.index + 1)
    return progressing(case, step.index, StepState.COMPLETED, words.FINISHING)


def _note_approval(case: Case, step: PlannedStep) -> Decision:
    by = case.canary_status.approved_by
    approval = Approval(step=step.index, by=by, at=case.now)
    message = f"step {step.index}/{len(case.plan)} approved by {by or 'someone unknown'}"
    return Decision(
        effects=(records.amend(case.release, approval=approval),),
        notes=(Note(reason="StepApproved", message=message),),
    )


def _settle(case: Case, step: PlannedStep) -> Decision | None:
    """Let old pods go that the step no longer needs, and come to rest."""
    effects = case.provider.advance(
        case.snapshot,
        case.versions,
        case.progress,
        target=step.replicas,
        reserve=0,
        keep=_keep(case, step),
    )
    if effects is not None:
        return Decision(effects=effects)
    return _rest(case) or (None if case.progress.resting else Decision())


def _wait(case: Case, step: PlannedStep) -> Decision:
    """Report StepPaused, until someone approves or the pause is over."""
    if dwell := may_pause_at(case):
        return Decision(wake_at=dwell)
    total = len(case.plan)
    if step.pause_seconds is None:
        meta = case.snapshot.rollout.metadata
        application = meta.labels.get(keys.OAM_NAME, "")
        until, message = None, words.needs_approval(step, total, meta.name, application)
    else:
        until = _pause_end(case, step.pause_seconds)
        message = words.pausing(step, total, until)
    return progressing(
        case,
        step.index,
        StepState.PAUSED,
        message,
        notes=(Note(reason="StepPaused", message=message),),
        wake_at=until,
    )


def _pause_end(case: Case, seconds: int) -> datetime:
    """Return when the pause ends: counted from the status that began it, or from now."""
    paused = case.canary_status.current_step_state == StepState.PAUSED
    since = case.canary_status.last_update_time if paused else None
    return (since or case.now) + timedelta(seconds=seconds)


def _do(effects: tuple[Effect, ...]) -> Decision | None:
    return Decision(effects=effects) if effects else None
