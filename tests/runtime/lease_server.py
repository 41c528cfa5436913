# ruff: noqa: ARG002  the signatures are those of LeaseClient
"""One Lease, and replicas whose links to it can be cut, delayed or made one-way."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from tandem_controller.kube.client import PatchType
from tandem_controller.kube.errors import AlreadyExists, Conflict, NotFound, Unavailable
from tandem_controller.kube.resource import Resource
from tandem_controller.kube.watch_stream import WatchEvent, WatchEventType
from tests.runtime.virtual import now


class Net(Enum):
    """What happens to a replica's requests."""

    UP = auto()
    REFUSED = auto()
    HANGS = auto()
    """Nothing arrives at the server, and no answer comes."""
    ANSWERS_LOST = auto()
    """The server does what it is asked, and no answer comes."""
    WRITE_ANSWERS_LOST = auto()
    """The same, for writes only."""
    LATE_ANSWERS = auto()
    """The server does it at once; the answer takes three seconds."""
    SLOW = auto()
    """The server does it after two seconds; the answer takes another."""


@dataclass
class LeaseServer:
    lease: dict[str, Any] | None = None
    version: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def write(self, spec: Mapping[str, Any]) -> bytes:
        self.version += 1
        old = self.lease["spec"] if self.lease else {}
        metadata = {"name": "l", "resourceVersion": str(self.version)}
        self.lease = {"metadata": metadata, "spec": {**old, **spec}}
        self.changed.set()
        self.changed = asyncio.Event()
        return self.read()

    def read(self) -> bytes:
        if self.lease is None:
            raise NotFound(404, "NotFound", "no lease")
        return json.dumps(self.lease).encode()

    def delete(self) -> None:
        self.lease = None
        self.version += 1
        self.changed.set()
        self.changed = asyncio.Event()

    @property
    def holder(self) -> str:
        return str(self.lease["spec"]["holderIdentity"]) if self.lease else ""


@dataclass
class Link:
    """A replica's ``LeaseClient``."""

    server: LeaseServer
    net: Net = Net.UP
    requests: list[tuple[float, str]] = field(default_factory=list)

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> bytes:
        await self._there("GET")
        answer = self.server.read()
        await self._back(writes=False)
        return answer

    async def create(
        self,
        resource: Resource,
        body: Mapping[str, Any],
        namespace: str | None = None,
        *,
        field_manager: str,
    ) -> bytes:
        await self._there("POST")
        if self.server.lease is not None:
            raise AlreadyExists(409, "AlreadyExists", "it exists")
        answer = self.server.write(body["spec"])
        await self._back()
        return answer

    async def patch(
        self,
        resource: Resource,
        name: str,
        body: Mapping[str, Any],
        namespace: str | None = None,
        *,
        patch_type: PatchType,
        field_manager: str | None = None,
    ) -> bytes:
        await self._there("PATCH")
        self.server.read()
        if body["metadata"]["resourceVersion"] != str(self.server.version):
            raise Conflict(409, "Conflict", "the object has been modified")
        answer = self.server.write(body["spec"])
        await self._back()
        return answer

    async def watch(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        resource_version: str | None,
        timeout_seconds: int,
        field_selector: str | None = None,
    ) -> AsyncGenerator[WatchEvent, None]:
        await self._there("WATCH")
        seen, ends_at = int(resource_version or 0), now() + timeout_seconds
        while now() < ends_at:
            changed = self.server.changed
            if self.net is Net.REFUSED:
                raise Unavailable(0, "ConnectionLost", "the connection was cut")
            if self.net not in {Net.HANGS, Net.ANSWERS_LOST} and self.server.version > seen:
                seen = self.server.version
                if self.server.lease is None:
                    yield WatchEvent(WatchEventType.DELETED, b"{}")
                else:
                    yield WatchEvent(WatchEventType.MODIFIED, self.server.read())
            try:
                async with asyncio.timeout_at(ends_at):
                    await changed.wait()
            except TimeoutError:
                return

    async def _there(self, verb: str) -> None:
        self.requests.append((now(), verb))
        if self.net is Net.REFUSED:
            raise Unavailable(0, "ConnectionRefused", "refused")
        if self.net is Net.HANGS:
            await asyncio.sleep(1e6)
        if self.net is Net.SLOW:
            await asyncio.sleep(2)

    async def _back(self, *, writes: bool = True) -> None:
        lost = {Net.ANSWERS_LOST, Net.WRITE_ANSWERS_LOST} if writes else {Net.ANSWERS_LOST}
        if self.net in lost:
            await asyncio.sleep(1e6)
        if self.net is Net.LATE_ANSWERS:
            await asyncio.sleep(3)
        if self.net is Net.SLOW:
            await asyncio.sleep(1)
