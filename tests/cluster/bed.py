"""What cluster tests stand on: a namespace, and a client in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from tandem_controller.effect import Kind
from tandem_controller.keys import RECORD_ROLLOUT, REJECTED
from tandem_controller.kinds import KNOWN
from tandem_controller.kube.client import Client, PatchType
from tandem_controller.kube.wait import wait_for

WAIT_SECONDS = 40.0
Obj = dict[str, Any]


class Bed:
    """One namespace of the cluster and what tests do in it."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.client = client
        self.namespace = namespace

    async def create(self, kind: Kind, body: Obj) -> Obj:
        """Create an object in this namespace."""
        resource = KNOWN[kind].resource
        typed = {"apiVersion": resource.api_version, "kind": resource.kind}
        metadata = {**body["metadata"], "namespace": self.namespace}
        raw = await self.client.create(
            resource,
            {**typed, **body, "metadata": metadata},
            self.namespace,
            field_manager="test",
        )
        return _decoded(raw)

    async def get(self, kind: Kind, name: str) -> Obj:
        """Return an object."""
        return _decoded(await self.client.get(KNOWN[kind].resource, name, self.namespace))

    async def items(self, kind: Kind) -> list[Obj]:
        """Return all objects of a kind in this namespace."""
        raw = await self.client.list_page(
            KNOWN[kind].resource,
            namespace=self.namespace,
            limit=500,
            continue_token=None,
            resource_version=None,
            label_selector=None,
            field_selector=None,
        )
        return list(_decoded(raw)["items"])

    async def patch(self, kind: Kind, name: str, body: Obj, subresource: str | None = None) -> Obj:
        """Merge-patch an object as a user does."""
        raw = await self.client.patch(
            KNOWN[kind].resource,
            name,
            body,
            self.namespace,
            subresource=subresource,
            patch_type=PatchType.MERGE,
        )
        return _decoded(raw)

    async def delete(self, kind: Kind, name: str) -> None:
        """Delete an object."""
        await self.client.delete(KNOWN[kind].resource, name, self.namespace, uid=None)

    async def until(self, kind: Kind, name: str, wanted: Callable[[Obj | None], bool]) -> None:
        """Wait by a watch."""
        resource = KNOWN[kind].resource
        await wait_for(self.client, resource, name, self.namespace, wanted, seconds=WAIT_SECONDS)

    async def until_phase(self, name: str, phase: str) -> None:
        """Wait until a Rollout is in a phase."""
        await self.until(Kind.ROLLOUT, name, lambda o: _status(o).get("phase") == phase)

    async def until_paused(self, name: str, step: int) -> None:
        """Wait until a Rollout waits at a step."""

        def waits(obj: Obj | None) -> bool:
            canary = _status(obj).get("canaryStatus", {})
            place = (canary.get("currentStepIndex"), canary.get("currentStepState"))
            return place == (step, "StepPaused")

        await self.until(Kind.ROLLOUT, name, waits)

    async def until_proven(self, name: str) -> None:
        """Wait until a Rollout rests, and the record of its one release says what that ran with.

        A Rollout is Healthy as soon as it took its workload in; config, digests and autoscaler
        are read once all pods are ready.
        """
        await self.until_phase(name, "Healthy")
        (record,) = [
            record["metadata"]["name"]
            for record in await self.items(Kind.RELEASE_RECORD)
            if record["metadata"]["labels"][RECORD_ROLLOUT] == name
        ]
        await self.until(Kind.RELEASE_RECORD, record, _has_evidence)

    async def until_message(self, name: str, part: str) -> None:
        """Wait until a Rollout's message says something."""
        await self.until(Kind.ROLLOUT, name, lambda o: part in _status(o).get("message", ""))

    async def approve(self, name: str) -> None:
        """Approve the step that waits, by a status write."""
        body = {"status": {"canaryStatus": {"currentStepState": "StepReady"}}}
        await self.patch(Kind.ROLLOUT, name, body, subresource="status")

    async def sizes(self, name: str) -> dict[str, int]:
        """Return how many pods a Deployment's ReplicaSets were asked for, by business image."""
        out: dict[str, int] = {}
        for rs in await self.items(Kind.REPLICA_SET):
            owner = rs["metadata"]["ownerReferences"][0]["name"]
            image = rs["spec"]["template"]["spec"]["containers"][0]["image"]
            if owner == name and rs["spec"].get("replicas", 0):
                out[image] = out.get(image, 0) + rs["spec"]["replicas"]
        return out


def _has_evidence(record: Obj | None) -> bool:
    return any("evidence" in attempt for attempt in _status(record).get("attempts", ()))


def _status(obj: Obj | None) -> Obj:
    status: Obj = (obj or {}).get("status", {})
    return status


def _decoded(raw: bytes) -> Obj:
    value: Obj = msgspec.json.decode(raw)
    return value


def user_fields(obj: Obj) -> Obj:
    """Return an object less the fields that the API server and other controllers own."""
    metadata = {
        key: value
        for key, value in obj["metadata"].items()
        if key in ("name", "namespace", "labels", "annotations", "finalizers", "ownerReferences")
    }
    annotations = {
        key: value
        for key, value in metadata.get("annotations", {}).items()
        if not key.startswith("deployment.kubernetes.io/") and key != REJECTED
    }
    metadata.pop("annotations", None)
    if annotations:
        metadata["annotations"] = annotations
    return {**{k: v for k, v in obj.items() if k != "status"}, "metadata": metadata}


def images(pods: Iterable[Obj]) -> set[tuple[str, str]]:
    """Return the pairs of init and business image that pods run."""
    return {
        (p["spec"]["initContainers"][0]["image"], p["spec"]["containers"][0]["image"])
        for p in pods
        if "deletionTimestamp" not in p["metadata"]
    }
