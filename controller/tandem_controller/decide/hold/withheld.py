"""What is withheld from a workload at present: rejected versions and a held platform change.

It follows from the records alone, so that controller and webhook come to the same answer,
after a failover too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tandem_controller import keys
from tandem_controller.api.policy import Containers
from tandem_controller.api.record import (
    Attempt,
    Change,
    HoldCause,
    HoldEnd,
    Outcome,
    Rejection,
    ReleaseRecord,
)
from tandem_controller.decide.classify import Parts, parts

Records = Iterable[ReleaseRecord]
Metadata = Mapping[str, Any]


def release_id(metadata: Metadata) -> str:
    """Return the name that somebody gave a release: a rollout-id, or KubeVela's publishVersion.

    `metadata` is that of the workload, as on the wire.
    """
    label = (metadata.get("labels") or {}).get(keys.ROLLOUT_ID, "")
    version = (metadata.get("annotations") or {}).get(keys.PUBLISH_VERSION, "")
    return str(label or version)


def rejection_of(record: ReleaseRecord) -> Rejection | None:
    """Return the verdict on a record's last release, if nobody cleared it.

    Of a restart, or other labels, there is nothing to reject: the pods are those of the
    stable version.
    """
    last = record.status.attempts[-1] if record.status.attempts else None
    if last is None or last.rejection is None or last.change is Change.NEITHER:
        return None
    return last.rejection if last.rejection.cleared_at is None else None


def rejected(known: Records) -> tuple[ReleaseRecord, ...]:
    """Return the rejected versions, the one rejected last first.

    A release of a new business version ends all rejections before it (DESIGN §7: another
    template). Going back to a version that was stable, a restart and a platform release do
    not: the manifest may state the rejected version all the while.
    """
    records = tuple(known)
    found = [(rejection.at, r) for r in records if (rejection := rejection_of(r))]
    cleared = max((a.started_at for r in records for a in _new_business(r)), default=None)
    found = [(at, r) for at, r in found if cleared is None or at > cleared]
    return tuple(r for _, r in sorted(found, key=lambda each: each[0], reverse=True))


def _new_business(record: ReleaseRecord) -> list[Attempt]:
    """Return the releases of a record that brought a business version which never was stable."""
    proven = [
        a.completed_at
        for a in record.status.attempts
        if a.outcome in (Outcome.COMPLETED, Outcome.BASELINE) and a.completed_at
    ]
    since = min(proven, default=None)
    return [
        a
        for a in record.status.attempts
        if a.change in (Change.BUSINESS, Change.BOTH) and (since is None or a.started_at < since)
    ]


def held(known: Records, stable: ReleaseRecord, containers: Containers) -> ReleaseRecord | None:
    """Return the record of the platform change that is held, or None."""
    waiting = [
        (r.status.hold.since, r)
        for r in known
        if r.status.hold and r.status.hold.ended_at is None and not _began_since(r)
    ]
    if not waiting:
        return None
    newest = max(waiting, key=lambda each: each[0])[1]
    in_force = parts(stable.spec.template, containers)
    return newest if parts(newest.spec.template, containers) != in_force else None


def _began_since(record: ReleaseRecord) -> bool:
    """Whether a held change was released since it is held."""
    hold, attempts = record.status.hold, record.status.attempts
    return bool(hold and attempts and attempts[-1].started_at > hold.since)


def accepted(known: Records) -> ReleaseRecord | None:
    """Return the record whose hold was ended for it to be released, until that has begun.

    Any other release that begins after the acceptance takes its place.
    """
    records = tuple(known)
    found = [
        (r.status.hold.ended_at, r)
        for r in records
        if r.status.hold and r.status.hold.end is HoldEnd.ACCEPTED and r.status.hold.ended_at
    ]
    if not found:
        return None
    at, record = max(found, key=lambda each: each[0])
    return None if any(began > at for r in records for began in _beginnings(r)) else record


def _beginnings(record: ReleaseRecord) -> list[datetime]:
    return [a.started_at for a in record.status.attempts]


@dataclass(frozen=True, kw_only=True)
class Withheld:
    """What must not get into a workload now: pods of these parts, and which record says so."""

    rejected: tuple[tuple[Parts, ReleaseRecord], ...] = ()
    held: tuple[Parts, ReleaseRecord] | None = None

    def match(self, stated: Parts, release: str) -> ReleaseRecord | None:
        """Return the record that withholds pods of these parts.

        `release` is the name that the stated workload gives its release: a rejected version
        that comes under another name than the one it was rejected under is stated anew.
        """
        if self.held and self.held[0] == stated:
            return self.held[1]
        return next(
            (r for found, r in self.rejected if found == stated and same_release(r, release)), None
        )


def same_release(record: ReleaseRecord, release: str) -> bool:
    """Whether a workload names the release that was rejected, or none at all."""
    return not release or record.status.attempts[-1].rollout_id == release


def withheld(known: Records, stable: ReleaseRecord, containers: Containers) -> Withheld:
    """Return what is withheld from a workload."""
    records = tuple(known)
    holding = held(records, stable, containers)
    in_force = parts(stable.spec.template, containers)
    refused = ((parts(r.spec.template, containers), r) for r in rejected(records))
    return Withheld(
        # A restart that was taken back has the pods of the stable version. The stable version
        # itself is rejected while an earlier one is returned to.
        rejected=tuple(each for each in refused if each[0] != in_force or each[1] is stable),
        held=(parts(holding.spec.template, containers), holding) if holding else None,
    )


def after_rollback(record: ReleaseRecord | None) -> bool:
    """Whether a change is held because a rollback took it back."""
    return bool(record and record.status.hold and record.status.hold.cause is HoldCause.ROLLBACK)
