"""Putting what Tandem needs into a cluster that no addon was enabled in.

The addon carries the same objects; this is for a controller that runs beside its
cluster, and for tests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

import msgspec

from tandem_controller.api.crd import crds, keeping_conversion
from tandem_controller.api.guard import (
    GROUP,
    MUTATING_VERSIONS,
    mutating_policies,
    validating_policies,
)
from tandem_controller.api.watched import policy_within
from tandem_controller.kube.client import Client, PatchType
from tandem_controller.kube.errors import NotFound
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
    for name, crd in crds().items():
        await apply(client, CRD, keeping_conversion(crd, await _live(client, name)))
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


async def _live(client: Client, name: str) -> dict[str, Any] | None:
    try:
        live: dict[str, Any] = msgspec.json.decode(await client.get(CRD, name))
    except NotFound:
        return None
    return live


async def _established(client: Client, name: str) -> None:
    """Wait for the condition `Established`, which a CRD gets within a moment."""
    while True:
        crd = msgspec.json.decode(await client.get(CRD, name))
        # null, and not absent, in the first moment of a CRD
        conditions = crd.get("status", {}).get("conditions") or ()
        if any(c["type"] == "Established" and c["status"] == "True" for c in conditions):
            return
        await asyncio.sleep(0.05)


async def install(client: Client, *, writers: Collection[str]) -> None:
    """Apply everything that protects and describes releases, before the controller starts.

    `writers` are the users that Tandem writes as.
    """
    await install_crds(client)
    await install_policies(client, writers)


async def install_policies(
    client: Client,
    writers: Collection[str],
    owners: Collection[Mapping[str, str]] = (),
    namespaces: Collection[str] = (),
) -> str | None:
    """Apply the admission policies that this cluster can have; they go with their owners.

    They are for these namespaces, or for all where none are named.

    Returns:
        The served version of MutatingAdmissionPolicy, or None where only the validating
        ones could be installed: then a template change is refused while no Tandem runs.
    """
    for policy in validating_policies(writers):
        mine = owned(policy_within(policy, namespaces), owners)
        await apply(client, guard_resource(mine), mine)
    for version in MUTATING_VERSIONS:
        if "mutatingadmissionpolicies" in await client.server_resources(GROUP, version):
            for policy in mutating_policies(writers, version):
                mine = owned(policy_within(policy, namespaces), owners)
                await apply(client, guard_resource(mine), mine)
            return version
    return None


async def remove_policies(client: Client) -> None:
    """Take the admission policies away, each binding before its policy."""
    bodies = list(validating_policies(()))
    for version in MUTATING_VERSIONS:
        if "mutatingadmissionpolicies" in await client.server_resources(GROUP, version):
            bodies += mutating_policies((), version)
            break
    for body in reversed(bodies):
        await remove(client, guard_resource(body), body["metadata"]["name"])


async def remove(client: Client, resource: Resource, name: str) -> None:
    """Delete one cluster-scoped object; that it is gone is success."""
    with suppress(NotFound):
        await client.delete(resource, name, uid=None)


def owned(body: Mapping[str, Any], owners: Collection[Mapping[str, str]]) -> dict[str, Any]:
    """Return an object that is collected with its owners; without any, it stays."""
    return {**body, "metadata": {**body["metadata"], "ownerReferences": list(owners)}}


def guard_resource(body: Mapping[str, Any]) -> Resource:
    """Return where an admission policy, binding or webhook configuration lives."""
    group, version = body["apiVersion"].split("/")
    kind = body["kind"]
    return Resource(group, version, _plural(kind), kind, namespaced=False)


def _plural(kind: str) -> str:
    lower = kind.lower()
    return f"{lower[:-1]}ies" if lower.endswith("y") else f"{lower}s"
