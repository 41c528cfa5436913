"""Everything that a migration looks at, read once; planning is done on this alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from tandem_cli.cluster_objects import Obj, Reader, get
from tandem_cli.migration.crds import (
    BATCH_RELEASE_CRD,
    ROLLOUTS,
    in_transition,
    storage_version,
    truly,
)
from tandem_controller import keys, names
from tandem_controller.api import kruise
from tandem_controller.api.conversion import rollout_of
from tandem_controller.api.crd import ROLLOUT_CRD
from tandem_controller.caches import Caches
from tandem_controller.effect import Kind
from tandem_controller.install import CRD
from tandem_controller.kinds import WATCHED
from tandem_controller.kube.client import Client
from tandem_controller.kube.lease_record import LEASE
from tandem_controller.kube.resource import Resource
from tandem_controller.observe import gather
from tandem_controller.snapshot import Snapshot, WorkloadSnapshot

ADMISSION = "admissionregistration.k8s.io"
MUTATING = Resource(
    ADMISSION, "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", False
)
VALIDATING = Resource(
    ADMISSION, "v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", False
)
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment")
PODS = Resource("", "v1", "pods", "Pod")
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
TRAITS = Resource("core.oam.dev", "v1beta1", "traitdefinitions", "TraitDefinition")
BATCH_RELEASES = Resource("rollouts.kruise.io", "v1beta1", "batchreleases", "BatchRelease")
RECORD_NAME = "tandem-migration-kruise"
"""ConfigMap in Tandem's namespace that remembers what --revert puts back."""

_KINDS = (
    Kind.RELEASE_POLICY,
    Kind.RELEASE_RECORD,
    Kind.DEPLOYMENT,
    Kind.REPLICA_SET,
    Kind.SERVICE,
    Kind.INGRESS,
    Kind.HTTP_ROUTE,
)


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """What there is, in the words of the API."""

    now: datetime
    namespace: str
    controllers: tuple[Obj, ...] = ()
    controller_pods: tuple[Obj, ...] = ()
    leases: tuple[Obj, ...] = ()
    mutating: Obj | None = None
    validating: Obj | None = None
    rollout_crd: Obj | None = None
    batch_crd: Obj | None = None
    rollouts: tuple[Obj, ...] = ()
    batch_releases: tuple[Obj, ...] = ()
    traits: tuple[Obj, ...] = ()
    record: Obj | None = None
    tandem_lease: Obj | None = None
    policies: bool = False
    """Whether Tandem's admission policy is installed."""
    caches: Caches = field(default_factory=Caches)
    unread: tuple[str, ...] = ()

    def snapshots(self) -> list[Snapshot]:
        """Return what the controller will see of each Rollout."""
        found = self.caches.stores[Kind.ROLLOUT].list()
        return [
            gather(self.caches, rollout)
            for rollout in sorted(found, key=lambda r: (r.metadata.namespace, r.metadata.name))
        ]

    def canary_of(self, snapshot: Snapshot) -> WorkloadSnapshot | None:
        """Return Kruise's extra Deployment: its name is generated, a label says whose it is."""
        namespace = snapshot.rollout.metadata.namespace
        name = snapshot.rollout.spec.workload_ref.name
        for deployment in self.caches.stores[Kind.DEPLOYMENT].list(namespace):
            meta = deployment.metadata
            if meta.labels.get(keys.CANARY_DEPLOYMENT) != name or _is_ours(meta.owner_references):
                continue
            sets = self.caches.replica_sets_of(meta.uid)
            pods = {rs.metadata.uid: self.caches.pods_of(rs.metadata.uid) for rs in sets}
            return WorkloadSnapshot(deployment=deployment, replica_sets=sets, pods=pods)
        return None


def _is_ours(owners: Iterable[Any]) -> bool:
    return any(o.kind == "Rollout" for o in owners)


async def observe(client: Client, namespace: str) -> Inventory:
    """Read everything; `namespace` is Tandem's own."""
    reader = Reader(client)
    deployments = await reader.all(DEPLOYMENTS)
    controllers = tuple(d for d in deployments if kruise.is_controller(d))
    crd = await reader.one(CRD, ROLLOUT_CRD)
    raw = await _rollouts(reader, crd)
    batch_crd = await reader.one(CRD, BATCH_RELEASE_CRD)
    leases = await reader.all(LEASE)
    policy = Resource(
        ADMISSION, "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", False
    )
    return Inventory(
        now=datetime.now(tz=UTC),
        namespace=namespace,
        controllers=controllers,
        controller_pods=await _pods(reader, controllers),
        leases=tuple(o for o in leases if o["metadata"]["name"] == kruise.LEASE),
        mutating=await reader.one(MUTATING, kruise.MUTATING),
        validating=await reader.one(VALIDATING, kruise.VALIDATING),
        rollout_crd=crd,
        batch_crd=batch_crd,
        rollouts=raw,
        batch_releases=await _batch_releases(reader, batch_crd),
        traits=await reader.all(TRAITS),
        record=await get(client, CONFIG_MAPS, RECORD_NAME, namespace),
        tandem_lease=await get(client, LEASE, names.LEASE, namespace),
        policies=await reader.one(policy, "tandem-workload") is not None,
        caches=await _caches(reader, raw),
        unread=tuple(reader.unread),
    )


async def _rollouts(reader: Reader, crd: Obj | None) -> tuple[Obj, ...]:
    """Return all Rollouts, each in the version that it was written in.

    They are read in the stored version, for which nothing is asked to convert.
    """
    if crd is None:
        return ()
    version = "v1alpha1" if in_transition(crd) else storage_version(crd)
    return tuple(truly(o) for o in await reader.all(ROLLOUTS[version]))


async def _batch_releases(reader: Reader, crd: Obj | None) -> tuple[Obj, ...]:
    if crd is None:
        return ()
    version = storage_version(crd)
    resource = Resource(BATCH_RELEASES.group, version, BATCH_RELEASES.plural, BATCH_RELEASES.kind)
    return await reader.all(resource)


async def _pods(reader: Reader, controllers: Iterable[Obj]) -> tuple[Obj, ...]:
    found: list[Obj] = []
    for namespace in {c["metadata"]["namespace"] for c in controllers}:
        pods = await reader.all(PODS, namespace)
        found += [p for p in pods if kruise.is_controller(p)]
    return tuple(found)


async def _caches(reader: Reader, rollouts: Iterable[Mapping[str, Any]]) -> Caches:
    """Fill the controller's caches, so that it is asked with what it will see.

    Pods and endpoints are many: only those of namespaces in which something is released.
    """
    caches = Caches()
    caches.stores[Kind.ROLLOUT].replace_all([rollout_of(o) for o in rollouts])
    for kind in _KINDS:
        await _fill(reader, caches, kind, None)
    moving = {
        o["metadata"]["namespace"]
        for o in rollouts
        if (o.get("status") or {}).get("phase") == "Progressing"
    }
    for kind in (Kind.POD, Kind.ENDPOINT_SLICE):
        found = await asyncio.gather(*(reader.all(WATCHED[kind].resource, n) for n in moving))
        _put(caches, kind, (o for group in found for o in group))
    return caches


async def _fill(reader: Reader, caches: Caches, kind: Kind, namespace: str | None) -> None:
    _put(caches, kind, await reader.all(WATCHED[kind].resource, namespace))


def _put(caches: Caches, kind: Kind, objects: Iterable[Obj]) -> None:
    decode = WATCHED[kind].decode
    caches.stores[kind].replace_all([decode(msgspec.json.encode(o)) for o in objects])
