"""The addon's own objects on a cluster: what `vela addon enable` applies, without KubeVela."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import msgspec

from tandem_controller.install import CRD, ESTABLISHED_SECONDS, guard_resource
from tandem_controller.kube.client import Client, PatchType
from tandem_controller.kube.resource import Resource
from tandem_controller.kube.wait import wait_for
from tests.generator.package import compiled, objects, package_files

Obj = dict[str, Any]

ROOT = Path(__file__).parents[2]
NAMESPACE = "vela-system"
NAME = "tandem"
USER = f"system:serviceaccount:{NAMESPACE}:{NAME}"
COMPONENTS = ("crds", "rbac", "admission", "controller")
READY_SECONDS = 120.0
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment")
PODS = Resource("", "v1", "pods", "Pod")


async def enable(
    client: Client, components: Collection[str] = COMPONENTS, **arguments: object
) -> list[Obj]:
    """Apply components of the addon one after the other; return their objects."""
    await _apply(client, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    application = compiled(package_files(ROOT), "output", arguments)
    found = objects(application)
    for component in components:
        await _apply_all(client, found[f"{NAME}-{component}"])
    return [obj for component in components for obj in found[f"{NAME}-{component}"]]


async def pods(client: Client) -> list[Obj]:
    """Return the controller's pods that are not on their way out."""
    selector = f"app.kubernetes.io/name={NAME}"
    raw = await client.list_page(PODS, namespace=NAMESPACE, label_selector=selector)
    items: list[Obj] = msgspec.json.decode(raw)["items"]
    return [pod for pod in items if "deletionTimestamp" not in pod["metadata"]]


async def until_available(client: Client, replicas: int) -> None:
    """Wait until exactly so many replicas run and are ready, webhook and controller."""

    def available(obj: Obj | None) -> bool:
        status = (obj or {}).get("status", {})
        return (status.get("readyReplicas"), status.get("replicas")) == (replicas, replicas)

    await wait_for(client, DEPLOYMENTS, NAME, NAMESPACE, available, seconds=READY_SECONDS)


async def _apply_all(client: Client, made: Iterable[Obj]) -> None:
    for obj in made:
        await _apply(client, obj)
    for obj in made:
        if obj["kind"] == CRD.kind:
            name = obj["metadata"]["name"]
            await wait_for(client, CRD, name, None, _established, seconds=ESTABLISHED_SECONDS)


def _established(crd: Obj | None) -> bool:
    conditions = (crd or {}).get("status", {}).get("conditions") or ()
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)


async def _apply(client: Client, obj: Obj) -> None:
    metadata = obj["metadata"]
    await client.patch(
        _resource(obj),
        metadata["name"],
        obj,
        metadata.get("namespace"),
        patch_type=PatchType.APPLY,
        field_manager="addon",
        force=True,
    )


def _resource(obj: Obj) -> Resource:
    group, _, version = obj["apiVersion"].rpartition("/")
    plural = guard_resource({"apiVersion": "x/y", "kind": obj["kind"]}).plural
    return Resource(group, version, plural, obj["kind"], namespaced="namespace" in obj["metadata"])
