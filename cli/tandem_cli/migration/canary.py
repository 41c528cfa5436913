"""The extra canary Deployment under the name that Tandem knows, with the pods that it has.

A Deployment cannot be renamed, but its ReplicaSet can be handed to another one of the same
template: pods and ReplicaSet stay as they are. Both Deployments are paused meanwhile, because a
Deployment that misses its ReplicaSet would otherwise make a new one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from tandem_cli.cluster_objects import Obj, get, read
from tandem_cli.migration import writing
from tandem_cli.migration.inventory import DEPLOYMENTS
from tandem_controller import keys
from tandem_controller.effect import Kind
from tandem_controller.kinds import WATCHED
from tandem_controller.kube.client import Client
from tandem_controller.kube.wait import wait_for
from tandem_controller.ownership import STORAGE_VERSION
from tandem_controller.snapshot import canary_name

SEEN_SECONDS = 60.0
REPLICA_SETS = WATCHED[Kind.REPLICA_SET].resource


async def take_over(client: Client, takeover: Obj) -> None:
    """Hand the pods of Kruise's canary Deployment to one of Tandem's name."""
    theirs, namespace = takeover["canary"], takeover["namespace"]
    wanted = ours(takeover, await _owner(client, takeover))
    await hand_over(client, namespace, theirs["metadata"]["name"], wanted)


async def hand_over(client: Client, namespace: str, old: str, new: Obj) -> None:
    """Hand the ReplicaSets of the Deployment `old` to the Deployment `new`, and delete `old`.

    Nothing is assumed of the Deployment controller: it has to have seen the pause before a
    ReplicaSet leaves, and the ReplicaSet in its new place before the pause ends.
    """
    live = await get(client, DEPLOYMENTS, old, namespace)
    if live is not None:
        body: Obj = {"metadata": {"finalizers": None}, "spec": {"paused": True}}
        await writing.patch(client, DEPLOYMENTS, old, namespace, body)
        await _until(client, namespace, old, _seen)
    paused = {**new, "spec": {**new["spec"], "paused": True}}
    await writing.ensure(client, DEPLOYMENTS, paused)
    name = new["metadata"]["name"]
    owner = await get(client, DEPLOYMENTS, name, namespace)
    if live is not None and owner is not None:
        await _move(client, namespace, live["metadata"]["uid"], owner)
    await _until(client, namespace, name, _complete)
    await writing.remove(client, DEPLOYMENTS, old, namespace)
    await writing.patch(client, DEPLOYMENTS, name, namespace, {"spec": {"paused": None}})


async def _until(
    client: Client, namespace: str, name: str, wanted: Callable[[Obj | None], bool]
) -> None:
    await wait_for(client, DEPLOYMENTS, name, namespace, wanted, seconds=SEEN_SECONDS)


def _seen(deployment: Obj | None) -> bool:
    """Whether its controller has seen the last write."""
    status = (deployment or {}).get("status") or {}
    generation = (deployment or {}).get("metadata", {}).get("generation", 0)
    return bool(status.get("observedGeneration", 0) >= generation)


def _complete(deployment: Obj | None) -> bool:
    """Whether its controller knows of the pods that it is to have."""
    status = (deployment or {}).get("status") or {}
    wanted = (deployment or {}).get("spec", {}).get("replicas", 1)
    return _seen(deployment) and status.get("updatedReplicas", 0) == wanted


async def _move(client: Client, namespace: str, old_uid: str, owner: Obj) -> None:
    for replica_set in (await read(client, REPLICA_SETS, namespace)).items:
        owners = replica_set["metadata"].get("ownerReferences") or []
        if any(o["uid"] == old_uid for o in owners):
            metadata = {"ownerReferences": [_reference(owner)]}
            name = replica_set["metadata"]["name"]
            await writing.patch(client, REPLICA_SETS, name, namespace, {"metadata": metadata})


def ours(takeover: Obj, owner: Obj) -> Obj:
    """Return the canary Deployment as Tandem names and owns it; its spec is Kruise's."""
    metadata = {
        "name": canary_name(takeover["workload"]),
        "namespace": takeover["namespace"],
        "labels": {
            keys.CANARY_DEPLOYMENT: takeover["workload"],
            keys.OWNER: takeover["name"],
        },
        "ownerReferences": [owner],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": takeover["canary"]["spec"],
    }


async def _owner(client: Client, takeover: Obj) -> Obj:
    raw = await client.get(WATCHED[Kind.ROLLOUT].resource, takeover["name"], takeover["namespace"])
    rollout: dict[str, Any] = msgspec.json.decode(raw)
    return {**_reference(rollout), "apiVersion": f"rollouts.kruise.io/{STORAGE_VERSION}"}


def _reference(owner: Obj) -> Obj:
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
