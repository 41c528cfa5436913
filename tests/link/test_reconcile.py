"""A release never fails by its monitoring."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pytest
from prometheus_client import generate_latest

from tandem_controller.act import Actor
from tandem_controller.api.rollout import Rollout
from tandem_controller.caches import Caches
from tandem_controller.effect import Effect, Kind, Note
from tandem_controller.kube.store import Key
from tandem_controller.kube.workqueue import WorkQueue
from tandem_controller.look import Eye
from tandem_controller.reconcile import Reconciler
from tandem_controller.snapshot import Snapshot
from tandem_controller.telemetry import Metrics
from tests.examples import NOW, rollout


class RememberingActor:
    """Remembers what it was to do."""

    def __init__(self) -> None:
        self.done: list[Effect] = []

    async def carry_out(self, effects: Sequence[Effect]) -> bool:
        self.done += effects
        return False


class Deaf:
    """Tells nobody."""

    def tell(self, rollout: Rollout, note: Note) -> None:
        pass


async def test_a_fault_in_the_metrics_is_counted_and_the_release_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    metrics, actor, caches = Metrics(), RememberingActor(), Caches()

    def fails(_: Snapshot) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(metrics.releases, "observe", fails)
    caches.stores[Kind.ROLLOUT].upsert(rollout())
    reconciler = Reconciler(
        caches=caches,
        actor=cast("Actor", actor),
        eye=cast("Eye", None),  # nothing is looked at here
        queue=WorkQueue(),
        recorder=Deaf(),
        metrics=metrics,
        now=lambda: NOW,
    )
    await reconciler.reconcile(Key("web", "shop"))
    assert actor.done
    assert b"tandem_faults_total 1.0" in generate_latest(metrics.registry)
