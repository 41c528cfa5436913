"""Saying what is in the way of a Rollout."""

from __future__ import annotations

from datetime import datetime

from tandem_controller.api.rollout import Phase, RolloutStatus
from tandem_controller.decide.released import released
from tandem_controller.decide.status import Report, report
from tandem_controller.effect import Decision, Note
from tandem_controller.snapshot import Snapshot


def blocked(snapshot: Snapshot, problem: str, now: datetime) -> Decision:
    """Say what is wrong and leave everything as it is."""
    status: RolloutStatus = snapshot.rollout.status
    phase = Phase(status.phase) if status.phase in Phase.__members__.values() else Phase.INITIAL
    wanted = Report(
        phase=phase,
        message=problem,
        reason="Blocked",
        progressing=phase is Phase.PROGRESSING,
        canary=status.canary_status,
        released=released(snapshot, ended=False) if phase is Phase.PROGRESSING else None,
    )
    note = Note(reason="Blocked", message=problem, warning=True)
    return report(snapshot.rollout, wanted, now, notes=(note,))
