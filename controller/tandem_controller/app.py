"""The composition root: what is wired to what, and how it starts and ends.

All replicas watch, so that a new leader starts with warm caches; only the leader acts.
A task that dies ends the process: half alive is worse than restarted.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any

import structlog
from aiohttp import web

from tandem_controller import names, standby
from tandem_controller.act import Actor
from tandem_controller.api.workload import Deployment
from tandem_controller.caches import Caches
from tandem_controller.effect import Kind
from tandem_controller.events import RolloutEvents
from tandem_controller.kinds import WATCHED
from tandem_controller.kube.client import Client
from tandem_controller.kube.events import EventRecorder, EventType, ObjectReference
from tandem_controller.kube.lease import LeaderElector, LeadershipLost, LeaseTimes
from tandem_controller.kube.reflector import ABSENT_RETRY_SECONDS, Reflector, ReflectorHooks
from tandem_controller.kube.store import Key
from tandem_controller.kube.workqueue import QueueHooks, WorkQueue
from tandem_controller.look import Eye
from tandem_controller.reconcile import Reconciler
from tandem_controller.signals import on_stop_signal
from tandem_controller.telemetry import Health, Metrics, health_app

COMPONENT = "tandem-controller"
FLUSH_SECONDS = 3.0
"""How long the last Events may take to be written at the end."""

OWN_KINDS = (
    Kind.ROLLOUT,
    Kind.RELEASE_POLICY,
    Kind.RELEASE_RECORD,
    Kind.RELEASE_APPROVAL,
)
OWN_KIND_SECONDS = 5.0
"""How often a CRD of ours is looked for that is not installed yet."""

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How one replica runs. Times in seconds."""

    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str = "vela-system"
    """Where Lease and certificate Secret live."""
    watch_namespaces: frozenset[str] = frozenset()
    """Only Rollouts of these are looked at; of all namespaces where none are named."""
    health_address: str = "0.0.0.0"
    health_port: int = 8080
    workers: int = 4
    lease: LeaseTimes = field(default_factory=LeaseTimes)


async def run(settings: Settings) -> None:
    """Run one replica until SIGTERM or SIGINT, or until leadership is lost.

    Raises:
        LeadershipLost: when the Lease could not be renewed in time.
        OtherControllerError: when another controller of the Rollout API was started.
    """
    client = await Client.connect(
        kubeconfig=settings.kubeconfig, context=settings.context, user_agent=COMPONENT
    )
    try:
        await _Replica(settings, client).run()
    finally:
        await client.close()


