"""Approval by an annotation on the Rollout, for clients that cannot write a status.

Argo CD's resource actions and people with `kubectl annotate` alone are such clients. The
annotation is exact (DESIGN §4.7): it names the release and the step, counts while that step
waits, and is taken away when it has had its effect or cannot have any. So one that is stated
again later, by a manifest for example, approves nothing that nobody has seen.
"""

from __future__ import annotations

from tandem_controller import keys
from tandem_controller.api.rollout import StepState
from tandem_controller.decide import words
from tandem_controller.decide.case import Case
from tandem_controller.decide.position import Position, position, progressing
from tandem_controller.decide.rest import patch_rollout
from tandem_controller.effect import Decision, Note
from tandem_controller.snapshot import Snapshot


def give(case: Case) -> Decision | None:
    """Let the step pass that waits, if the annotation names it.

    The status is written first and the annotation dropped after that, so that a crash in
    between repeats nothing: a step that is approved already waits no more.
    """
    annotations = case.snapshot.rollout.metadata.annotations
    wish = annotations.get(keys.APPROVE)
    if wish is None:
        return None
    place = position(case)
    if wish != f"{case.revision}/{place.index}":
        return _refuse(case.snapshot, _waiting(case, place))
    if place.state is StepState.READY:
        return _drop(case.snapshot)
    if place.state is not StepState.PAUSED or case.snapshot.rollout.spec.strategy.paused:
        return _refuse(case.snapshot, _waiting(case, place))
    by = annotations.get(keys.APPROVED_BY, "")
    return progressing(case, place.index, StepState.READY, words.APPROVED, approved_by=by)


def at_rest(snapshot: Snapshot) -> Decision | None:
    """Refuse an approval while no release is in progress."""
    if keys.APPROVE not in snapshot.rollout.metadata.annotations:
        return None
    return _refuse(snapshot, "no release is in progress")


def _waiting(case: Case, place: Position) -> str:
    """Say which release is at which step, and whether that waits for an approval."""
    where = f"release {case.revision!r} is at step {place.index}"
    if case.snapshot.rollout.spec.strategy.paused:
        return f"{where}, and the Rollout is paused"
    return where if place.state is StepState.PAUSED else f"{where}, which does not wait"


def _refuse(snapshot: Snapshot, waiting: str) -> Decision:
    named = snapshot.rollout.metadata.annotations[keys.APPROVE]
    message = words.approval_refused(named, waiting)
    note = Note(reason="ApproveRefused", message=message, warning=True)
    return Decision(effects=_drop(snapshot).effects, notes=(note,))


def _drop(snapshot: Snapshot) -> Decision:
    asked = {keys.APPROVE: None, keys.APPROVED_BY: None}
    present = {k: v for k, v in asked.items() if k in snapshot.rollout.metadata.annotations}
    return Decision(effects=(patch_rollout(snapshot.rollout, present),))
