"""Reading any kind as plain JSON, for commands that look at what is not Tandem's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tandem_controller.kube.client import Client
from tandem_controller.kube.errors import Forbidden, NotFound
from tandem_controller.kube.resource import Resource

Obj = dict[str, Any]


@dataclass(frozen=True)
class Found:
    """The objects of one kind. `refused` says why they could not be read; empty otherwise."""

    resource: Resource
    items: tuple[Obj, ...] = ()
    refused: str = ""
    served: bool = True


@dataclass
class Reader:
    """Lists kinds one after another, and remembers what it was not allowed to see."""

    client: Client
    unread: list[str] = field(default_factory=list)

    async def all(self, resource: Resource, namespace: str | None = None) -> tuple[Obj, ...]:
        """Return every object of a kind; none where the kind is absent or may not be read."""
        found = await read(self.client, resource, namespace)
        if found.refused:
            self.unread.append(found.refused)
        return found.items

    async def one(self, resource: Resource, name: str, namespace: str | None = None) -> Obj | None:
        """Return an object by name; None where it is absent or may not be read."""
        try:
            return await get(self.client, resource, name, namespace)
        except Forbidden as error:
            self.unread.append(f"{resource.plural} {name!r}: {error.message}")
            return None


async def read(client: Client, resource: Resource, namespace: str | None = None) -> Found:
    """List a kind to its end.

    Raises:
        ApiError: where the API server gave no verdict; that it may not be read is one.
    """
    items: list[Obj] = []
    token: str | None = None
    while True:
        try:
            raw = await client.list_page(resource, namespace=namespace, continue_token=token)
        except NotFound:
            return Found(resource, served=False)
        except Forbidden as error:
            return Found(resource, refused=f"{resource.plural}: {error.message}")
        page = msgspec.json.decode(raw)
        kind = {"apiVersion": resource.api_version, "kind": resource.kind}
        items += [{**kind, **item} for item in page.get("items") or ()]
        token = page["metadata"].get("continue")
        if not token:
            return Found(resource, tuple(items))


async def get(
    client: Client, resource: Resource, name: str, namespace: str | None = None
) -> Obj | None:
    """Return an object by name, or None where there is none."""
    try:
        found: Obj = msgspec.json.decode(await client.get(resource, name, namespace))
    except NotFound:
        return None
    return found


def named(objects: Sequence[Obj], name: str) -> Obj | None:
    """Return the object of a name among those that were read."""
    return next((o for o in objects if o["metadata"]["name"] == name), None)


def key_of(obj: Obj) -> str:
    """Return `namespace/name`, or the name of what belongs to no namespace."""
    metadata = obj["metadata"]
    namespace = metadata.get("namespace")
    return f"{namespace}/{metadata['name']}" if namespace else str(metadata["name"])
