"""Waiting for one object by a watch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing, suppress
from typing import Any

import msgspec

from tandem_controller.kube.client import Client
from tandem_controller.kube.errors import Gone, NotFound
from tandem_controller.kube.resource import Resource
from tandem_controller.kube.watch_stream import WatchEventType

Object = dict[str, Any]

WATCH_SECONDS = 600
"""A watch ends at the latest then, and the object is read anew: one request in ten minutes."""


class StillNotSo(Exception):  # noqa: N818 - it reports a state, not a failure
    """The object was not as wanted in time; carries what it was last."""

    def __init__(self, resource: Resource, name: str, seconds: float, last: Object | None) -> None:
        super().__init__(f"{resource.kind} {name!r} is not as wanted after {seconds:g} s: {last}")
        self.last = last


async def wait_for(
    client: Client,
    resource: Resource,
    name: str,
    namespace: str | None,
    wanted: Callable[[Object | None], bool],
    *,
    seconds: float,
) -> Object | None:
    """Return the object once it is as wanted; None stands for an object that does not exist.

    Raises:
        StillNotSo: when it is not within `seconds`.
    """
    last: Object | None = None
    try:
        async with asyncio.timeout(seconds):
            while True:
                last, version = await _read(client, resource, name, namespace)
                if wanted(last):
                    return last
                watch = client.watch(
                    resource,
                    namespace=namespace,
                    resource_version=version,
                    timeout_seconds=WATCH_SECONDS,
                    field_selector=f"metadata.name={name}",
                )
                # 410: the version is too old, as after a change of the kind's CRD. Read anew.
                with suppress(Gone):
                    async with aclosing(watch) as events:
                        async for event in events:
                            if event.type is WatchEventType.BOOKMARK:
                                continue
                            deleted = event.type is WatchEventType.DELETED
                            last = None if deleted else msgspec.json.decode(event.object)
                            if wanted(last):
                                return last
    except TimeoutError:
        raise StillNotSo(resource, name, seconds, last) from None


async def _read(
    client: Client, resource: Resource, name: str, namespace: str | None
) -> tuple[Object | None, str]:
    """Return the object and the version to watch from."""
    try:
        found: Object = msgspec.json.decode(await client.get(resource, name, namespace))
    except NotFound:
        page = await client.list_page(
            resource,
            namespace=namespace,
            limit=1,
            continue_token=None,
            resource_version=None,
            label_selector=None,
            field_selector=f"metadata.name={name}",
        )
        listed = msgspec.json.decode(page)
        # It may have been created since it was not found; then no watch from here tells of it.
        items: list[Object] = listed["items"] or []
        return items[0] if items else None, listed["metadata"]["resourceVersion"]
    return found, found["metadata"]["resourceVersion"]
