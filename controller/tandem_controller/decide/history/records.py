"""Release records: naming, writing, finding the stable one and the one in progress."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from tandem_controller import keys
from tandem_controller.api import policy as policy_api
from tandem_controller.api.fingerprint import digest, template_fingerprint
from tandem_controller.api.record import (
    Approval,
    Attempt,
    Circumstances,
    HoldEnd,
    Originals,
    Outcome,
    ReleaseRecord,
    ReleaseRecordStatus,
)
from tandem_controller.api.rollout import RolloutStatus
from tandem_controller.api.workload import Deployment
from tandem_controller.decide.history.content import spec_of
from tandem_controller.effect import Create, Effect, Kind, ReplaceStatus, delete_of
from tandem_controller.ownership import owner_reference
from tandem_controller.snapshot import Snapshot

NAME_HASH_LENGTH = 10
_TICK = timedelta(microseconds=1)
_NO_CIRCUMSTANCES, _NO_ORIGINALS = Circumstances(), Originals()


def revision(uid: str, fingerprint: str) -> str:
    """Return the short name of a template on a workload; stable across crashes and versions."""
    return digest([uid, fingerprint])[:NAME_HASH_LENGTH]


def of_workload(snapshot: Snapshot) -> tuple[ReleaseRecord, ...]:
    """Return the sound records of the workload that exists now; a re-created one starts anew."""
    found = tuple(r for r in snapshot.records if fault(r) is None)
    if snapshot.workload is None:
        return found
    uid = snapshot.workload.deployment.metadata.uid
    return tuple(r for r in found if r.spec.workload.uid == uid)


def fault(record: ReleaseRecord) -> str | None:
    """Say why a record cannot be trusted: it does not hold the template that it is named after.

    `spec` cannot be changed through the API. Whoever restores a record by hand, or edits it
    in a backup or in etcd, may still bring about one that says something else.
    """
    spec = record.spec
    found = template_fingerprint(spec.template)
    if found != spec.fingerprint:
        return f"spec.fingerprint is {spec.fingerprint}, but that of spec.template is {found}"
    short = revision(spec.workload.uid, found)
    if record.metadata.name.rpartition("-")[2] != short:
        return f"its name does not end in {short}, which is what spec.template stands for"
    return None


def stable(records: Iterable[ReleaseRecord]) -> ReleaseRecord | None:
    """Return the record that became stable last."""
    known = [r for r in records if r.stable_since is not None]
    return max(known, key=_stable_since, default=None)


def in_progress(records: Iterable[ReleaseRecord]) -> ReleaseRecord | None:
    """Return the record of the newest open attempt."""
    return max((r for r in records if r.open_attempt), key=_started_at, default=None)


def stale(records: Iterable[ReleaseRecord], current: ReleaseRecord) -> tuple[ReleaseRecord, ...]:
    """Return records whose open attempt a newer one has replaced."""
    return tuple(r for r in records if r.open_attempt and r.metadata.name != current.metadata.name)


def later_than_recorded(
    records: Iterable[ReleaseRecord], status: RolloutStatus, now: datetime
) -> datetime:
    """Return the present, but never a moment at or before one that was written down.

    Which record is stable, which attempt is the newest and whether a status belongs to it
    follow from their times. So they must be in order even if two fall together or the
    clock of a new leader is behind.
    """
    written = status.canary_status.last_update_time if status.canary_status else None
    times = [at for record in records for at in _moments(record) if at is not None]
    latest = max((*times, *([written] if written else ())), default=None)
    return max(now, latest + _TICK) if latest else now


def _moments(record: ReleaseRecord) -> Iterator[datetime | None]:
    """Yield every moment by which records are put in order."""
    for attempt in record.status.attempts:
        yield from (attempt.started_at, attempt.parked_at, attempt.completed_at)
        if attempt.rejection is not None:
            yield from (attempt.rejection.at, attempt.rejection.cleared_at)
    if record.status.hold is not None:
        yield from (record.status.hold.since, record.status.hold.ended_at)


def by_fingerprint(records: Iterable[ReleaseRecord], fingerprint: str) -> ReleaseRecord | None:
    """Return the record of a template."""
    return next((r for r in records if r.spec.fingerprint == fingerprint), None)


def _stable_since(record: ReleaseRecord) -> tuple[str, str]:
    since = record.stable_since
    return (since.isoformat() if since else "", record.metadata.name)


def _started_at(record: ReleaseRecord) -> tuple[str, str]:
    attempt = record.open_attempt
    return (attempt.started_at.isoformat() if attempt else "", record.metadata.name)


def create(snapshot: Snapshot, deployment: Deployment, template: Mapping[str, Any]) -> Create:
    """Return the effect that writes a record's intent, before anything changes.

    Policy and Rollout own it, so that the history outlives each of them alone, and a Rollout
    that is deleted together with its policy has its records until its release has ended.
    """
    rollout = snapshot.rollout
    spec = spec_of(snapshot, deployment, template)
    short = revision(deployment.metadata.uid, spec["fingerprint"])
    return Create(
        kind=Kind.RELEASE_RECORD,
        body={
            "apiVersion": policy_api.API_VERSION,
            "kind": "ReleaseRecord",
            "metadata": {
                "name": f"{rollout.metadata.name}-{short}",
                "namespace": rollout.metadata.namespace,
                "labels": {keys.RECORD_ROLLOUT: rollout.metadata.name},
                "ownerReferences": owners(snapshot),
            },
            "spec": spec,
        },
    )


def owners(snapshot: Snapshot) -> list[dict[str, Any]]:
    """Return the owner references of a record; only one of them may be the controller."""
    rollout = owner_reference(snapshot.rollout)
    if snapshot.policy is None:
        return [rollout]
    meta = snapshot.policy.metadata
    policy = {
        "apiVersion": policy_api.API_VERSION,
        "kind": "ReleasePolicy",
        "name": meta.name,
        "uid": meta.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
    return [policy, {**rollout, "controller": False, "blockOwnerDeletion": False}]


def open_attempt(record: ReleaseRecord, attempt: Attempt) -> Effect:
    """Return the effect that begins an attempt; a hold on the same change ends by it."""
    status = record.status
    hold = status.hold
    if hold is not None and hold.ended_at is None:
        hold = replace(hold, ended_at=attempt.started_at, end=HoldEnd.RELEASED)
    attempts = (*status.attempts, attempt)
    return write_status(record, replace(status, attempts=attempts, hold=hold))


def restart(record: ReleaseRecord, now: datetime, *, parked: bool) -> Effect:
    """Return the effect that ends the open attempt and begins another one in its place."""
    last = record.status.attempts[-1]
    ended = replace(
        last,
        outcome=Outcome.ROLLED_BACK,
        completed_at=now,
        parked_at=None,
        message="its end was called off before it was reached",
    )
    again = replace(
        last,
        started_at=now,
        parked_at=now if parked else None,
        approvals=(),
        rejection=None,
    )
    return write(record, (*record.status.attempts[:-1], ended, again))


def amend(
    record: ReleaseRecord,
    *,
    parked_at: datetime | None = None,
    approval: Approval | None = None,
) -> Effect:
    """Return the effect that parks or un-parks the open attempt, or notes an approval."""
    last = record.status.attempts[-1]
    if approval is not None:
        changed = replace(last, approvals=(*last.approvals, approval))
    else:
        changed = replace(last, parked_at=parked_at)
    return write(record, (*record.status.attempts[:-1], changed))


def close(record: ReleaseRecord, outcome: Outcome, now: datetime, message: str = "") -> Effect:
    """Return the effect that ends the open attempt."""
    ended = replace(
        record.status.attempts[-1],
        outcome=outcome,
        completed_at=now,
        parked_at=None,
        message=message,
    )
    return write(record, (*record.status.attempts[:-1], ended))


def baseline(
    record: ReleaseRecord,
    now: datetime,
    message: str,
    *,
    originals: Originals = _NO_ORIGINALS,
    circumstances: Circumstances = _NO_CIRCUMSTANCES,
) -> Effect:
    """Return the effect that makes a template stable which Tandem did not release."""
    attempt = Attempt(
        started_at=now,
        completed_at=now,
        circumstances=circumstances,
        originals=originals,
        outcome=Outcome.BASELINE,
        message=message,
    )
    return write(record, (*record.status.attempts, attempt))


def amend_stable(record: ReleaseRecord, changed: Attempt) -> Effect:
    """Return the effect that writes the attempt by which a record became stable anew."""
    known = record.stable_attempt
    attempts = (changed if a is known else a for a in record.status.attempts)
    return write(record, tuple(attempts))


def write(record: ReleaseRecord, attempts: tuple[Attempt, ...]) -> Effect:
    """Return the effect that writes a record's attempts and leaves the rest of its status."""
    return write_status(record, replace(record.status, attempts=attempts))


