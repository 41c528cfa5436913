"""A place in which the API server guards Deployments: what its user does and is answered."""

from __future__ import annotations

import asyncio

import msgspec

from tandem_controller.keys import IN_PROGRESSING
from tandem_controller.kube.client import Client, PatchType
from tandem_controller.kube.errors import Forbidden
from tandem_controller.kube.resource import Resource
from tests.cluster import bodies

Obj = bodies.Obj

DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment")
ALPHA = Resource("rollouts.kruise.io", "v1alpha1", "rollouts", "Rollout")
NEW = bodies.new_images("init:v2", "shop:v2")


class Place:
    """A namespace, an ordinary user in it, and Tandem's own user.

    `guarded` is what becomes of a template change there: "refused" or "taken over".
    """

    def __init__(
        self, user: Client, tandem: Client, namespace: str, guarded: str = "refused"
    ) -> None:
        self.user = user
        self.tandem = tandem
        self.namespace = namespace
        self.guarded = guarded

    async def create(self, resource: Resource, body: Obj, *, dry_run: bool = False) -> Obj:
        body = {**body, "apiVersion": resource.api_version, "kind": resource.kind}
        query = {"fieldManager": "test"} | ({"dryRun": "All"} if dry_run else {})
        path = resource.path(self.namespace)
        return decoded(await self.user.request("POST", path, body, query))

    async def get(self, resource: Resource, name: str = "shop") -> Obj:
        return decoded(await self.user.get(resource, name, self.namespace))

    async def patch(
        self,
        resource: Resource,
        body: Obj,
        *,
        name: str = "shop",
        by: Client | None = None,
        subresource: str | None = None,
        manager: str | None = None,
    ) -> Obj:
        raw = await (by or self.user).patch(
            resource,
            name,
            body,
            self.namespace,
            subresource=subresource,
            patch_type=PatchType.MERGE,
            field_manager=manager,
        )
        return decoded(raw)

    async def put(self, resource: Resource, body: Obj, *, subresource: str | None = None) -> Obj:
        name = body["metadata"]["name"]
        raw = await self.user.replace(resource, name, body, self.namespace, subresource=subresource)
        return decoded(raw)

    async def stand(self, name: str = "shop") -> None:
        """Create a Deployment and its Rollout, and wait until the API server guards it."""
        await self.stand_unseen(name)
        await self.would_be(self.guarded, name)

    async def stand_unseen(self, name: str = "shop") -> None:
        """Create both; the API server's policies follow Rollouts by a watch, a moment later."""
        await self.create(DEPLOYMENTS, bodies.deployment(name, replicas=3))
        await self.create(ALPHA, rollout(name))

    async def outcome(self, name: str = "shop", **query: str) -> str:
        """Change a template as the user; say what became of it."""
        path = DEPLOYMENTS.path(self.namespace, name)
        try:
            raw = await self.user.request("PATCH", path, NEW, query, PatchType.MERGE.value)
        except Forbidden:
            return "refused"
        return "taken over" if taken_over(decoded(raw), name) else "released"

    async def would_be(self, wanted: str, name: str = "shop") -> None:
        """Wait until a template change, asked as a dry run, would end like this."""
        async with asyncio.timeout(30):
            while await self.outcome(name, dryRun="All") != wanted:  # noqa: ASYNC110 - no watch tells
                await asyncio.sleep(0.05)

    async def would_pass(self, body: Obj) -> None:
        """Wait until the user's change, asked as a dry run, is no longer refused."""
        path = DEPLOYMENTS.path(self.namespace, "shop")
        async with asyncio.timeout(30):
            while True:
                try:
                    await self.user.request(
                        "PATCH", path, body, {"dryRun": "All"}, PatchType.MERGE.value
                    )
                except Forbidden:
                    await asyncio.sleep(0.05)
                else:
                    return

    async def in_release(self) -> None:
        """Create both in the middle of a release, as Tandem leaves a Deployment at rest."""
        await self.stand()
        mark = {IN_PROGRESSING: '{"rolloutName":"shop"}'}
        spec = {"paused": True, "progressDeadlineSeconds": 2147483647}
        body = {"metadata": {"annotations": mark}, "spec": spec}
        await self.patch(DEPLOYMENTS, body, by=self.tandem)


def decoded(raw: bytes) -> Obj:
    value: Obj = msgspec.json.decode(raw)
    return value


def rollout(name: str = "shop", *weights: int) -> Obj:
    """Return a v1alpha1 Rollout."""
    ref = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    steps = [{"weight": weight} for weight in weights or (20, 100)]
    style = {"rollouts.kruise.io/rolling-style": "partition"}
    return {
        "metadata": {"name": name, "annotations": style},
        "spec": {"objectRef": {"workloadRef": ref}, "strategy": {"canary": {"steps": steps}}},
    }


def taken_over(deployment: Obj, rollout: str = "shop") -> bool:
    mark = deployment["metadata"].get("annotations", {}).get(IN_PROGRESSING)
    return bool(deployment["spec"].get("paused")) and mark == f'{{"rolloutName":"{rollout}"}}'
