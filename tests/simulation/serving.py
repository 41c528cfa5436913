"""Whom requests reach: no Service with traffic loses its last endpoint, no weight is early."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tandem_controller.decide import plan as plans
from tandem_controller.effect import Kind
from tests.simulation import facts
from tests.simulation.facts import CANARY, WEB
from tests.simulation.store import Store

GRACE = timedelta(seconds=3)
SERVICES = (WEB, CANARY)


@dataclass(kw_only=True)
class Serving:
    """Remembers endpoints and shares of traffic as they were before a write."""

    store: Store
    _ready: dict[str, int] = field(default_factory=dict)
    _shares: dict[str, int] = field(default_factory=dict)
    _loaded_until: dict[str, datetime] = field(default_factory=dict)
    """Until when proxies may still send requests to a Service."""

    def judge_endpoints(self, to_blame: Callable[[], bool]) -> None:
        """A Service that gets requests must not lose its last ready endpoint to us."""
        now = self.store.now
        shares = facts.shares(self.store)
        for service, share in (self._shares | shares).items():
            if share and service in shares and shares[service]:
                self._loaded_until[service] = datetime.max.replace(tzinfo=now.tzinfo)
            elif self._shares.get(service):
                self._loaded_until[service] = now + GRACE
        for service in SERVICES:
            ready = facts.ready_behind(self.store, service)
            was, self._ready[service] = self._ready.get(service, 0), ready
            loaded = self._loaded_until.get(service)
            if was and not ready and loaded and loaded > now and to_blame():
                raise AssertionError(f"Service {service} lost its last endpoint and has traffic")

    def judge_traffic(
        self, step: Callable[[], plans.PlannedStep | None] | None, *, replicas: int
    ) -> None:
        """Traffic grows only to what serves, and only as the step says.

        `step` says which step has been entered; None where nobody is to be judged. Of a
        workload without replicas no endpoint is asked for.
        """
        shares = facts.shares(self.store)
        before, self._shares = self._shares, shares
        if step is None:
            return
        grown = {s: share for s, share in shares.items() if share > before.get(s, 0)}
        for service, share in grown.items() if replicas else ():
            assert self._endpoints(service), (
                f"{share} % of traffic to Service {service}, which has no ready endpoint"
            )
        if CANARY in grown:
            most = _most(step())
            assert grown[CANARY] <= most, f"{grown[CANARY]} % of traffic, {most} % is allowed"

    def _endpoints(self, service: str) -> int:
        found = self.store.find(Kind.ENDPOINT_SLICE, service)
        endpoints = (found or {}).get("endpoints", ())
        return sum(e["conditions"]["ready"] for e in endpoints)


def _most(step: plans.PlannedStep | None) -> int:
    """Return the share that a step allows; matching requests alone count as one per cent."""
    split = step.split if step else None
    return (split.weight or int(bool(split.matches))) if split else 0
