"""Carrying out a ruling: note what is held, and give the workload the template in force.

Admission does the same for whatever is noted here already, so an owner that re-applies its
manifest is met without a write. What arrives while no webhook answers is paused by policy,
and put back at most once in `CALM`: in between the workload states it, paused, which moves
nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from tandem_controller.api.fingerprint import template_fingerprint
from tandem_controller.api.record import HoldCause, HoldEnd, ReleaseRecord
from tandem_controller.decide import rest, words
from tandem_controller.decide.case import Case
from tandem_controller.decide.history import records, verdicts
from tandem_controller.decide.hold.intake import Ruling, Stated, Template, rule
from tandem_controller.decide.hold.withheld import held, on_the_wire, release_id
from tandem_controller.effect import Decision, Effect, Note
from tandem_controller.snapshot import Snapshot, WorkloadSnapshot
from tandem_controller.workloads import deployment as native
from tandem_controller.workloads.deployment import live_fingerprint

CALM = timedelta(seconds=30)
"""How long a withheld template may stand, paused, before it is put back again."""


def stated_at_rest(snapshot: Snapshot, workload: WorkloadSnapshot, stable: ReleaseRecord) -> Stated:
    """Return what the workload states while no release is in progress."""
    return _stated(snapshot, workload, stable, None)


def stated_in_progress(case: Case) -> Stated:
    """Return what the workload states in a release; one that is taken back is none."""
    release = None if case.attempt.rejection else case.release
    return _stated(case.snapshot, case.workload, case.stable, release)


def _stated(
    snapshot: Snapshot,
    workload: WorkloadSnapshot,
    stable: ReleaseRecord,
    release: ReleaseRecord | None,
) -> Stated:
    return Stated(
        template=workload.deployment.spec.template,
        metadata=on_the_wire(workload.deployment.metadata),
        policy=snapshot.policy_spec,
        stable=stable,
        release=release,
        known=records.of_workload(snapshot),
    )


def at_rest(
    snapshot: Snapshot, workload: WorkloadSnapshot, stable: ReleaseRecord, now: datetime
) -> Decision | None:
    """Withhold what the workload states, if it is to be; None where it may be released."""
    stated = stated_at_rest(snapshot, workload, stable)
    ruling = rule(stated)
    if _same(ruling.template, stated.template):
        return None
    if noted := _note_hold(snapshot, workload, stated, ruling, now):
        return noted
    name = snapshot.rollout.metadata.name
    if _same(ruling.template, stable.spec.template):
        spec = {"template": dict(ruling.template), "paused": False}
        back = native.patch(workload.deployment, spec, in_progressing=None)
    else:
        spec = {"template": dict(ruling.template), "paused": True}
        back = native.patch(workload.deployment, spec, in_progressing=name)
    decision = _put_back(stated, ruling, back, now)
    # It stands paused until then: a Rollout that is deleted meanwhile must not leave it so
    # (`given_back`).
    return decision if decision.effects else rest.hold(snapshot) or decision


def given_back(snapshot: Snapshot, workload: WorkloadSnapshot) -> Decision | None:
    """Take a withheld template away that stands paused while the Rollout is deleted.

    Un-paused it would roll out a version that was rejected, or that nobody accepted.
    """
    stable = records.stable(records.of_workload(snapshot))
    if stable is None:
        return None
    stated = stated_at_rest(snapshot, workload, stable)
    if stated.withheld.match(stated.parts, release_id(stated.metadata)) is None:
        return None
    spec = {"template": dict(stable.spec.template), "paused": False}
    effects = native.patch(workload.deployment, spec, in_progressing=None)
    return Decision(effects=effects) if effects else None


def in_progress(case: Case) -> Decision | None:
    """Withhold what the workload states in mid-release; None where it may be released.

    A ruling for the stable version rejects the release, which is then taken back.
    """
    stated = stated_in_progress(case)
    ruling = rule(stated)
    if _same(ruling.template, stated.template):
        return None
    if noted := _note_hold(case.snapshot, case.workload, stated, ruling, case.now):
        return noted
    if _same(ruling.template, case.stable.spec.template):
        return None if case.attempt.rejection else reject(case, words.BUSINESS_BACK)
    back = case.provider.state(case.snapshot, case.versions, ruling.template)
    return _put_back(stated, ruling, back, case.now)


def is_released(case: Case) -> bool:
    """Whether the stated template is a release of its own, beside one that is taken back."""
    stated = stated_in_progress(case)
    return _same(rule(stated).template, stated.template)


def takes_back(case: Case) -> bool:
    """Whether the stated template takes the release's business part back."""
    stated = stated_in_progress(case)
    return stated.same_business(case.stable) and not stated.same_business(case.release)


def reject(case: Case, cause: str) -> Decision:
    """Write the verdict that takes the release back; what withholds it works from then on."""
    return Decision(effects=(verdicts.reject(case.release, cause, case.now),))


def _same(one: Template, other: Template) -> bool:
    return template_fingerprint(one) == template_fingerprint(other)


def _note_hold(
    snapshot: Snapshot,
    workload: WorkloadSnapshot,
    stated: Stated,
    ruling: Ruling,
    now: datetime,
) -> Decision | None:
    """Write down that the stated platform change is held, instead of an older one."""
    if ruling.hold is None:
        return None
    record = records.by_fingerprint(stated.known, live_fingerprint(workload))
    if record is None:
        template = workload.deployment.spec.template
        return Decision(effects=(records.create(snapshot, workload.deployment, template),))
    holding = held(stated.known, stated.stable, stated.policy.containers)
    if holding is not None and holding.metadata.name == record.metadata.name:
        return None
    message = words.difference(record, stated.stable)
    older = (verdicts.end_hold(holding, HoldEnd.REPLACED, now),) if holding is not None else ()
    cause = ruling.hold
    note = Note(
        reason="PlatformChangeHeld",
        message=words.held(
            record,
            stated.stable,
            snapshot.rollout.metadata.name,
            after_rollback=cause is HoldCause.ROLLBACK,
        ),
        warning=True,
    )
    # The older hold first: after a crash in between there must not be two of them.
    return Decision(effects=(*older, verdicts.hold(record, cause, message, now)), notes=(note,))


def _put_back(stated: Stated, ruling: Ruling, back: tuple[Effect, ...], now: datetime) -> Decision:
    """State the template in force again, at most once in `CALM`, and note when."""
    record = ruling.refused or held(stated.known, stated.stable, stated.policy.containers)
    if record is None:
        return Decision(effects=back)
    last = verdicts.restored_at(record)
    if last is not None and last + CALM > now:
        return Decision(wake_at=last + CALM)
    message = words.given_back(record, stated.in_force)
    note = Note(reason="Withheld", message=message, warning=ruling.refused is not None)
    return Decision(effects=(*back, verdicts.restored(record, now)), notes=(note,))
