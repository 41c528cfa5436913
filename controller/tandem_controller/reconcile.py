"""One Rollout at a time: observe, decide, act, until nothing is due."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol

import structlog

from tandem_controller.act import Actor
from tandem_controller.api.rollout import Rollout
from tandem_controller.caches import Caches
from tandem_controller.decide.left import left
from tandem_controller.decide.release import decide
from tandem_controller.effect import Decision, Kind, Note
from tandem_controller.kube.errors import ApiError, Conflict, NotFound
from tandem_controller.kube.lease import LeadershipLost
from tandem_controller.kube.store import Key
from tandem_controller.kube.workqueue import QueueClosed, WorkQueue
from tandem_controller.look import Eye
from tandem_controller.observe import gather, gather_left
from tandem_controller.snapshot import Snapshot
from tandem_controller.telemetry import Metrics

MAX_PASSES = 50
"""Decisions in a row for one Rollout; more means that two rules disagree."""

MAX_LOOKS = 5
"""Looks before one decision; the second follows from what the first one found."""

log = structlog.get_logger()


class Recorder(Protocol):
    """Tells people what happened; must never block."""

    def tell(self, rollout: Rollout, note: Note) -> None:
        """Emit a Kubernetes Event about a Rollout."""


def utc_now() -> datetime:
    """Return the present moment in UTC."""
    return datetime.now(tz=UTC)


class Reconciler:
    """Takes keys from the queue and brings each Rollout a step further."""

    def __init__(
        self,
        *,
        caches: Caches,
        actor: Actor,
        eye: Eye,
        queue: WorkQueue[Key],
        recorder: Recorder,
        metrics: Metrics,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._caches = caches
        self._actor = actor
        self._eye = eye
        self._queue = queue
        self._recorder = recorder
        self._metrics = metrics
        self._now = now

    async def work(self) -> None:
        """Work until the queue is closed."""
        while True:
            try:
                key = await self._queue.get()
            except QueueClosed:
                return
            try:
                await self._handle(key)
            finally:
                self._queue.done(key)

    async def _handle(self, key: Key) -> None:
        with structlog.contextvars.bound_contextvars(namespace=key.namespace, rollout=key.name):
            try:
                await self.reconcile(key)
            except LeadershipLost:
                raise
            except (Conflict, NotFound) as error:
                # Somebody wrote meanwhile: the watch brings it, and the decision is made anew.
                log.debug("A write met a newer state.", error=str(error))
                self._queue.add_rate_limited(key)
            except ApiError as error:
                log.warning("A write failed and is retried.", error=str(error))
                self._metrics.write_failures.labels(reason=error.reason).inc()
                self._queue.add_rate_limited(key)
            except Exception:
                log.exception("Deciding failed; this Rollout is retried.")
                self._metrics.faults.inc()
                self._queue.add_rate_limited(key)
            else:
                self._queue.forget(key)

    async def reconcile(self, key: Key) -> None:
        """Decide and act until nothing is due, the caches lag, or the Rollout is gone."""
        for _ in range(MAX_PASSES):
            rollout = self._caches.get(Kind.ROLLOUT, key.namespace, key.name)
            if rollout is None:
                self._metrics.releases.forget(key)
                await self._tidy(key)
                return
            snapshot = gather(self._caches, rollout)
            decision = await self._decide(snapshot)
            self._show(snapshot)
            shown = await self._actor.carry_out(decision.effects)
            self._tell(rollout, decision)
            if not decision.effects:
                self._wake(key, decision)
                return
            if not shown:
                return
        log.error("Too many decisions in a row; this Rollout is looked at again later.")
        self._metrics.faults.inc()
        self._queue.add_rate_limited(key)

    async def _tidy(self, key: Key) -> None:
        """Take away what a Rollout that is gone has left on Deployments.

        The API server is asked whether it is gone: the cache may not show a new one yet, and
        what admission paused for it must stay paused.
        """
        for deployment in self._caches.left_by(key):
            snapshot = gather_left(self._caches, deployment, key.name)
            decision, name = left(snapshot), snapshot.rollout.metadata.name
            if decision.effects and await self._eye.misses(Kind.ROLLOUT, key.namespace, name):
                log.info("What a Rollout has left is taken away.", left_by=name)
                await self._actor.carry_out(decision.effects)

    def _show(self, snapshot: Snapshot) -> None:
        """Show a Rollout in the metrics; a release never fails by its monitoring."""
        try:
            self._metrics.releases.observe(snapshot)
        except Exception:
            log.exception("Showing a Rollout in the metrics failed; its release goes on.")
            self._metrics.faults.inc()

    async def _decide(self, snapshot: Snapshot) -> Decision:
        """Decide; where something has to be seen first, look at it and decide anew.

        Nothing that was seen is kept: the next decision looks again.
        """
        for _ in range(MAX_LOOKS):
            decision = decide(snapshot, self._now())
            if not decision.looks:
                return decision
            seen = await self._eye.see(snapshot.rollout.metadata.namespace, decision.looks)
            snapshot = replace(snapshot, seen=(*snapshot.seen, *seen))
        msg = f"a decision asked to look {MAX_LOOKS} times: {decision.looks}"
        raise AssertionError(msg)

    def _tell(self, rollout: Rollout, decision: Decision) -> None:
        for note in decision.notes:
            level = log.warning if note.warning else log.info
            level(note.message, event_reason=note.reason)
            self._recorder.tell(rollout, note)
            self._metrics.transitions.labels(reason=note.reason).inc()

    def _wake(self, key: Key, decision: Decision) -> None:
        if decision.wake_at is not None:
            seconds = (decision.wake_at - self._now()).total_seconds()
            self._queue.add_after(key, max(0.0, seconds))
