"""The writes of a migration, each of which may be repeated without harm."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec

from tandem_cli.cluster_objects import Obj, get, read
from tandem_cli.migration.crds import (
    ROLLOUTS,
    in_transition,
    is_ours,
    needs_rewriting,
    rewritten,
    transition,
)
from tandem_cli.migration.record import FIELD_MANAGER
from tandem_controller.api.conversion import V1ALPHA1, V1BETA1
from tandem_controller.api.crd import ROLLOUT_CRD, crds
from tandem_controller.install import CRD
from tandem_controller.kube.client import Client, PatchType
from tandem_controller.kube.errors import AlreadyExists, Invalid, NotFound, Unavailable
from tandem_controller.kube.resource import Resource
from tandem_controller.kube.wait import wait_for

SERVED_SECONDS = 30.0
_LOOK_AGAIN_SECONDS = 0.2
"""A handler is replaced inside the API server, of which no watch tells."""


async def store_as(client: Client, storage: str) -> None:
    """Have every Rollout stored in this version, whatever died in between.

    An object that somebody else changes meanwhile is read again: a conflict ends the command,
    and the next one goes on.
    """
    crd = await get(client, CRD, ROLLOUT_CRD)
    if crd is None or (is_ours(crd) and not needs_rewriting(crd, storage)):
        return
    if in_transition(crd) != storage:
        await replace_crd(client, transition(storage))
    resource = ROLLOUTS[storage]
    for rollout in (await read(client, resource)).items:
        body = rewritten(rollout, storage)
        metadata = body["metadata"]
        await client.replace(
            resource, metadata["name"], body, metadata["namespace"], field_manager=FIELD_MANAGER
        )
    await _stored_only(client, storage)


async def replace_crd(client: Client, body: Mapping[str, Any], *, answered: bool = True) -> None:
    """Put a CRD in the place of another, and wait until the API server answers for it.

    One that converts by a webhook that is not alive cannot be `answered` for.
    """
    name = body["metadata"]["name"]
    live = await get(client, CRD, name)
    if live is None:
        await client.create(CRD, body, field_manager=FIELD_MANAGER)
    else:
        version = live["metadata"]["resourceVersion"]
        metadata = {**body["metadata"], "resourceVersion": version}
        await client.replace(CRD, name, {**body, "metadata": metadata}, field_manager=FIELD_MANAGER)
    if answered:
        await _served(client, body)


async def _served(client: Client, crd: Mapping[str, Any]) -> None:
    """Wait until the API server has established a CRD, and the one of a transition answers."""
    await wait_for(client, CRD, crd["metadata"]["name"], None, _established, seconds=SERVED_SECONDS)
    if storage := in_transition(crd):
        await _answered(client, ROLLOUTS[storage])


async def _answered(client: Client, resource: Resource) -> None:
    """Wait until requests meet the CRD of the transition, and not the one before.

    A list is no proof: it may come from a cache of what the other controller converted. A
    create, which is not carried out, is one: only this CRD keeps a field that nobody knows.
    """
    spec = {"objectRef": {"tandemProbe": True}, "workloadRef": {"tandemProbe": True}}
    body = {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"name": "tandem-probe", "namespace": "default"},
        "spec": spec,
    }
    dry: dict[str, Any] = {"dryRun": "All", "fieldManager": FIELD_MANAGER}
    async with asyncio.timeout(SERVED_SECONDS):
        while True:
            with suppress(Unavailable, NotFound, Invalid):
                raw = await client.request("POST", resource.path("default"), body, dry)
                if msgspec.json.decode(raw).get("spec") == spec:
                    return
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)


def _established(crd: Obj | None) -> bool:
    conditions = ((crd or {}).get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)


async def _stored_only(client: Client, storage: str) -> None:
    """Say that objects are stored in one version only (Kubernetes, "Versions in CRDs")."""
    await client.patch(
        CRD,
        ROLLOUT_CRD,
        {"status": {"storedVersions": [storage]}},
        subresource="status",
        patch_type=PatchType.MERGE,
        field_manager=FIELD_MANAGER,
    )


async def ensure(client: Client, resource: Resource, body: Obj) -> None:
    """Create an object, unless it is there."""
    try:
        await client.create(
            resource, body, body["metadata"].get("namespace"), field_manager=FIELD_MANAGER
        )
    except AlreadyExists:
        return


async def remove(
    client: Client, resource: Resource, name: str, namespace: str | None = None
) -> None:
    """Delete an object, if it is there; what it owns stays."""
    try:
        await client.delete(resource, name, namespace, uid=None, propagation="Orphan")
    except NotFound:
        return


async def patch(
    client: Client,
    resource: Resource,
    name: str,
    namespace: str | None,
    body: Mapping[str, Any],
) -> None:
    """Merge-patch an object; again while a webhook is asked that was taken away already.

    Raises:
        ApiError: when it still fails after a while.
    """
    clock = asyncio.get_running_loop().time
    until = clock() + SERVED_SECONDS
    while True:
        try:
            await client.patch(
                resource,
                name,
                body,
                namespace,
                patch_type=PatchType.MERGE,
                field_manager=FIELD_MANAGER,
            )
        except Unavailable:
            if clock() > until:
                raise
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        else:
            return


async def set_status(
    client: Client, resource: Resource, name: str, namespace: str, status: object
) -> None:
    """Replace an object's status."""
    await client.patch(
        resource,
        name,
        [{"op": "add", "path": "/status", "value": status}],
        namespace,
        subresource="status",
        patch_type=PatchType.JSON,
        field_manager=FIELD_MANAGER,
    )


async def put_ours(client: Client) -> None:
    """Put Tandem's CRD of Rollouts in the place of theirs, with the conversion that is ours."""
    live = await get(client, CRD, ROLLOUT_CRD)
    if live is None or not is_ours(live):
        await replace_crd(client, crds()[ROLLOUT_CRD])


async def restate_owners(client: Client, resource: Resource) -> None:
    """Have what Rollouts own name them as v1alpha1, which is served throughout.

    While v1beta1 is not served, garbage collection finds no owner there and deletes (seen).
    """
    for obj in (await read(client, resource)).items:
        owners = obj["metadata"].get("ownerReferences") or []
        changed = [_as_v1alpha1(owner) for owner in owners]
        if changed != owners:
            body = {"metadata": {"ownerReferences": changed}}
            metadata = obj["metadata"]
            await patch(client, resource, metadata["name"], metadata["namespace"], body)


def _as_v1alpha1(owner: Obj) -> Obj:
    theirs = owner["kind"] == "Rollout" and owner["apiVersion"] == V1BETA1
    return {**owner, "apiVersion": V1ALPHA1} if theirs else owner
