"""What a traffic layer is asked for, and the one protocol that every layer speaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from tandem_controller.api.rollout import RouteMatch, TrafficRouting
from tandem_controller.effect import Effect
from tandem_controller.snapshot import TrafficSnapshot


@dataclass(frozen=True, kw_only=True)
class Backends:
    """The Services between which traffic is split, and who owns what is created for it."""

    namespace: str
    stable: str
    canary: str
    owner: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Split:
    """How traffic is to be split.

    `weight` is the percentage of requests for the canary, 0 to 100, and None where the
    step states none; requests that fit one of `matches` go to the canary as well.
    """

    weight: int | None = None
    matches: tuple[RouteMatch, ...] = ()

    @property
    def stable_percent(self) -> int:
        """Percentage of ordinary requests that stay with the stable Service."""
        return 100 - (self.weight or 0)


class TrafficProvider(Protocol):
    """One traffic layer. Pure: objects in, effects out.

    `original` is the route's spec as it was before the release, or None when it was not
    recorded.
    """

    def problem(self, routing: TrafficRouting, traffic: TrafficSnapshot, stable: str) -> str | None:
        """Say what is missing before a release may start: field and remedy, or None."""

    def original(self, traffic: TrafficSnapshot) -> tuple[str, dict[str, Any]] | None:
        """Return name and spec of the user's route, where Tandem edits it in place."""

    def weight(self, traffic: TrafficSnapshot, backends: Backends) -> int:
        """Return the percentage of ordinary requests that go to the canary now."""

    def route(
        self,
        traffic: TrafficSnapshot,
        backends: Backends,
        split: Split,
        original: dict[str, Any] | None,
    ) -> tuple[Effect, ...]:
        """Return what brings this split about; nothing when it is in force."""

    def restore(
        self,
        traffic: TrafficSnapshot,
        backends: Backends,
        original: dict[str, Any] | None,
    ) -> tuple[Effect, ...]:
        """Return what sends everything to the stable Service and leaves no trace."""
