"""A reflector, its store and its server, for one test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

from tandem_controller.kube.client import Client
from tandem_controller.kube.reflector import Reflector
from tandem_controller.kube.store import Store
from tests.runtime.fault_server import (
    FaultServer,
    running,
)
from tests.runtime.things import THING, Thing, decode_thing
from tests.runtime.virtual import stopped, until


class Setup:
    """A server with objects a and b, and a reflector of them."""

    def __init__(self, folder: Path, *, watch_list: bool = False) -> None:
        self.folder = folder
        self.server = FaultServer()
        self.store = Store[Thing]({"color": lambda thing: [thing.spec.color]})
        self.changes: list[tuple[str, str]] = []
        self.watch_list = watch_list
        self.server.put("a", color="red")
        self.server.put("b", color="blue")

    @asynccontextmanager
    async def reflecting(self) -> AsyncIterator[Reflector[Thing]]:
        async with running(self.server, self.folder) as client:
            reflector = self.reflector(client)
            task = asyncio.create_task(reflector.run())
            try:
                yield reflector
                assert not task.done(), "the reflector must never end"
            finally:
                await stopped(task)

    async def following(self, reflector: Reflector[Thing]) -> None:
        """Until the list is there and the watch is open."""
        await reflector.has_synced.wait()
        await until(lambda: self.server.streams)

    def reflector(self, client: Client) -> Reflector[Thing]:
        return Reflector(
            client,
            THING,
            decode=decode_thing,
            store=self.store,
            on_change=self._note,
            watch_list=self.watch_list,
            random=Random(1),
        )

    def _note(self, old: Thing | None, new: Thing | None) -> None:
        kind = "gone" if new is None else "new" if old is None else "changed"
        some = new or old
        assert some is not None
        self.changes.append((kind, some.metadata.name))

    @property
    def names(self) -> list[str]:
        return sorted(thing.metadata.name for thing in self.store.list())

    def equal(self) -> bool:
        """Whether the store is what the server has, version for version."""
        served = {k[2]: o["metadata"]["resourceVersion"] for k, o in self.server.objects.items()}
        return served == {t.metadata.name: t.metadata.resource_version for t in self.store.list()}