class _Replica:
    def __init__(self, settings: Settings, client: Client) -> None:
        self._settings = settings
        self._client = client
        self._metrics = Metrics()
        self._health = Health()
        self._caches = Caches()
        self._queue: WorkQueue[Key] = WorkQueue(hooks=_queue_hooks(self._metrics))
        self._reflectors = {kind: self._reflector(kind) for kind in WATCHED}
        self._events = EventRecorder(client, controller=COMPONENT, instance=_identity())
        self._alone = asyncio.Event()
        self._joined = asyncio.Event()
        self._elector = LeaderElector(
            client,
            namespace=settings.namespace,
            name=names.LEASE,
            identity=_identity(),
            times=settings.lease,
            on_leading=self._metrics.leader.set,
        )

    async def run(self) -> None:
        stopping = on_stop_signal()
        runner = await self._serve_health()
        try:
            async with asyncio.TaskGroup() as tasks:
                running = [tasks.create_task(each) for each in self._tasks()]
                await stopping.wait()
                log.info("Stopping: a signal was received.")
                self._health.not_ready = "stopping"
                for task in running:
                    task.cancel()
        except* LeadershipLost as lost:
            raise lost.exceptions[0] from None
        except* standby.OtherControllerError as joined:
            raise joined.exceptions[0] from None
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_SECONDS):
                    await self._events.flush()
            await runner.cleanup()

    def _tasks(self) -> Iterator[Any]:
        for reflector in self._reflectors.values():
            yield reflector.run()
        yield self._events.run()
        yield self._stand_by()
        yield self._become_ready()
        yield self._compete()

    def _reflector(self, kind: Kind) -> Reflector[Any]:
        watched, only = WATCHED[kind], self._settings.watch_namespaces
        return Reflector(
            self._client,
            watched.resource,
            decode=watched.decode,
            store=self._caches.stores[kind],
            on_change=self._on_change(kind),
            namespace=next(iter(only)) if len(only) == 1 else None,
            absent_retry_seconds=OWN_KIND_SECONDS if kind in OWN_KINDS else ABSENT_RETRY_SECONDS,
            hooks=ReflectorHooks(
                on_retry=lambda _error, _seconds: self._metrics.watch_retries.labels(kind).inc()
            ),
        )

    def _on_change(self, kind: Kind) -> Callable[[Any, Any], None]:
        def changed(old: Any, new: Any) -> None:  # noqa: ANN401 - any watched struct
            for obj in (old, new):
                if obj is not None:
                    if isinstance(obj, Deployment) and standby.is_other(obj):
                        self._joined.set()
                    for key in self._caches.concerned(kind, obj):
                        self._add(key)

        return changed

    def _add(self, key: Key) -> None:
        """Have a Rollout looked at, unless its namespace is somebody else's."""
        only = self._settings.watch_namespaces
        if not only or key.namespace in only:
            self._queue.add(key)

    async def _stand_by(self) -> None:
        """Take over nothing beside another controller, and step aside when one comes."""
        await standby.until_alone(self._client, self._tell_other)
        self._joined.clear()
        self._alone.set()
        await self._joined.wait()
        raise standby.OtherControllerError("another controller of the Rollout API was started")

    def _tell_other(self, reason: str) -> None:
        self._health.not_ready = reason
        log.warning("Standing by.", reason=reason)
        self._events.record(
            ObjectReference(
                api_version="apps/v1",
                kind="Deployment",
                name=names.DEPLOYMENT,
                namespace=self._settings.namespace,
            ),
            type=EventType.WARNING,
            reason="StandingBy",
            action="StandBy",
            note=reason,
        )

    async def _compete(self) -> None:
        await self._alone.wait()
        await self._elector.run(self._lead)

    async def _become_ready(self) -> None:
        await self._alone.wait()
        await self._synced()
        self._health.not_ready = None
        gc.collect()
        gc.freeze()
        log.info("Ready: the caches are complete.")

    async def _synced(self) -> None:
        for reflector in self._reflectors.values():
            await reflector.has_synced.wait()

    async def _lead(self) -> None:
        """Act on all Rollouts; runs only while this replica holds the Lease."""
        await self._synced()
        reconciler = Reconciler(
            caches=self._caches,
            eye=Eye(self._client),
            actor=Actor(self._client, self._caches, lambda: self._elector.is_leader),
            queue=self._queue,
            recorder=RolloutEvents(self._events),
            metrics=self._metrics,
        )
        for rollout in self._caches.stores[Kind.ROLLOUT].list():
            self._add(Key(rollout.metadata.namespace, rollout.metadata.name))
        async with asyncio.TaskGroup() as workers:
            for _ in range(self._settings.workers):
                workers.create_task(reconciler.work())

    async def _serve_health(self) -> web.AppRunner:
        runner = web.AppRunner(health_app(self._metrics, self._health), access_log=None)
        await runner.setup()
        address, port = self._settings.health_address, self._settings.health_port
        await web.TCPSite(runner, address, port).start()
        log.info("Serving probes and metrics.", addresses=runner.addresses)
        return runner


def _queue_hooks(metrics: Metrics) -> QueueHooks:
    return QueueHooks(
        depth=metrics.queue_depth.set,
        wait_seconds=metrics.queue_wait.observe,
        work_seconds=metrics.work.observe,
    )


def _identity() -> str:
    """Name this life of this replica: two lives of one pod must not share a Lease."""
    return f"{os.environ.get('POD_NAME') or socket.gethostname()}_{token_hex(4)}"
