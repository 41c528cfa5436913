"""All workloads of a component definition, kept up to date by watches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec

from tandem_cli.platform.standing import Key, Workload, component_of, stand
from tandem_cli.platform.target import Target
from tandem_controller import keys
from tandem_controller.api.meta import Model, ObjectMeta
from tandem_controller.caches import Caches
from tandem_controller.effect import Kind
from tandem_controller.kinds import WATCHED
from tandem_controller.kube.client import Client
from tandem_controller.kube.reflector import Reflector
from tandem_controller.kube.resource import Resource
from tandem_controller.kube.store import Store
from tandem_controller.observe import gather
from tandem_controller.snapshot import Snapshot

NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
KINDS = (Kind.ROLLOUT, Kind.RELEASE_POLICY, Kind.RELEASE_RECORD, Kind.DEPLOYMENT)
GATHERING_SECONDS = 0.05
"""Changes that come together are looked at together: one write of ours makes several."""


class Namespace(Model, frozen=True):
    """A Namespace; its annotation `tandem.oam.dev/freeze` keeps waves out."""

    metadata: ObjectMeta


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Where to look: namespaces (none stands for all) and a label selector for Rollouts."""

    namespaces: tuple[str, ...] = ()
    selector: str = ""

    @property
    def only(self) -> str | None:
        """The one namespace to read, or None where all are read and some are left aside."""
        return self.namespaces[0] if len(self.namespaces) == 1 else None

    def covers(self, namespace: str) -> bool:
        """Whether a namespace is looked at."""
        return not self.namespaces or namespace in self.namespaces


class Fleet:
    """The workloads of one component definition as they are now; open it with `watching`.

    Only what changed since the last look is worked out anew.
    """

    def __init__(self, target: Target, scope: Scope) -> None:
        self.target = target
        self.scope = scope
        self.caches = Caches()
        self.namespaces: Store[Namespace] = Store()
        self._changed = asyncio.Event()
        self._dirty: set[Key] = set()
        self._workloads: dict[Key, Workload] = {}

    def workloads(self) -> dict[Key, Workload]:
        """Return where each workload stands, by namespace and name of its Rollout."""
        for key in self._dirty:
            self._workloads.pop(key, None)
            snapshot = self._snapshot(key)
            if snapshot is not None:
                self._workloads[key] = stand(snapshot, self.target)
        self._dirty.clear()
        return dict(self._workloads)

    def frozen(self) -> dict[str, str]:
        """Return the reasons of the frozen namespaces."""
        return {
            found.metadata.name: found.metadata.annotations[keys.FREEZE] or "no reason is given"
            for found in self.namespaces.list()
            if keys.FREEZE in found.metadata.annotations
        }

    async def change(self, timeout_seconds: float | None) -> None:
        """Return when something has changed, or after that time."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._changed.wait()
                await asyncio.sleep(GATHERING_SECONDS)
        except TimeoutError:
            pass
        self._changed.clear()

    def _snapshot(self, key: Key) -> Snapshot | None:
        rollout = self.caches.get(Kind.ROLLOUT, *key)
        if rollout is None or not self.scope.covers(key[0]):
            return None
        snapshot = gather(self.caches, rollout)
        return snapshot if component_of(snapshot) == self.target.component else None

    def note(self, kind: Kind) -> Callable[[Any, Any], None]:
        """Return the callback that notes whom a change concerns."""

        def on_change(old: Any, new: Any) -> None:  # noqa: ANN401 - any of the kinds
            for obj in filter(None, (old, new)):
                for key in self.caches.concerned(kind, obj):
                    self._dirty.add((key.namespace, key.name))
            self._changed.set()

        return on_change

    def note_namespace(self, _old: Namespace | None, _new: Namespace | None) -> None:
        """Note that a namespace has changed."""
        self._changed.set()


@asynccontextmanager
async def watching(client: Client, target: Target, scope: Scope) -> AsyncIterator[Fleet]:
    """Watch the workloads of a definition while the block runs; they are complete at once.

    Raises:
        ApiError: when something must not be read, before anything is watched.
    """
    fleet = Fleet(target, scope)
    reflectors = tuple(_reflectors(client, fleet))
    await _check(client, scope)
    tasks = [asyncio.create_task(reflector.run()) for reflector in reflectors]
    try:
        for reflector in reflectors:
            await reflector.has_synced.wait()
        yield fleet
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _check(client: Client, scope: Scope) -> None:
    """Ask for one object of each kind: a watch would wait for a permission for ever."""
    for kind in KINDS:
        await client.list_page(WATCHED[kind].resource, namespace=scope.only, limit=1)
    await client.list_page(NAMESPACES, limit=1)


def _reflectors(client: Client, fleet: Fleet) -> Iterable[Reflector[Any]]:
    selectors = {Kind.ROLLOUT: fleet.scope.selector or None, Kind.DEPLOYMENT: keys.DEFINITION_TYPE}
    for kind in KINDS:
        yield Reflector(
            client,
            WATCHED[kind].resource,
            decode=WATCHED[kind].decode,
            store=fleet.caches.stores[kind],
            on_change=fleet.note(kind),
            namespace=fleet.scope.only,
            label_selector=selectors.get(kind),
        )
    yield Reflector(
        client,
        NAMESPACES,
        decode=msgspec.json.Decoder(Namespace).decode,
        store=fleet.namespaces,
        on_change=fleet.note_namespace,
        field_selector=f"metadata.name={fleet.scope.only}" if fleet.scope.only else None,
    )
