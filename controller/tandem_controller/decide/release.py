"""`decide`: from a snapshot to the next thing that is due.

A decision is small: it holds the effects of one rule, and the act layer asks again after
they were carried out. So each rule reads the world as it is and none remembers anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from tandem_controller import keys
from tandem_controller.api.record import Originals, Outcome, ReleaseRecord
from tandem_controller.api.rollout import Phase, StepState
from tandem_controller.decide import (
    adoption,
    deletion,
    integrity,
    opening,
    rest,
    services,
    words,
)
from tandem_controller.decide.approval import annotation, release_approval
from tandem_controller.decide.blocking import blocked
from tandem_controller.decide.case import Case
from tandem_controller.decide.config import withhold
from tandem_controller.decide.ending import complete, park, roll_back
from tandem_controller.decide.history import records
from tandem_controller.decide.hold import enforce, manifest, wishes
from tandem_controller.decide.hold.withheld import accepted, rejected, rejection_of
from tandem_controller.decide.left import left
from tandem_controller.decide.position import move, position, progressing
from tandem_controller.decide.rest import disabled, healthy, not_found
from tandem_controller.decide.status import PAUSED_REASON, told_paused
from tandem_controller.decide.step import work
from tandem_controller.decide.validity import references
from tandem_controller.effect import Decision, Effect, Note
from tandem_controller.snapshot import Snapshot, WorkloadSnapshot
from tandem_controller.workloads import table as workload_table
from tandem_controller.workloads.deployment import live_fingerprint
from tandem_controller.workloads.provider import WorkloadProvider


def decide(snapshot: Snapshot, now: datetime) -> Decision:
    """Return what is due for one Rollout.

    Pure: the same snapshot and time give the same decision.
    """
    decision = _decide(snapshot, now)
    return replace(decision, wake_at=release_approval.wake_at(snapshot, decision))


def _decide(snapshot: Snapshot, now: datetime) -> Decision:
    workload = snapshot.workload
    if workload is None or workload.deployment.metadata.deleting:
        return not_found(snapshot, now)
    if told := integrity.damaged(snapshot, workload):
        return told
    provider = workload_table.provider_for(snapshot.rollout.spec.workload_ref, snapshot.strategy)
    known = records.of_workload(snapshot)
    now = records.later_than_recorded(known, snapshot.rollout.status, now)
    release = records.in_progress(known)
    stable = integrity.stable_of(known, release)
    if provider and release and integrity.lost(release, stable):
        return integrity.rebuild(snapshot, workload, provider, release, now)
    if provider is None or stable is None or release is None:
        return _without_release(snapshot, workload, provider, now)
    for old in records.stale(known, release):
        return Decision(effects=(records.close(old, Outcome.SUPERSEDED, now),))
    case = Case(snapshot=snapshot, now=now, provider=provider, stable=stable, release=release)
    return _release(case)


def _without_release(
    snapshot: Snapshot,
    workload: WorkloadSnapshot,
    provider: WorkloadProvider | None,
    now: datetime,
) -> Decision:
    """Decide while no release is in progress."""
    rollout = snapshot.rollout
    if rollout.metadata.deleting:
        return left(snapshot)
    if problem := references.problem(snapshot, provider):
        return blocked(snapshot, problem, now)
    if rollout.spec.disabled:
        return disabled(snapshot, now)
    return _at_rest(snapshot, workload, provider, now) if provider else Decision()


def _at_rest(
    snapshot: Snapshot, workload: WorkloadSnapshot, provider: WorkloadProvider, now: datetime
) -> Decision:
    """Adopt, stay healthy, withhold what is stated or begin a release."""
    known = records.of_workload(snapshot)
    stable = records.stable(known)
    if stable is None:
        return adoption.adopt(snapshot, workload, now)
    if asked := (
        release_approval.at_rest(snapshot, known, now)
        or annotation.at_rest(snapshot)
        or wishes.at_rest(snapshot, workload, stable, now)
    ):
        return asked
    if live_fingerprint(workload) == stable.spec.fingerprint:
        withdrawn = manifest.withdrawn(snapshot, workload, stable, now)
        return withdrawn or healthy(snapshot, known, now)
    if adoption.escaped(workload):
        return adoption.accept(snapshot, workload, now)
    if adoption.let_through(workload):
        return Decision()
    return enforce.at_rest(snapshot, workload, stable, now) or _start(
        snapshot, workload, provider, stable, now
    )


def _start(
    snapshot: Snapshot,
    workload: WorkloadSnapshot,
    provider: WorkloadProvider,
    stable: ReleaseRecord,
    now: datetime,
) -> Decision:
    """Begin a release: finalizer, record, attempt, in this order."""
    originals = Originals(
        workload=provider.original(snapshot),
        services=services.selectors(snapshot),
        routes=services.routes(snapshot),
    )
    originals = integrity.originals_of(snapshot, workload, stable, originals)
    lost = integrity.release_lost(snapshot, workload)
    pending = accepted(records.of_workload(snapshot))
    met = pending is not None and pending.spec.fingerprint == live_fingerprint(workload)
    return rest.hold_on(snapshot, met=met) or opening.begin(
        snapshot, workload, stable, originals, now, parked=lost
    )


Rule = Callable[[Case], Decision | None]


def _release(case: Case) -> Decision:
    """Ask the rules in order; the first that has something due wins."""
    for rule in (
        release_approval.settle,
        _held,
        wishes.in_progress,
        _judged,
        _ended,
        _parked,
        _turned,
        _rolled_back,
        _mixed,
        _zero,
        _blocked,
        _moved,
        annotation.give,
        _paused,
        _resumed,
        release_approval.give,
    ):
        if decision := rule(case):
            return decision
    return work(case, position(case)) or complete(case)


def _held(case: Case) -> Decision | None:
    """A Rollout created anew finds the release of its predecessor: take hold of it."""
    if case.snapshot.rollout.metadata.deleting:
        return None
    return deletion.take_up(case)


def _judged(case: Case) -> Decision | None:
    """A third template is withheld, or becomes a release of its own from the stable version.

    One that comes while the Rollout is deleted or disabled is let pass: nothing is judged then.
    """
    if case.live == case.versions.release:
        return None
    rollout = case.snapshot.rollout
    judged = not (rollout.metadata.deleting or rollout.spec.disabled)
    if case.live == case.versions.stable:
        return enforce.in_progress(case) if judged and _stated_in_vain(case) else None
    if judged:
        if withheld := enforce.in_progress(case):
            return withheld
        if case.attempt.rejection and not enforce.is_released(case):
            return None
        if case.attempt.rejection is None and enforce.takes_back(case):
            return enforce.reject(case, words.BUSINESS_BACK)
    started = case.progress.new > 0 or case.progress.other > 0
    return opening.begin(
        case.snapshot, case.workload, case.stable, case.originals, case.now, parked=started
    )


def _stated_in_vain(case: Case) -> bool:
    """Whether the owner states the stable version, which is rejected: people asked to leave it.

    A stable template without admission's mark may have been stated by parking.
    """
    by_owner = keys.IN_PROGRESSING in case.deployment.metadata.annotations
    returning = case.attempt.rejection is None
    return returning and by_owner and rejection_of(case.stable) is not None


def _parked(case: Case) -> Decision | None:
    """Parked on Tandem's behalf, unless the stable template carries admission's mark.

    A user stated it then, and wants a rollback; Tandem takes the mark away when it parks.
    """
    if not case.attempt.parked_at:
        return None
    marked = keys.IN_PROGRESSING in case.deployment.metadata.annotations
    if marked and case.live == case.versions.stable:
        return Decision(effects=(records.amend(case.release, parked_at=None),))
    return park(case)


def _rolled_back(case: Case) -> Decision | None:
    """The stable template is back, or the release was rejected: bring the stable version back."""
    if case.attempt.rejection is not None:
        return roll_back(case)
    if case.live == case.versions.stable:
        return enforce.reject(case, words.STATED_AGAIN)
    return None


def _turned(case: Case) -> Decision | None:
    """The end of the release was called off: it starts over.

    Its rejection was cleared while its template is stated, or the Rollout is enabled again
    while a disabled release rolls out. What was approved before is not approved now.
    """
    verdict = case.attempt.rejection
    called_off = verdict is not None and verdict.cleared_at is not None
    let_loose = verdict is None and case.status.phase == Phase.DISABLING
    if case.live != case.versions.release or not (called_off or let_loose):
        return None
    if let_loose and position(case).index == 0:
        return None
    known = records.of_workload(case.snapshot)
    template = case.release.spec.template
    if due := withhold.given_back(case.snapshot, template, known, rejected(known)):
        return due
    parked = case.progress.new > 0 or case.progress.other > 0
    return Decision(effects=(records.restart(case.release, case.now, parked=parked),))


def _ended(case: Case) -> Decision | None:
    """The Rollout is being deleted or is disabled in mid-release.

    What the workload states, stable or new, is what it is to run then; but a stable
    template that only parking stated is not the user's.
    """
    rollout = case.snapshot.rollout
    if case.attempt.rejection is not None:
        return None
    if case.live == case.versions.stable and not case.attempt.parked_at:
        return None
    if rollout.metadata.deleting:
        return deletion.on_deletion(case)
    return deletion.finish(case) if rollout.spec.disabled else None


def _mixed(case: Case) -> Decision | None:
    """Pods run that belong to neither version's place: what rolled while nothing held it."""
    if case.progress.other == 0:
        return None
    return Decision(effects=(records.amend(case.release, parked_at=case.now),))


