"""What people must know of a workload whatever else happens to it: holds and rejections."""

from __future__ import annotations

from dataclasses import dataclass

from tandem_controller.api.record import HoldCause, Rejection, ReleaseRecord
from tandem_controller.decide import words
from tandem_controller.decide.history import records
from tandem_controller.decide.hold.manifest import states
from tandem_controller.decide.hold.withheld import held, rejected, rejection_of
from tandem_controller.snapshot import Snapshot

HELD = "Held"
REJECTED = "Rejected"


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A sentence for the status, and the type of the condition that stands for it.

    None where it is said and nothing more: a rejected version that nobody states any more is
    no reason to call anything unhealthy.
    """

    type: str | None
    message: str


def notices(snapshot: Snapshot) -> tuple[Notice, ...]:
    """Return what is held and what is rejected, with the way out of it."""
    known = records.of_workload(snapshot)
    stable = records.stable(known)
    if stable is None:
        return ()
    found = []
    name = snapshot.rollout.metadata.name
    if rejection := _rejection(snapshot, known, stable):
        kind = None if rejection.stated is False else REJECTED
        found.append(Notice(type=kind, message=rejection.message))
    holding = held(known, stable, snapshot.policy_spec.containers)
    if holding is not None:
        after = holding.status.hold is not None and holding.status.hold.cause is HoldCause.ROLLBACK
        message = words.held(holding, _in_force(known, stable), name, after_rollback=after)
        found.append(Notice(type=HELD, message=message))
    return tuple(found)


def _in_force(known: tuple[ReleaseRecord, ...], stable: ReleaseRecord) -> ReleaseRecord:
    """Return the version that is being released, else the stable one: its images are not held."""
    release = records.in_progress(known)
    attempt = release.open_attempt if release else None
    return release if release and attempt and attempt.rejection is None else stable


def standing_rejection(
    snapshot: Snapshot, known: tuple[ReleaseRecord, ...], stable: ReleaseRecord
) -> str | None:
    """Return the sentence about the rejected version that the manifest states, or may state.

    An owner that went back to another version has what it asked for: nothing stands against
    its component's health (DESIGN §7: unhealthy while the Application still says v2).
    """
    found = _rejection(snapshot, known, stable)
    return None if found is None or found.stated is False else found.message


@dataclass(frozen=True, kw_only=True)
class _Refused:
    message: str
    stated: bool | None


def _rejection(
    snapshot: Snapshot, known: tuple[ReleaseRecord, ...], stable: ReleaseRecord
) -> _Refused | None:
    """Return what to say of the version that the manifest states; else of the one rejected last."""
    found = [
        (_stated(snapshot, known, record, verdict), record, verdict)
        for record in rejected(known)
        if record.metadata.name != stable.metadata.name and (verdict := rejection_of(record))
    ]
    if not found:
        return None
    stated, record, verdict = next((each for each in found if each[0]), found[0])
    name = snapshot.rollout.metadata.name
    return _Refused(message=words.rejected(record, verdict, name, stated=stated), stated=stated)


def _stated(
    snapshot: Snapshot,
    known: tuple[ReleaseRecord, ...],
    record: ReleaseRecord,
    verdict: Rejection,
) -> bool | None:
    """Whether the manifest states a rejected version; None where no copy of it tells."""
    stated = states(snapshot.workload.deployment, record, known) if snapshot.workload else None
    return True if stated is None and verdict.restored_at is not None else stated
