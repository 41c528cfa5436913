"""What is looked at before a rollback begins, and at its end: config and image digests.

The rules that go back ask here; they decide nothing of it themselves.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from tandem_controller.api.record import ReleaseRecord
from tandem_controller.decide import words
from tandem_controller.decide.blocking import blocked
from tandem_controller.decide.case import Case
from tandem_controller.decide.config import restore
from tandem_controller.decide.history import digests
from tandem_controller.decide.position import ROLLBACK_PREFIX
from tandem_controller.effect import Decision, Note
from tandem_controller.snapshot import Snapshot

RECHECK = timedelta(seconds=10)
"""How often a rollback that stands still looks whether its config is back (no watch tells)."""


def before(case: Case) -> Decision | None:
    """Bring the stable version's config back, or stop; None when the rollback may begin.

    A Rollout that is being deleted must not hang: it goes back to what there is.
    """
    if begun(case):
        return None
    if looks := restore.looks(case.snapshot, case.stable):
        return Decision(looks=looks)
    found = _findings(case)
    if found.effects:
        return Decision(effects=found.effects, notes=found.notes)
    if found.problems and not case.snapshot.rollout.metadata.deleting:
        return _stopped(case, found.problems)
    return None


def begun(case: Case) -> bool:
    """Whether the rollback was announced: traffic may have moved since."""
    canary = case.canary_status
    turned = canary.observed_rollout_id.startswith(ROLLBACK_PREFIX)
    return turned and bool(canary.finalising_step)


def warnings(case: Case) -> tuple[Note, ...]:
    """Tell, as the rollback begins, what will not be as it was."""
    found = _findings(case)
    lost = tuple(Note(reason=restore.DIFFERS, message=p, warning=True) for p in found.problems)
    return (*found.warnings, *lost, *moved_tags(case))


def moved_tags(case: Case) -> tuple[Note, ...]:
    """Tell whether the stable pods run other digests than they did; asked at the end, too.

    Pods that the rollback itself creates are the ones that meet a moved tag.
    """
    return tuple(
        Note(reason="TagMoved", message=message, warning=True)
        for message in digests.moved(case.stable, case.workload)
    )


def before_stating(
    snapshot: Snapshot, target: ReleaseRecord, left: ReleaseRecord, now: datetime
) -> Decision | None:
    """Do the same for an earlier record that is to be released again, while nothing is.

    `left` is the version that is gone back from.
    """
    if looks := restore.looks(snapshot, target):
        return Decision(looks=looks)
    found = restore.findings(snapshot, target, instead_of=left)
    if found.effects:
        return Decision(effects=found.effects, notes=found.notes)
    if found.problems:
        return replace(blocked(snapshot, _message(found.problems), now), wake_at=now + RECHECK)
    return None


def _findings(case: Case) -> restore.Findings:
    """Content is put back only where the owner of the workload did not ask for the rollback."""
    verdict = case.attempt.rejection
    by_owner = verdict is not None and verdict.cause in (words.STATED_AGAIN, words.BUSINESS_BACK)
    left = None if by_owner else case.release
    return restore.findings(case.snapshot, case.stable, instead_of=left)


def _stopped(case: Case, problems: tuple[str, ...]) -> Decision:
    """Stay where the release is; nothing of it moves, and traffic stays with both versions."""
    if case.live == case.versions.release:
        frozen = case.provider.freeze(case.snapshot, case.versions, case.progress)
        if frozen:
            return Decision(effects=frozen)
    decision = blocked(case.snapshot, _message(problems), case.now)
    return replace(decision, wake_at=case.now + RECHECK)


def _message(problems: tuple[str, ...]) -> str:
    return f"the rollback stops before traffic moves: {'; '.join(problems)}"
