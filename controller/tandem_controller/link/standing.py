"""What stands between a workload and its manifest: a held change, a rejected version."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tandem_controller.api.record import HoldCause, ReleaseRecord
from tandem_controller.decide.history import records
from tandem_controller.decide.hold import withheld
from tandem_controller.decide.hold.manifest import applied_template
from tandem_controller.link.images import Images, images
from tandem_controller.snapshot import Snapshot


class Stated(StrEnum):
    """Whether the workload's owner states a version."""

    TRUE = "true"
    FALSE = "false"
    UNKNOWN = "unknown"
    """The owner leaves no copy of what it applies, as with server-side apply."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """A platform change that waits for a release of its own, since a moment."""

    revision: str
    images: Images
    cause: HoldCause
    since: datetime


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """A version that was rolled back and is not released again by itself."""

    revision: str
    images: Images
    stated: Stated


def held(snapshot: Snapshot) -> Held | None:
    """Return the hold in force (`decide/hold/withheld.py`)."""
    known, containers = records.of_workload(snapshot), snapshot.policy_spec.containers
    stable = records.stable(known)
    record = withheld.held(known, stable, containers) if stable else None
    if record is None or record.status.hold is None:
        return None
    return Held(
        revision=_revision(record),
        images=images(record.spec.template, containers),
        cause=record.status.hold.cause,
        since=record.status.hold.since,
    )


def rejected(snapshot: Snapshot) -> Rejected | None:
    """Return the version rejected last, of those that are rejected still."""
    known, containers = records.of_workload(snapshot), snapshot.policy_spec.containers
    stable = records.stable(known)
    record = next((r for r in withheld.rejected(known) if r is not stable), None)
    if record is None:
        return None
    found = images(record.spec.template, containers)
    return Rejected(
        revision=_revision(record), images=found, stated=_stated(snapshot, record, found)
    )


def _stated(snapshot: Snapshot, record: ReleaseRecord, found: Images) -> Stated:
    """Tell from the owner's copy of what it applied last, which admission leaves as it is.

    Without a copy, a template that was taken away from the owner after the verdict tells.
    Fingerprints do not compare: the copy lacks what the API server fills in.
    """
    workload = snapshot.workload
    known = records.of_workload(snapshot)
    applied = applied_template(workload.deployment, known) if workload else None
    if applied is not None:
        same = images(applied, snapshot.policy_spec.containers) == found
        return Stated.TRUE if same else Stated.FALSE
    verdict = withheld.rejection_of(record)
    return Stated.TRUE if verdict and verdict.restored_at else Stated.UNKNOWN


def _revision(record: ReleaseRecord) -> str:
    return records.revision(record.spec.workload.uid, record.spec.fingerprint)
