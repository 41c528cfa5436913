"""What is kept from a workload: its held platform change, its rejected version, and the way out."""

from __future__ import annotations

from datetime import datetime

from tandem_controller.api.meta import Model
from tandem_controller.api.record import HoldCause, ReleaseRecord
from tandem_controller.decide import words
from tandem_controller.decide.history import records
from tandem_controller.decide.hold import withheld as rules
from tandem_controller.snapshot import Snapshot

HELD_BECAUSE = {
    HoldCause.OWN_RELEASE: "it is released on its own, when accepted",
    HoldCause.ROLLBACK: "a rollback took it back",
}


class Held(Model, frozen=True, omit_defaults=False):
    """A platform change that waits: what changes against the stable version, and why it waits."""

    record: str
    images: str
    component_version: str
    cause: str
    since: datetime
    way_out: str


class Rejected(Model, frozen=True, omit_defaults=False):
    """A version that was rolled back and is not released again by itself."""

    record: str
    images: str
    cause: str
    since: datetime
    still_stated: bool
    """The workload's owner has stated it again since."""
    way_out: str


def held(snapshot: Snapshot) -> Held | None:
    """Return the platform change that is held, or None."""
    record = held_record(snapshot)
    stable = records.stable(records.of_workload(snapshot))
    if record is None or stable is None or record.status.hold is None:
        return None
    hold = record.status.hold
    return Held(
        record=record.metadata.name,
        images=words.difference(record, stable),
        component_version=record.spec.component_version,
        cause=HELD_BECAUSE[hold.cause],
        since=hold.since,
        way_out=f"tandem accept {snapshot.rollout.metadata.name}",
    )


def held_record(snapshot: Snapshot) -> ReleaseRecord | None:
    """Return the record of the platform change that is held, or None."""
    known = records.of_workload(snapshot)
    stable = records.stable(known)
    return rules.held(known, stable, snapshot.policy_spec.containers) if stable else None


def rejected(snapshot: Snapshot) -> Rejected | None:
    """Return the version that was rejected last, if it still is."""
    record = next(iter(rejected_records(snapshot)), None)
    verdict = rules.rejection_of(record) if record else None
    if record is None or verdict is None:
        return None
    return Rejected(
        record=record.metadata.name,
        images=words.images(record),
        cause=verdict.cause,
        since=verdict.at,
        still_stated=verdict.restored_at is not None,
        way_out=f"tandem retry {snapshot.rollout.metadata.name}",
    )


def rejected_records(snapshot: Snapshot) -> tuple[ReleaseRecord, ...]:
    """Return the rejected versions, the one rejected last first; never the one that runs."""
    known = records.of_workload(snapshot)
    stable = records.stable(known)
    own = stable.metadata.name if stable else ""
    return tuple(r for r in rules.rejected(known) if r.metadata.name != own)