def _zero(case: Case) -> Decision | None:
    """At zero replicas no split can be kept."""
    if case.progress.replicas > 0:
        return None
    if position(case).index == 0:
        return complete(case)
    return Decision(effects=(records.amend(case.release, parked_at=case.now),))


def _blocked(case: Case) -> Decision | None:
    problem = references.problem(case.snapshot, case.provider)
    if problem is None:
        return None
    return _frozen(case) or blocked(case.snapshot, problem, case.now)


def _moved(case: Case) -> Decision | None:
    return move(case, position(case))


def _paused(case: Case) -> Decision | None:
    """The whole release is paused: nothing moves; an approval that was given is kept."""
    place = position(case)
    if not case.snapshot.rollout.spec.strategy.paused or place.state is StepState.COMPLETED:
        return None
    state = StepState.READY if place.state is StepState.READY else StepState.UPGRADE
    note = Note(reason="Paused", message=words.PAUSED)
    return _frozen(case) or progressing(
        case, place.index, state, words.PAUSED, reason=PAUSED_REASON, notes=(note,)
    )


def _resumed(case: Case) -> Decision | None:
    """The pause is over: say so before anything moves.

    The place counts as entered anew, so that whoever resumed does not meet a StepPaused at
    once: KubeVela's resume looks again and would approve it.
    """
    if not told_paused(case.status):
        return None
    place = position(case)
    kept = (StepState.READY, StepState.COMPLETED)
    state = place.state if place.state in kept else StepState.UPGRADE
    note = Note(reason="Resumed", message=words.RESUMED)
    return progressing(case, place.index, state, words.RESUMED, notes=(note,))


def _frozen(case: Case) -> Decision | None:
    effects: tuple[Effect, ...] = case.provider.freeze(case.snapshot, case.versions, case.progress)
    return Decision(effects=effects) if effects else None
