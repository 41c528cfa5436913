"""What people ask for by an annotation on the Rollout: accept, retry, go back.

kubectl alone can set one. It is taken away when it has had its effect, so that a crash in
between repeats it and never loses it. A wish that cannot be met is refused in an Event.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from tandem_controller import keys
from tandem_controller.api.fingerprint import template_fingerprint
from tandem_controller.api.policy import HoldRelease
from tandem_controller.api.record import Change, HoldEnd, ReleaseRecord
from tandem_controller.decide import rollback_check, words
from tandem_controller.decide.case import Case
from tandem_controller.decide.classify import compose, parts
from tandem_controller.decide.history import records, verdicts
from tandem_controller.decide.hold.enforce import reject
from tandem_controller.decide.hold.withheld import (
    accepted,
    after_rollback,
    held,
    rejected,
)
from tandem_controller.decide.rest import patch_rollout
from tandem_controller.effect import Decision, Effect, Note
from tandem_controller.snapshot import Snapshot, WorkloadSnapshot
from tandem_controller.workloads import deployment as native
from tandem_controller.workloads.deployment import live_fingerprint

Known = tuple[ReleaseRecord, ...]
Template = Mapping[str, Any]


def at_rest(
    snapshot: Snapshot, workload: WorkloadSnapshot, stable: ReleaseRecord, now: datetime
) -> Decision | None:
    """Meet a wish while no release is in progress."""
    wishes = snapshot.rollout.metadata.annotations
    if keys.RETRY in wishes:
        return _retry(snapshot, workload, stable, now)
    if live_fingerprint(workload) != stable.spec.fingerprint:
        return None
    if keys.ROLLBACK in wishes:
        return _go_back(snapshot, workload, stable, now)
    return accept(snapshot, workload, stable, stable, now) or _release_accepted(snapshot, workload)


def in_progress(case: Case) -> Decision | None:
    """Meet a wish in mid-release."""
    wishes = case.snapshot.rollout.metadata.annotations
    if keys.RETRY in wishes and not _on_its_way_out(case):
        return _clear(case.snapshot, case.now, stated=False)
    if keys.ROLLBACK in wishes:
        if case.attempt.rejection is None:
            return reject(case, words.ASKED_FOR)
        return _drop(case.snapshot, keys.ROLLBACK)
    if case.attempt.rejection is not None or case.live != case.versions.release:
        return None
    wish = accept(case.snapshot, case.workload, case.stable, case.release, case.now)
    pending = accepted(records.of_workload(case.snapshot))
    if wish or pending is None:
        return wish
    return Decision(
        effects=case.provider.state(case.snapshot, case.versions, pending.spec.template)
    )


def _on_its_way_out(case: Case) -> bool:
    """Whether the version to be retried is no longer stated: it is stated again at rest."""
    gone = case.attempt.rejection is not None and case.live != case.versions.release
    target = _retried(case.snapshot) if gone else None
    return target is not None and target.metadata.name == case.release.metadata.name


def accept(
    snapshot: Snapshot,
    workload: WorkloadSnapshot,
    stable: ReleaseRecord,
    in_force: ReleaseRecord,
    now: datetime,
) -> Decision | None:
    """End the hold so that its change is released on top of the version in force.

    Asked for by annotation at any time, or by the policy while nothing else is in progress.
    """
    known = records.of_workload(snapshot)
    holding = held(known, stable, snapshot.policy_spec.containers)
    wish = snapshot.rollout.metadata.annotations.get(keys.ACCEPT)
    if wish is None and not (in_force is stable and _released_by_policy(snapshot, holding)):
        return None
    if holding is None or wish not in (None, "", holding.metadata.name):
        if accepted(known):
            return _drop(snapshot, keys.ACCEPT)
        return _refuse(snapshot, keys.ACCEPT, f"no platform change {wish or ''} is held".strip())
    return _accept(snapshot, workload, holding, in_force, now)


def _released_by_policy(snapshot: Snapshot, holding: ReleaseRecord | None) -> bool:
    """What a rollback took back is never released by policy alone (DESIGN §7)."""
    auto = snapshot.policy_spec.hold.release is HoldRelease.AUTO
    return auto and holding is not None and not after_rollback(holding)


def _accept(
    snapshot: Snapshot,
    workload: WorkloadSnapshot,
    holding: ReleaseRecord,
    in_force: ReleaseRecord,
    now: datetime,
) -> Decision:
    """Note which template is to be released: the held one, on the business part in force."""
    known = records.of_workload(snapshot)
    containers = snapshot.policy_spec.containers
    template = holding.spec.template
    running = parts(in_force.spec.template, containers)
    if parts(template, containers).business != running.business:
        template = compose(in_force.spec.template, template, containers)
    if parts(template, containers) == running:
        return _void(snapshot, holding, now)
    target = records.by_fingerprint(known, template_fingerprint(template))
    if target is None:
        return Decision(effects=(records.create(snapshot, workload.deployment, template),))
    effects: list[Effect] = [verdicts.end_hold(target, HoldEnd.ACCEPTED, now)]
    if target is not holding:
        effects.append(verdicts.end_hold(holding, HoldEnd.REPLACED, now))
    if keys.ACCEPT in snapshot.rollout.metadata.annotations:
        effects.append(patch_rollout(snapshot.rollout, {keys.ACCEPT: None}))
    message = f"accepted: {words.difference(target, in_force)}"
    note = Note(reason="PlatformChangeAccepted", message=message)
    return Decision(effects=tuple(effects), notes=(note,))


def _void(snapshot: Snapshot, holding: ReleaseRecord, now: datetime) -> Decision:
    """By the containers that the policy names now, nothing of what is held is the platform's."""
    refused = _refuse(snapshot, keys.ACCEPT, "what is held changes no platform container any more")
    ended = verdicts.end_hold(holding, HoldEnd.WITHDRAWN, now)
    wished = keys.ACCEPT in snapshot.rollout.metadata.annotations
    return Decision(effects=(ended, *(refused.effects if wished else ())), notes=refused.notes)


