"""Writing a Rollout's status: only when something worth waiting for has changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from tandem_controller.api.meta import Condition
from tandem_controller.api.rollout import CanaryStatus, Phase, Rollout, RolloutStatus
from tandem_controller.decide.hold.notices import Notice
from tandem_controller.effect import Decision, Kind, Note, ReplaceStatus

PAUSED_REASON = "Paused"
"""Reason of the condition `Progressing` while `spec.strategy.paused` holds a release."""

COUNT_INTERVAL = timedelta(seconds=5)
"""Pods getting ready one by one are written at most this often."""

_COUNTS = {
    "canary_replicas": 0,
    "canary_ready_replicas": 0,
    "observed_workload_generation": 0,
    "pod_template_hash": "",
    "stable_revision": "",
}


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the status is to say. `reason` is that of the condition `Progressing`."""

    phase: Phase
    message: str
    reason: str = ""
    progressing: bool = False
    succeeded: bool | None = None
    canary: CanaryStatus | None = None
    notices: tuple[Notice, ...] = ()
    about: str = ""
    """What is being released: the message of the condition `Progressing`."""
    released: Condition | None = None
    """Which revision of an Application the workload states, and whether it is released."""

    @property
    def text(self) -> str:
        """The whole message: what happens, then what people must know besides."""
        return " | ".join((self.message, *(n.message for n in self.notices)))


def report(
    rollout: Rollout,
    wanted: Report,
    now: datetime,
    *,
    notes: tuple[Note, ...] = (),
    wake_at: datetime | None = None,
) -> Decision:
    """Return a decision that writes the status if it is due, and otherwise only waits.

    The notes accompany the write: a transition is told once, and a change of counts alone
    is none.
    """
    status = _build(rollout, wanted, now)
    if status == rollout.status:
        return Decision(wake_at=wake_at)
    due = _due_at(rollout.status, status)
    if due is not None and due > now:
        return Decision(wake_at=min(due, wake_at) if wake_at else due)
    if due is not None and rollout.status.message == wanted.text:
        notes = ()
    meta = rollout.metadata
    effect = ReplaceStatus(
        kind=Kind.ROLLOUT,
        namespace=meta.namespace,
        name=meta.name,
        resource_version=meta.resource_version,
        status=wire(_stamped(status, now)),
    )
    return Decision(effects=(effect,), notes=notes, wake_at=wake_at)


def told_paused(status: RolloutStatus) -> bool:
    """Whether a status says that `spec.strategy.paused` holds the release."""
    found = (c.reason for c in status.conditions if c.type == "Progressing")
    return next(found, "") == PAUSED_REASON


def wire(status: RolloutStatus) -> dict[str, Any]:
    """Return a status as JSON values, in the shape of v1beta1."""
    encoded: dict[str, Any] = msgspec.to_builtins(status)
    return encoded


def _build(rollout: Rollout, wanted: Report, now: datetime) -> RolloutStatus:
    old = rollout.status
    canary = wanted.canary
    if canary is not None:
        previous = old.canary_status or CanaryStatus()
        moved = _moved(previous, canary) or told_paused(old) != (wanted.reason == PAUSED_REASON)
        at = now if moved else previous.last_update_time
        canary = replace(canary, last_update_time=at, message=wanted.text)
    return RolloutStatus(
        observed_generation=rollout.metadata.generation,
        phase=wanted.phase,
        message=wanted.text,
        conditions=_conditions(old.conditions, wanted, now),
        current_step_index=canary.current_step_index if canary else 0,
        current_step_state=canary.current_step_state if canary else "",
        canary_status=canary,
    )


def _moved(old: CanaryStatus, new: CanaryStatus) -> bool:
    """Whether the release is at another place, from which its waits are counted."""
    return _place(old) != _place(new)


def _place(status: CanaryStatus) -> tuple[str, int, str, str, str]:
    return (
        status.canary_revision,
        status.current_step_index,
        status.current_step_state,
        status.finalising_step,
        status.observed_rollout_id,
    )


def _conditions(old: tuple[Condition, ...], wanted: Report, now: datetime) -> tuple[Condition, ...]:
    progressing = _flag(wanted.progressing)
    found = [
        Condition(
            type="Progressing", status=progressing, reason=wanted.reason, message=wanted.about
        )
    ]
    if wanted.succeeded is not None:
        found.append(Condition(type="Succeeded", status=_flag(wanted.succeeded)))
    found += [
        Condition(type=n.type, status="True", reason=n.type, message=n.message)
        for n in wanted.notices
        if n.type is not None
    ]
    if wanted.released is not None:
        found.append(wanted.released)
    return tuple(_dated(condition, old, now) for condition in found)


def _dated(wanted: Condition, old: tuple[Condition, ...], now: datetime) -> Condition:
    """Keep a condition that says the same as before.

    The transition time is that of its status (Kubernetes API conventions).
    """
    same = (c for c in old if c.type == wanted.type and c.status == wanted.status)
    before = next(same, None)
    if before and (before.reason, before.message) == (wanted.reason, wanted.message):
        return before
    since = before.last_transition_time if before else now
    return replace(wanted, last_update_time=now, last_transition_time=since)


def _flag(value: bool) -> str:
    return "True" if value else "False"


def _stamped(status: RolloutStatus, now: datetime) -> RolloutStatus:
    """Note in the conditions when the status was written, so that counts can wait for it."""
    stamped = tuple(replace(c, last_update_time=now) for c in status.conditions)
    return replace(status, conditions=stamped)


def _due_at(old: RolloutStatus, new: RolloutStatus) -> datetime | None:
    """Return when a mere change of counts may be written; None when it is due at once.

    That another generation was seen is no count: approvals are good for the one that was.
    """
    if old.canary_status is None or new.canary_status is None:
        return None
    if _without_counts(old) != _without_counts(new):
        return None
    written = [c.last_update_time for c in old.conditions if c.last_update_time]
    return max(written) + COUNT_INTERVAL if written else None


def _without_counts(status: RolloutStatus) -> RolloutStatus:
    canary = status.canary_status
    if canary is None:
        return status
    blank = replace(canary, **_COUNTS, message="", last_update_time=None)
    return replace(status, canary_status=blank, message="")
