"""What Prometheus is shown of Rollouts: their gauges now, and the releases that ended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tandem_controller.api.record import Attempt, Outcome, ReleaseRecord
from tandem_controller.decide import records
from tandem_controller.kube.store import Key
from tandem_controller.link.gauges import GAUGES, Row, View
from tandem_controller.snapshot import Snapshot

UNKNOWN = "Unknown"
"""Class of a change that its record does not state."""

_Ended = frozenset[tuple[str, datetime]]


class ReleaseMetrics(Collector):
    """Series of each Rollout, made anew at every look: what is gone leaves no series."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._rows: dict[Key, tuple[tuple[Row, ...], ...]] = {}
        self._ended: dict[Key, _Ended] = {}
        self._releases = Counter(
            "tandem_releases",
            "Releases that ended, by the part of the pod template that they changed",
            ["namespace", "component_definition", "change", "outcome"],
            registry=registry,
        )
        registry.register(self)

    def observe(self, snapshot: Snapshot) -> None:
        """Show a Rollout as it is."""
        metadata = snapshot.rollout.metadata
        key = Key(metadata.namespace, metadata.name)
        view = View(snapshot=snapshot)
        self._rows[key] = tuple(tuple(gauge.rows(view)) for gauge in GAUGES)
        self._count(key, snapshot)

    def forget(self, key: Key) -> None:
        """Remove the series of a Rollout that is gone; one that was never shown has none."""
        self._rows.pop(key, None)
        self._ended.pop(key, None)

    def collect(self) -> Iterator[Metric]:
        """Yield every family, also one without series: its name is known from the start."""
        for index, gauge in enumerate(GAUGES):
            labels = ("namespace", "rollout", *gauge.labels)
            family = GaugeMetricFamily(gauge.name, gauge.help, labels=labels)
            for key, rows in self._rows.items():
                for values, value in rows[index]:
                    family.add_metric((key.namespace, key.name, *values), value)
            yield family

    def _count(self, key: Key, snapshot: Snapshot) -> None:
        """Count releases that ended since the last look; the first look counts no history."""
        known = records.of_workload(snapshot)
        ended = frozenset((r.metadata.name, a.started_at) for r, a in _ended(known))
        before = self._ended.get(key, ended)
        self._ended[key] = ended
        for record, attempt in _ended(known):
            if (record.metadata.name, attempt.started_at) not in before:
                self._releases.labels(*_labels(record, attempt)).inc()


def _ended(known: Iterable[ReleaseRecord]) -> Iterator[tuple[ReleaseRecord, Attempt]]:
    """Yield the attempts that ended; a baseline was no release."""
    for record in known:
        for attempt in record.status.attempts:
            if attempt.outcome not in (None, Outcome.BASELINE):
                yield record, attempt


def _labels(record: ReleaseRecord, attempt: Attempt) -> tuple[str, str, str, str]:
    return (
        record.metadata.namespace,
        record.spec.component_definition,
        attempt.change.value if attempt.change else UNKNOWN,
        attempt.outcome.value if attempt.outcome else "",
    )
