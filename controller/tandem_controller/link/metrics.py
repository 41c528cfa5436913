"""What Prometheus is shown of Rollouts: their gauges now, and the releases that ended."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tandem_controller.api.record import Attempt, Outcome, ReleaseRecord
from tandem_controller.decide.history import records
from tandem_controller.kube.store import Key
from tandem_controller.link.gauges import GAUGES, Row, View
from tandem_controller.snapshot import Snapshot

UNKNOWN = "Unknown"
"""Class of a change that its record does not state."""

_ENDS = tuple(outcome for outcome in Outcome if outcome is not Outcome.BASELINE)
"""How a release ends; a baseline was no release."""

_Ended = frozenset[tuple[str, datetime]]


class ReleaseMetrics(Collector):
    """Series of each Rollout, made anew at every look: what is gone leaves no series."""

    COMMON = ("namespace", "rollout")
    """Labels that every gauge has."""

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
            labels = (*self.COMMON, *gauge.labels)
            family = GaugeMetricFamily(gauge.name, gauge.help, labels=labels)
            for key, rows in self._rows.items():
                for values, value in rows[index]:
                    family.add_metric((key.namespace, key.name, *values), value)
            yield family

    def _count(self, key: Key, snapshot: Snapshot) -> None:
        """Count releases that ended since the last look; the first look counts no history.

        A release in progress has its series already, at zero: Prometheus' `increase` does not
        see a series that begins with 1.
        """
        attempts = [(r, a) for r in records.of_workload(snapshot) for a in r.status.attempts]
        ended = {_name(r, a): (r, a) for r, a in attempts if a.outcome in _ENDS}
        before = self._ended.get(key, frozenset(ended))
        self._ended[key] = frozenset(ended)
        for record, attempt in attempts:
            if attempt.outcome is None:
                for outcome in _ENDS:
                    self._releases.labels(*_labels(record, attempt, outcome))
        for name, (record, attempt) in ended.items():
            if name not in before and attempt.outcome is not None:
                self._releases.labels(*_labels(record, attempt, attempt.outcome)).inc()


def _name(record: ReleaseRecord, attempt: Attempt) -> tuple[str, datetime]:
    return record.metadata.name, attempt.started_at


def _labels(record: ReleaseRecord, attempt: Attempt, outcome: Outcome) -> tuple[str, str, str, str]:
    return (
        record.metadata.namespace,
        record.spec.component_definition,
        attempt.change.value if attempt.change else UNKNOWN,
        outcome.value,
    )
