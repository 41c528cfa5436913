"""Writing down that a version is rejected or a platform change held, and how that ends."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from tandem_controller.api.record import Hold, HoldCause, HoldEnd, Rejection, ReleaseRecord
from tandem_controller.decide.history import records
from tandem_controller.effect import Effect


def reject(record: ReleaseRecord, cause: str, now: datetime) -> Effect:
    """Return the effect that rejects a version by the release of it that came last.

    A release in progress is taken back from then on, parked or not.
    """
    attempts = record.status.attempts
    last = replace(attempts[-1], rejection=Rejection(at=now, cause=cause), parked_at=None)
    return records.write(record, (*attempts[:-1], last))


def clear(record: ReleaseRecord, by: str, now: datetime, *, accepted: bool) -> Effect:
    """Return the effect that lets a rejected version be released again.

    With `accepted` it is released whole: its platform part, too, is asked for by that, and is
    not held for a release of its own.
    """
    status = record.status
    last = status.attempts[-1]
    cleared = replace(last.rejection, cleared_at=now, cleared_by=by) if last.rejection else None
    hold = status.hold
    if accepted:
        hold = replace(hold or Hold(since=now), ended_at=now, end=HoldEnd.ACCEPTED)
    attempts = (*status.attempts[:-1], replace(last, rejection=cleared))
    return records.write_status(record, replace(status, attempts=attempts, hold=hold))


def _amend(record: ReleaseRecord, rejection: Rejection | None) -> Effect:
    attempts = record.status.attempts
    return records.write(record, (*attempts[:-1], replace(attempts[-1], rejection=rejection)))


def hold(record: ReleaseRecord, cause: HoldCause, message: str, now: datetime) -> Effect:
    """Return the effect that holds the platform change of a record."""
    return _write(record, Hold(since=now, cause=cause, message=message))


def end_hold(record: ReleaseRecord, end: HoldEnd, now: datetime) -> Effect:
    """Return the effect that ends a record's hold.

    A change that was never held, and is to be released without that, is noted the same way.
    """
    found = record.status.hold or Hold(since=now)
    return _write(record, replace(found, ended_at=now, end=end))


def restored(record: ReleaseRecord, now: datetime) -> Effect:
    """Return the effect that notes when the workload was given back the template in force."""
    if record.status.hold and record.status.hold.ended_at is None:
        return _write(record, replace(record.status.hold, restored_at=now))
    last = record.status.attempts[-1].rejection
    return _amend(record, replace(last, restored_at=now) if last else None)


def restored_at(record: ReleaseRecord) -> datetime | None:
    """Return when the workload was last given back the template in force."""
    if record.status.hold and record.status.hold.ended_at is None:
        return record.status.hold.restored_at
    last = record.status.attempts[-1].rejection if record.status.attempts else None
    return last.restored_at if last else None


def _write(record: ReleaseRecord, found: Hold) -> Effect:
    return records.write_status(record, replace(record.status, hold=found))
