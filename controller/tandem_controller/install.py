"""Putting what Tandem needs into a cluster that no addon was enabled in.

The addon carries the same objects; this is for a controller that runs beside its
cluster, and for tests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from tandem_controller.api.crd import crds
from tandem_controller.kube.client import Client, PatchType
from tandem_controller.kube.resource import Resource

FIELD_MANAGER = "tandem-install"
ESTABLISHED_SECONDS = 30
CRD = Resource(
    "apiextensions.k8s.io",
    "v1",
    "customresourcedefinitions",
    "CustomResourceDefinition",
    namespaced=False,
)


async def install_crds(client: Client) -> None:
    """Apply the CustomResourceDefinitions and wait until they are served.

    Raises:
        ApiError: when the API server refuses one.
        TimeoutError: when one is not established in time.
    """
    for crd in crds().values():
        await apply(client, CRD, crd)
    async with asyncio.timeout(ESTABLISHED_SECONDS):
        for name in crds():
            await _established(client, name)


async def apply(client: Client, resource: Resource, body: Mapping[str, Any]) -> None:
    """Server-side apply one cluster-scoped object."""
    await client.patch(
        resource,
        body["metadata"]["name"],
        dict(body),
        patch_type=PatchType.APPLY,
        field_manager=FIELD_MANAGER,
        force=True,
    )


async def _established(client: Client, name: str) -> None:
    """Wait for the condition `Established`, which a CRD gets within a moment."""
    while True:
        crd = msgspec.json.decode(await client.get(CRD, name))
        conditions = crd.get("status", {}).get("conditions", ())
        if any(c["type"] == "Established" and c["status"] == "True" for c in conditions):
            return
        await asyncio.sleep(0.05)


async def install(client: Client, *, controller_user: str) -> None:
    """Apply everything that the controller needs before it starts."""
    del controller_user
    await install_crds(client)