def write_status(record: ReleaseRecord, status: ReleaseRecordStatus) -> Effect:
    """Return the effect that writes a record's status."""
    meta = record.metadata
    return ReplaceStatus(
        kind=Kind.RELEASE_RECORD,
        namespace=meta.namespace,
        name=meta.name,
        resource_version=meta.resource_version,
        status=msgspec.to_builtins(status, str_keys=True),
    )


def surplus(
    records: Iterable[ReleaseRecord], history: int, kept: Iterable[ReleaseRecord] = ()
) -> tuple[Effect, ...]:
    """Return the deletions that keep the history within its limit.

    The stable record stays, and so do those in `kept`, whatever their age. A record without
    an attempt counts, too: its template was replaced before it began.
    """
    every = tuple(records)
    names = {r.metadata.name for r in (*kept, *filter(None, [stable(every)]))}
    ended = [
        r
        for r in every
        if r.metadata.name not in names and r.open_attempt is None and not _awaited(r)
    ]
    ended.sort(key=_last_use)
    return tuple(
        delete_of(Kind.RELEASE_RECORD, r.metadata) for r in ended[: max(0, len(ended) - history)]
    )


def _awaited(record: ReleaseRecord) -> bool:
    """Whether the first release of a record is held, or was accepted and has not begun."""
    hold = record.status.hold
    if record.status.attempts or hold is None:
        return False
    return hold.ended_at is None or hold.end is HoldEnd.ACCEPTED


def _last_use(record: ReleaseRecord) -> tuple[str, str]:
    attempts = record.status.attempts
    moment = attempts[-1].started_at if attempts else record.metadata.creation_timestamp
    return (moment.isoformat() if moment else "", record.metadata.name)
