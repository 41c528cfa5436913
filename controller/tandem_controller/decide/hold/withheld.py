"""What is withheld from a workload at present: rejected versions and a held platform change.

It follows from the records alone, so that controller and webhook come to the same answer,
after a failover too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tandem_controller import keys
from tandem_controller.api.meta import ObjectMeta
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


def on_the_wire(metadata: ObjectMeta) -> Metadata:
    """Return labels and annotations as admission sees them, for `release_id` and the rules."""
    return {"labels": metadata.labels, "annotations": metadata.annotations}


def rejection_of(record: ReleaseRecord) -> Rejection | None:
    """Return the verdict on a record's last release, if nobody cleared it.

    Of a restart, or other labels, that was taken back there is nothing to reject: the pods
    are those of the stable version. One that had become stable may be gone back from.
    """
    last = record.status.attempts[-1] if record.status.attempts else None
    if last is None or last.rejection is None:
        return None
    if last.change is Change.NEITHER and last.outcome is not Outcome.COMPLETED:
        return None
    return last.rejection if last.rejection.cleared_at is None else None


def rejected(known: Records) -> tuple[ReleaseRecord, ...]:
    """Return the rejected versions, the one rejected last first.

    A release of a new business version ends all rejections before it (DESIGN §7: another
    template). Going back to a version that was stable, a restart and a platform release do
    not: the manifest may state the rejected version all the while.
    """
    records = tuple(known)
    found = [
        (rejection.at, r)
        for r in records
        if (rejection := rejection_of(r)) and not _only_restarted(r, records)
    ]
    cleared = max((a.started_at for r in records for a in _new_business(r)), default=None)
    found = [(at, r) for at, r in found if cleared is None or at > cleared]
    return tuple(r for _, r in sorted(found, key=lambda each: each[0], reverse=True))


def _only_restarted(record: ReleaseRecord, known: tuple[ReleaseRecord, ...]) -> bool:
    """Whether a rejected version differs from the stable one in labels and annotations only."""
    since = [(at, r) for r in known if (at := r.stable_since) is not None]
    stable = max(since, key=lambda each: each[0], default=(None, record))[1]
    if stable is record or record.status.attempts[-1].change is not Change.NEITHER:
        return False
    return _pods(record) == _pods(stable)


def _pods(record: ReleaseRecord) -> tuple[str, str]:
    return record.spec.business_fingerprint, record.spec.platform_fingerprint


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
    """Return the record of the platform change that is held, or None.

    Where the stable version has its platform part by now, or the policy counts the change
    as business by now, there is no platform change to be released on its own.
    """
    waiting = [
        (r.status.hold.since, r)
        for r in known
        if r.status.hold and r.status.hold.ended_at is None and not _began_since(r)
    ]
    if not waiting:
        return None
    newest = max(waiting, key=lambda each: each[0])[1]
    in_force, own = (parts(r.spec.template, containers) for r in (stable, newest))
    if own.platform == in_force.platform and not after_rollback(newest):
        return None
    return newest if own != in_force else None


def _began_since(record: ReleaseRecord) -> bool:
    """Whether a held change was released since it is held."""
    hold, attempts = record.status.hold, record.status.attempts
    return bool(hold and attempts and attempts[-1].started_at > hold.since)


def accepted(known: Records) -> ReleaseRecord | None:
    """Return the record whose hold was ended for it to be released, until that has begun.

    Any other release that begins after the acceptance takes its place, and a rollback after
    it ends it: what was accepted may contain what the rollback took back.
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
    return None if any(moment > at for moment in _turns(records)) else record


def _turns(records: tuple[ReleaseRecord, ...]) -> Iterator[datetime]:
    """Yield when releases began or were rejected."""
    for attempt in _all(records):
        yield attempt.started_at
        if attempt.rejection is not None:
            yield attempt.rejection.at


@dataclass(frozen=True, kw_only=True)
class Withheld:
    """What must not get into a workload now: pods of these parts, and which record says so."""

    rejected: tuple[tuple[Parts, ReleaseRecord], ...] = ()
    held: tuple[Parts, ReleaseRecord] | None = None

    def match(self, stated: Parts, release: str) -> ReleaseRecord | None:
        """Return the record that withholds pods of these parts; see `rejection` for `release`."""
        if self.held and self.held[0] == stated:
            return self.held[1]
        return self.rejection(stated, release)

    def rejection(self, stated: Parts, release: str) -> ReleaseRecord | None:
        """Return the rejected version that has pods of these parts.

        `release` is the name that the stated workload gives its release: a rejected version
        that comes under another name than the one it was rejected under is stated anew.
        """
        found = (r for refused, r in self.rejected if refused == stated)
        return next((r for r in found if _same_release(r, release)), None)


def _same_release(record: ReleaseRecord, release: str) -> bool:
    """Whether a workload names the release that was rejected, or none at all."""
    return not release or record.status.attempts[-1].rollout_id == release


def withheld(known: Records, stable: ReleaseRecord, containers: Containers) -> Withheld:
    """Return what is withheld from a workload."""
    records = tuple(known)
    holding = held(records, stable, containers)
    in_force = parts(stable.spec.template, containers)
    refused = (
        (found, r)
        for r in rejected(records)
        for found in _refused_parts(r, in_force, containers)
        # A restart that was taken back has the pods of the stable version.
        if found != in_force or (r.metadata.name == stable.metadata.name and _is_left(records, r))
    )
    return Withheld(
        rejected=tuple(refused),
        held=(parts(holding.spec.template, containers), holding) if holding else None,
    )


def _refused_parts(
    record: ReleaseRecord, in_force: Parts, containers: Containers
) -> tuple[Parts, ...]:
    """Return the pods that a rejection means: those that were taken back.

    A rejected business change stays one when the platform part was released on its own since.
    """
    own = parts(record.spec.template, containers)
    if record.status.attempts[-1].change is not Change.BUSINESS:
        return (own,)
    return tuple({own, Parts(business=own.business, platform=in_force.platform)})


def _is_left(records: tuple[ReleaseRecord, ...], stable: ReleaseRecord) -> bool:
    """Whether somebody asked to go back from the stable version, and that has not ended.

    Its manifest may state it all the while, which must not turn the rollback around. It was
    called off where the release of the earlier version was rejected itself.
    """
    verdict = rejection_of(stable)
    if verdict is None or any(a.rejection and a.rejection.at > verdict.at for a in _all(records)):
        return False
    return accepted(records) is not None or any(r.open_attempt for r in records)


def _all(records: tuple[ReleaseRecord, ...]) -> Iterator[Attempt]:
    return (attempt for record in records for attempt in record.status.attempts)


def after_rollback(record: ReleaseRecord | None) -> bool:
    """Whether a change is held because a rollback took it back."""
    return bool(record and record.status.hold and record.status.hold.cause is HoldCause.ROLLBACK)
