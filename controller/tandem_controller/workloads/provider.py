"""The one protocol that every workload kind and style speaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from tandem_controller.effect import Effect
from tandem_controller.snapshot import Snapshot


@dataclass(frozen=True, kw_only=True)
class Versions:
    """The two templates of a release, and the user's fields that it changes.

    `originals` holds strategy, minReadySeconds and progressDeadlineSeconds as they were.
    """

    stable: str
    stable_template: Mapping[str, Any]
    release: str
    release_template: Mapping[str, Any]
    originals: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Pods by version. `stable`, `new` and `other` are what controllers were asked for.

    `*_ready` count pods that were ready for the user's minReadySeconds; `observed` is
    whether the workload's controller has seen the last write.
    """

    replicas: int
    stable: int
    stable_ready: int
    new: int
    new_ready: int
    other: int
    observed: bool
    resting: bool
    stable_hash: str = ""
    new_hash: str = ""
    next_ready_at: datetime | None = None


class WorkloadProvider(Protocol):
    """One way of releasing one workload kind. Pure: snapshot in, effects out.

    No effects means that there is nothing to write now.
    """

    def problem(self, snapshot: Snapshot) -> str | None:
        """Say why the workload cannot be released this way: field and remedy, or None."""

    def original(self, snapshot: Snapshot) -> dict[str, Any]:
        """Return the user's fields that a release changes."""

    def progress(self, snapshot: Snapshot, versions: Versions, now: datetime) -> Progress:
        """Count pods by version."""

    def advance(
        self,
        snapshot: Snapshot,
        versions: Versions,
        progress: Progress,
        *,
        target: int,
        reserve: int,
        keep: int,
    ) -> tuple[Effect, ...] | None:
        """Move towards `target` new pods, keeping at least `reserve` stable ones meanwhile.

        `keep` stable pods stay for as long as the step lasts.

        None means that nothing is left to move until pods get ready; no effects mean that
        the workload's controller has to act on the last ones first.
        """

    def freeze(
        self, snapshot: Snapshot, versions: Versions, progress: Progress
    ) -> tuple[Effect, ...]:
        """Stop where it is, so that nothing moves even without a Tandem process."""

    def withdraw(self, snapshot: Snapshot, versions: Versions) -> tuple[Effect, ...]:
        """Bring back the stable version everywhere, with the user's fields restored."""

    def withdrawn(self, progress: Progress) -> bool:
        """Whether only stable pods are left, as many as asked for and ready."""

    def state(
        self, snapshot: Snapshot, versions: Versions, template: Mapping[str, Any]
    ) -> tuple[Effect, ...]:
        """State a template, paused, with the user's fields: nothing moves by it yet."""

    def finish(self, snapshot: Snapshot, versions: Versions) -> tuple[Effect, ...]:
        """Let the workload's own controller roll out the rest with the user's fields."""

    def finished(self, progress: Progress) -> bool:
        """Whether the workload runs the new version everywhere."""

    def clean_up(self, snapshot: Snapshot) -> tuple[Effect, ...]:
        """Remove what the release put beside the workload."""
