"""What stands between a workload and its manifest: a held change, a rejected version."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tandem_controller import keys
from tandem_controller.api.record import Hold, HoldCause, Rejection, ReleaseRecord
from tandem_controller.decide import records
from tandem_controller.link.images import Images, images
from tandem_controller.snapshot import Snapshot


@dataclass(frozen=True, kw_only=True)
class Held:
    """A platform change that waits for a release of its own, since a moment."""

    revision: str
    images: Images
    cause: HoldCause
    since: datetime


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """A version that was rolled back and is not released again by itself.

    `stated` is whether the workload's owner was found stating it after that: the mark on the
    workload says so, which health policies read too.
    """

    revision: str
    images: Images
    stated: bool


def held(snapshot: Snapshot) -> Held | None:
    """Return the hold in force; a later one replaces an earlier."""
    found = [(h, r) for r in records.of_workload(snapshot) if (h := _hold(r)) is not None]
    hold, record = max(found, key=lambda each: each[0].since, default=(None, None))
    if hold is None or record is None:
        return None
    return Held(
        revision=_revision(record),
        images=images(record.spec.template, snapshot.policy_spec.containers),
        cause=hold.cause,
        since=hold.since,
    )


def rejected(snapshot: Snapshot) -> Rejected | None:
    """Return the rejection in force, the last one that was not cleared."""
    found = [(v, r) for r in records.of_workload(snapshot) if (v := _rejection(r)) is not None]
    verdict, record = max(found, key=lambda each: each[0].at, default=(None, None))
    if verdict is None or record is None or snapshot.workload is None:
        return None
    return Rejected(
        revision=_revision(record),
        images=images(record.spec.template, snapshot.policy_spec.containers),
        stated=keys.REJECTED in snapshot.workload.deployment.metadata.annotations,
    )


def _hold(record: ReleaseRecord) -> Hold | None:
    hold = record.status.hold
    return hold if hold and hold.ended_at is None else None


def _rejection(record: ReleaseRecord) -> Rejection | None:
    """Return the last attempt's verdict; a later attempt says that it was let go again."""
    attempts = record.status.attempts
    verdict = attempts[-1].rejection if attempts else None
    return verdict if verdict and verdict.cleared_at is None else None


def _revision(record: ReleaseRecord) -> str:
    return records.revision(record.spec.workload.uid, record.spec.fingerprint)
