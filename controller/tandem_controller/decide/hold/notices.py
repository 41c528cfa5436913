"""What people must know of a workload whatever else happens to it: holds and rejections."""

from __future__ import annotations

from dataclasses import dataclass

from tandem_controller.api.record import HoldCause, ReleaseRecord
from tandem_controller.decide import words
from tandem_controller.decide.history import records
from tandem_controller.decide.hold.manifest import states
from tandem_controller.decide.hold.withheld import held, rejected, rejection_of
from tandem_controller.snapshot import Snapshot

HELD = "Held"
REJECTED = "Rejected"


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A sentence for the status, and the type of the condition that stands for it."""

    type: str
    message: str


def notices(snapshot: Snapshot) -> tuple[Notice, ...]:
    """Return what is held and what is rejected, with the way out of it."""
    known = records.of_workload(snapshot)
    stable = records.stable(known)
    if stable is None:
        return ()
    found = []
    name = snapshot.rollout.metadata.name
    if message := rejection_message(snapshot, known, stable):
        found.append(Notice(type=REJECTED, message=message))
    holding = held(known, stable, snapshot.policy_spec.containers)
    if holding is not None:
        after = holding.status.hold is not None and holding.status.hold.cause is HoldCause.ROLLBACK
        message = words.held(holding, stable, name, after_rollback=after)
        found.append(Notice(type=HELD, message=message))
    return tuple(found)


def rejection_message(
    snapshot: Snapshot, known: tuple[ReleaseRecord, ...], stable: ReleaseRecord
) -> str | None:
    """Return the sentence about the version rejected last, or None."""
    refused = next((r for r in rejected(known) if r.metadata.name != stable.metadata.name), None)
    verdict = rejection_of(refused) if refused else None
    if refused is None or verdict is None:
        return None
    stated = states(snapshot.workload.deployment, refused) if snapshot.workload else None
    if stated is None and verdict.restored_at is not None:
        stated = True
    return words.rejected(refused, verdict, snapshot.rollout.metadata.name, stated=stated)
