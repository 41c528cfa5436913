"""Carrying out effects: one request each, in order, with their preconditions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import structlog

from tandem_controller.api.conversion import encode_status_v1alpha1
from tandem_controller.api.rollout import RolloutStatus
from tandem_controller.caches import Caches
from tandem_controller.effect import Create, Delete, Effect, Kind, Patch, ReplaceStatus
from tandem_controller.kinds import KNOWN
from tandem_controller.kube.client import Client, PatchType
from tandem_controller.kube.errors import AlreadyExists, NotFound
from tandem_controller.kube.lease import LeadershipLost

FIELD_MANAGER = "tandem-controller"

log = structlog.get_logger()


class Actor:
    """Writes to the API server and puts what it answers into the caches."""

    def __init__(self, client: Client, caches: Caches, may_write: Callable[[], bool]) -> None:
        self._client = client
        self._caches = caches
        self._may_write = may_write

    async def carry_out(self, effects: Iterable[Effect]) -> bool:
        """Carry out effects in order; say whether the caches show all of them already.

        Raises:
            ApiError: from the first effect that fails; the ones after it are not tried.
            LeadershipLost: when this replica may not write any more. It is asked before each
                effect: a process that was stopped may wake after its Lease has ended.
        """
        shown = True
        for effect in effects:
            if not self._may_write():
                raise LeadershipLost
            log.debug("Carrying out an effect.", **_named(effect))
            shown = await self._one(effect) and shown
        return shown

    async def _one(self, effect: Effect) -> bool:
        match effect:
            case Create():
                return await self._create(effect)
            case Patch():
                return self._saw(effect.kind, await self._patch(effect))
            case ReplaceStatus():
                return self._saw(effect.kind, await self._replace_status(effect))
            case Delete():
                await self._delete(effect)
                return False

    async def _create(self, effect: Create) -> bool:
        resource = KNOWN[effect.kind].resource
        namespace = effect.body["metadata"]["namespace"]
        try:
            raw = await self._client.create(
                resource, effect.body, namespace, field_manager=FIELD_MANAGER
            )
        except AlreadyExists:
            return effect.kind not in self._caches.stores
        return self._saw(effect.kind, raw)

    async def _patch(self, effect: Patch) -> bytes:
        precondition = {"uid": effect.uid, "resourceVersion": effect.resource_version}
        metadata = {**effect.body.get("metadata", {}), **precondition}
        return await self._client.patch(
            KNOWN[effect.kind].resource,
            effect.name,
            {**effect.body, "metadata": metadata},
            effect.namespace,
            patch_type=PatchType.MERGE,
            field_manager=FIELD_MANAGER,
        )

    async def _replace_status(self, effect: ReplaceStatus) -> bytes:
        """Replace the status with a JSON Patch, which alone removes what is no longer there.

        The resourceVersion in the patch is the precondition (409 when it is stale).
        """
        patch = [
            {
                "op": "replace",
                "path": "/metadata/resourceVersion",
                "value": effect.resource_version,
            },
            {"op": "add", "path": "/status", "value": _wire_status(effect)},
        ]
        return await self._client.patch(
            KNOWN[effect.kind].resource,
            effect.name,
            patch,
            effect.namespace,
            subresource="status",
            patch_type=PatchType.JSON,
            field_manager=FIELD_MANAGER,
        )

    async def _delete(self, effect: Delete) -> None:
        resource = KNOWN[effect.kind].resource
        try:
            await self._client.delete(
                resource, effect.name, effect.namespace, uid=effect.uid, propagation="Background"
            )
        except NotFound:
            return

    def _saw(self, kind: Kind, raw: bytes) -> bool:
        """Say whether the next decision sees a write; what has no cache is read again then."""
        store = self._caches.stores.get(kind)
        return store is None or store.observe_write(KNOWN[kind].decode(raw))


def _named(effect: Effect) -> dict[str, str]:
    """Return what a log may say of an effect: its body may be that of a Secret."""
    name = effect.body["metadata"]["name"] if isinstance(effect, Create) else effect.name
    return {"effect": type(effect).__name__, "kind": effect.kind, "name": name}


def _wire_status(effect: ReplaceStatus) -> dict[str, Any]:
    """Return a status as it is stored; a Rollout's is stored as v1alpha1."""
    if effect.kind is not Kind.ROLLOUT:
        return effect.status
    return encode_status_v1alpha1(msgspec.convert(effect.status, RolloutStatus))
