"""A namespace of one test's own, and a client that sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

from tandem_controller.kube.client import Client
from tandem_controller.kube.resource import Resource

NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False)


@asynccontextmanager
async def own_namespace(kubeconfig: Path) -> AsyncIterator[tuple[Client, str]]:
    """Yield a client as this kubeconfig's user, and a namespace that is deleted afterwards."""
    client = await Client.connect(kubeconfig=kubeconfig, user_agent="test")
    try:
        name = await create_namespace(client)
        try:
            yield client, name
        finally:
            await client.delete(NAMESPACES, name, uid=None)
    finally:
        await client.close()


async def create_namespace(client: Client, name: str = "") -> str:
    """Create a namespace, by default one that nobody else uses; return its name."""
    name = name or f"t-{uuid4().hex[:8]}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    await client.create(NAMESPACES, body, field_manager="test")
    return name
