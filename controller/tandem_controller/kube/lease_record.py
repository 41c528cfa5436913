"""What stands in a Lease, and the requests by which it is read and written.

Every write names the version that was judged: of two replicas that find a
Lease free, one gets it and the other a conflict. Fields that we do not know
are left alone (merge patch, never replace).
"""

import math
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import msgspec

from tandem_controller.kube.client import PatchType
from tandem_controller.kube.errors import Unavailable
from tandem_controller.kube.resource import Resource
from tandem_controller.kube.timestamps import micro_time
from tandem_controller.kube.watch_stream import WatchEvent

LEASE = Resource("coordination.k8s.io", "v1", "leases", "Lease")


class LeaseClient(Protocol):
    """The requests that an election needs; ``Client`` has them."""

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> bytes:
        """Read the Lease."""

    async def create(
        self,
        resource: Resource,
        body: Mapping[str, Any],
        namespace: str | None = None,
        *,
        field_manager: str,
    ) -> bytes:
        """Make the Lease."""

    async def patch(
        self,
        resource: Resource,
        name: str,
        body: Mapping[str, Any],
        namespace: str | None = None,
        *,
        patch_type: PatchType,
        field_manager: str | None = None,
    ) -> bytes:
        """Change the Lease."""

    def watch(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        resource_version: str | None,
        timeout_seconds: int,
        field_selector: str | None = None,
    ) -> AsyncGenerator[WatchEvent, None]:
        """See the Lease change."""


class _Metadata(msgspec.Struct, frozen=True, rename="camel"):
    resource_version: str


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    lease_transitions: int | None = None


class Lease(msgspec.Struct, frozen=True):
    """A Lease as read; what is not needed to judge it is left out."""

    metadata: _Metadata
    spec: _Spec = _Spec()

    @property
    def version(self) -> str:
        """Which write made this state."""
        return self.metadata.resource_version

    @property
    def holder(self) -> str:
        """Whose it is; empty when it was released."""
        return self.spec.holder_identity or ""

    @property
    def seconds(self) -> float:
        """How long its holder means it to last after each renewal."""
        return float(self.spec.lease_duration_seconds or 0)


def decode(raw: bytes) -> Lease:
    """Read a Lease."""
    try:
        return msgspec.json.decode(raw, type=Lease)
    except msgspec.MsgspecError as error:
        raise Unavailable(0, "UnreadableLease", f"The answer is no Lease: {error}") from error


@dataclass(frozen=True)
class LeaseFile:
    """One Lease of one cluster, written by one identity."""

    client: LeaseClient
    namespace: str
    name: str
    identity: str
    lease_seconds: float
    now: Callable[[], datetime]
    field_manager: str

    async def read(self) -> Lease:
        """The Lease as it is; raises ``NotFound`` where there is none."""
        return decode(await self.client.get(LEASE, self.name, self.namespace))

    async def create(self) -> Lease:
        """Make it ours; raises ``AlreadyExists`` when another was faster."""
        body = {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.kind,
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": self._ours(transitions=0),
        }
        made = await self.client.create(
            LEASE, body, self.namespace, field_manager=self.field_manager
        )
        return decode(made)

    async def take(self, current: Lease) -> Lease:
        """Make a free one ours."""
        transitions = (current.spec.lease_transitions or 0) + 1
        return await self._patch(current, self._ours(transitions))

    async def renew(self, current: Lease) -> Lease:
        """Prolong ours."""
        return await self._patch(current, {"renewTime": micro_time(self.now())})

    async def release(self, current: Lease) -> Lease:
        """Give ours back, as client-go does: no holder, one second."""
        renewed = micro_time(self.now())
        spec = {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": renewed}
        return await self._patch(current, spec)

    def watch(self, since: Lease, timeout_seconds: int) -> AsyncGenerator[WatchEvent, None]:
        """Its changes after a state."""
        return self.client.watch(
            LEASE,
            namespace=self.namespace,
            resource_version=since.version,
            timeout_seconds=timeout_seconds,
            field_selector=f"metadata.name={self.name}",
        )

    def _ours(self, transitions: int) -> dict[str, Any]:
        at = micro_time(self.now())
        return {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": math.ceil(self.lease_seconds),
            "acquireTime": at,
            "renewTime": at,
            "leaseTransitions": transitions,
        }

    async def _patch(self, current: Lease, spec: Mapping[str, Any]) -> Lease:
        body = {"metadata": {"resourceVersion": current.version}, "spec": spec}
        changed = await self.client.patch(
            LEASE,
            self.name,
            body,
            self.namespace,
            patch_type=PatchType.MERGE,
            field_manager=self.field_manager,
        )
        return decode(changed)
