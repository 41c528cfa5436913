"""Which steps may be entered, and who allowed it: each approval counts once (DESIGN §7)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from tandem_controller import keys
from tandem_controller.api.approval import ReleaseApproval
from tandem_controller.api.rollout import CanaryStatus, Rollout, RolloutStatus, StepState
from tandem_controller.decide import plan as plans
from tandem_controller.effect import Kind
from tests.simulation.facts import WEB
from tests.simulation.rules import Obj
from tests.simulation.store import Store


@dataclass(frozen=True)
class Release:
    """The open attempt: how often its record was released tells attempts apart."""

    record: str
    attempt: int
    fingerprint: str
    started_at: datetime
    parked: bool
    rejected: bool


@dataclass(kw_only=True)
class Permits:
    """Remembers what was permitted, by attempt of a release."""

    store: Store
    release: Release | None = None
    _highest: dict[tuple[str, int], int] = field(default_factory=dict)
    _named: str = ""
    """What somebody approved by annotation: revision and step."""
    _used: set[str] = field(default_factory=set)
    """ReleaseApprovals that have approved a step."""

    @property
    def may_enter(self) -> int:
        """The last step that the open attempt may enter; 0 without one."""
        if self.release is None:
            return 0
        return self._highest.get((self.release.record, self.release.attempt), 1)

    def permit(self, index: int) -> None:
        """Allow the open attempt to enter a step."""
        if self.release is not None:
            key = (self.release.record, self.release.attempt)
            self._highest[key] = max(index, self._highest.get(key, 1))

    def note_users_status(self, before: Obj, rollout: Rollout) -> None:
        """A user approves: StepReady from StepPaused passes one step."""
        old = msgspec.convert(before.get("status", {}), RolloutStatus).canary_status
        new = rollout.status.canary_status
        if old is None or new is None or old.current_step_state != StepState.PAUSED:
            return
        if new.current_step_state == StepState.READY:
            self.permit(old.current_step_index + 1)

    def note_annotation(self, before: Obj, after: Obj) -> None:
        """A user approves by annotation: release and step that wait now, and no other."""
        named = after["metadata"].get("annotations", {}).get(keys.APPROVE)
        known = before.get("metadata", {}).get("annotations", {}).get(keys.APPROVE)
        canary = msgspec.convert(after, Rollout).status.canary_status
        if named in (None, known) or canary is None:
            return
        here = f"{canary.canary_revision}/{canary.current_step_index}"
        if named == here and canary.current_step_state == StepState.PAUSED:
            self._named = here
            self.permit(canary.current_step_index + 1)

    def judge_approval(self, old: CanaryStatus, new: CanaryStatus) -> None:
        """Tandem writes StepReady only where somebody approved exactly that, and once."""
        if old.current_step_state != StepState.PAUSED:
            return
        given = [
            a
            for o in self.store.all_of(Kind.RELEASE_APPROVAL)
            if (a := msgspec.convert(o, ReleaseApproval)).giver == new.approved_by
        ]
        if not given and self._named == f"{new.canary_revision}/{old.current_step_index}":
            self._named = ""
            return
        spec = given[0].spec if given and given[0].open else None
        meant = spec and (spec.rollout, spec.revision, spec.step)
        assert meant == (WEB, new.canary_revision, old.current_step_index), (
            f"step {old.current_step_index} of {new.canary_revision} was approved by {meant}"
        )
        assert new.approved_by not in self._used, f"{new.approved_by} was used twice"
        self._used.add(new.approved_by)
        self.permit(old.current_step_index + 1)

    def note_passing(self, step: plans.PlannedStep, state: str, since: datetime | None) -> None:
        """A pause with a duration permits the next step once it is over."""
        seconds = step.pause_seconds
        if seconds is None or since is None:
            return
        waited = state == StepState.PAUSED and since + timedelta(seconds=seconds) <= self.store.now
        if waited or seconds == 0:
            self.permit(step.index + 1)