def _release_accepted(snapshot: Snapshot, workload: WorkloadSnapshot) -> Decision | None:
    pending = accepted(records.of_workload(snapshot))
    return _state(snapshot, workload, pending.spec.template) if pending else None


def _state(snapshot: Snapshot, workload: WorkloadSnapshot, template: Template) -> Decision:
    """State a template, paused; it is then released step by step like any other."""
    spec = {"template": dict(template), "paused": True}
    mark = snapshot.rollout.metadata.name
    return Decision(effects=native.patch(workload.deployment, spec, in_progressing=mark))


def _retry(
    snapshot: Snapshot, workload: WorkloadSnapshot, stable: ReleaseRecord, now: datetime
) -> Decision:
    """State the rejected version again, then let it pass.

    A business change is retried on the platform part that is in force by now.
    """
    target = _retried(snapshot)
    if target is None:
        return _clear(snapshot, now, stated=False)
    template: Template = target.spec.template
    if target.status.attempts[-1].change is Change.BUSINESS:
        template = compose(template, stable.spec.template, snapshot.policy_spec.containers)
    live, stated = live_fingerprint(workload), template_fingerprint(template)
    if live == stated:
        return _clear(snapshot, now, stated=stated == target.spec.fingerprint)
    return _state(snapshot, workload, template)


def _clear(snapshot: Snapshot, now: datetime, *, stated: bool) -> Decision:
    """Clear the verdict; a version that is stated at rest is released now, its parts together."""
    target = _retried(snapshot)
    if target is None:
        named = snapshot.rollout.metadata.annotations[keys.RETRY]
        return _refuse(snapshot, keys.RETRY, f"no version {named} is rejected".replace("  ", " "))
    cleared = verdicts.clear(target, f"annotation {keys.RETRY}", now, accepted=stated)
    note = Note(reason="RejectionCleared", message=f"{target.metadata.name} may be released again")
    dropped = patch_rollout(snapshot.rollout, {keys.RETRY: None})
    return Decision(effects=(cleared, dropped), notes=(note,))


def _retried(snapshot: Snapshot) -> ReleaseRecord | None:
    wish = snapshot.rollout.metadata.annotations[keys.RETRY]
    found: Iterable[ReleaseRecord] = rejected(records.of_workload(snapshot))
    return next((r for r in found if wish in ("", r.metadata.name)), None)


def _go_back(
    snapshot: Snapshot, workload: WorkloadSnapshot, stable: ReleaseRecord, now: datetime
) -> Decision:
    """Somebody asked for an earlier release: reject the present one and state the other.

    Rejected, because the manifest goes on stating it; and accepted, because a platform part
    that goes back with it is asked for. The finalizer of the release drops the wish.
    """
    known = records.of_workload(snapshot)
    wish = snapshot.rollout.metadata.annotations[keys.ROLLBACK]
    target = _target(wish, known, stable)
    if target is None:
        named = repr(wish) if wish else "before the stable one"
        message = f"no ReleaseRecord {named} to return to; see tandem get"
        return _refuse(snapshot, keys.ROLLBACK, message)
    if due := rollback_check.before_stating(snapshot, target, stable, now):
        return due
    pending = accepted(known)
    if pending is not None and pending.metadata.name == target.metadata.name:
        return _state(snapshot, workload, target.spec.template)
    return Decision(
        effects=(
            verdicts.reject(stable, words.ASKED_FOR, now),
            verdicts.end_hold(target, HoldEnd.ACCEPTED, now),
        )
    )


def _target(wish: str, known: Known, stable: ReleaseRecord) -> ReleaseRecord | None:
    others = [r for r in known if r.metadata.name != stable.metadata.name]
    if wish:
        return next((r for r in others if r.metadata.name == wish), None)
    return records.stable(others)


def _refuse(snapshot: Snapshot, wish: str, message: str) -> Decision:
    verb = wish.rpartition("/")[2]
    note = Note(reason=f"{verb.capitalize()}Refused", message=f"{verb}: {message}", warning=True)
    return Decision(effects=_drop(snapshot, wish).effects, notes=(note,))


def _drop(snapshot: Snapshot, wish: str) -> Decision:
    return Decision(effects=(patch_rollout(snapshot.rollout, {wish: None}),))
