"""Counting a ReplicaSet's ready pods."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from tandem_controller.api.workload import Pod


@dataclass(frozen=True, kw_only=True)
class ReadyCount:
    """Pods that are available now, and when the next one becomes so by itself."""

    ready: int
    next_at: datetime | None = None


def count_ready(pods: Iterable[Pod], min_ready_seconds: int, now: datetime) -> ReadyCount:
    """Count pods that have been ready for `min_ready_seconds` (Deployment API field)."""
    dwell = timedelta(seconds=min_ready_seconds)
    times = [pod.ready_since + dwell for pod in pods if pod.ready_since is not None]
    pending = [at for at in times if at > now]
    return ReadyCount(ready=len(times) - len(pending), next_at=min(pending, default=None))
