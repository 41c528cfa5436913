"""Reading what a decision asks to see, where no cache holds it: one request a look."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import msgspec

from tandem_controller.effect import Kind, Look
from tandem_controller.kinds import KNOWN, LOOKED_AT
from tandem_controller.kube.client import Client
from tandem_controller.kube.errors import Forbidden, NotFound
from tandem_controller.snapshot import Seen


class Eye:
    """Reads from the API server."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def see(self, namespace: str, looks: Iterable[Look]) -> tuple[Seen, ...]:
        """Return what the looks found; an object that does not exist is an empty answer.

        Raises:
            ApiError: where the API server gave no verdict. That Tandem may not read
                something is one, and part of the answer.
        """
        return tuple(await asyncio.gather(*(self._one(namespace, look) for look in looks)))

    async def misses(self, kind: Kind, namespace: str, name: str) -> bool:
        """Whether an object does not exist, whatever a cache says.

        Raises:
            ApiError: where the API server gave no verdict.
        """
        try:
            await self._client.get(KNOWN[kind].resource, name, namespace)
        except NotFound:
            return True
        return False

    async def _one(self, namespace: str, look: Look) -> Seen:
        try:
            return Seen(look=look, objects=tuple(await self._read(namespace, look)))
        except NotFound:
            return Seen(look=look)
        except Forbidden as error:
            return Seen(look=look, refused=error.message)

    async def _read(self, namespace: str, look: Look) -> list[Any]:
        known = LOOKED_AT[look.kind]
        if look.name:
            return [known.decode(await self._client.get(known.resource, look.name, namespace))]
        page = await self._client.list_page(known.resource, namespace=namespace, limit=None)
        return [known.decode(item) for item in msgspec.json.decode(page, type=_List).items]


class _List(msgspec.Struct):
    items: list[msgspec.Raw]
