"""Reading what the checks look at, as far as the rights go."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version

import msgspec

from tandem_cli.cluster_objects import Found, Obj, get, read
from tandem_cli.doctor.finding import Cluster
from tandem_cli.doctor.installation import CONFIGURATIONS, POLICY_KINDS
from tandem_cli.migration.inventory import ADMISSION
from tandem_controller import names
from tandem_controller.api.conversion import UnknownVersionError, rollout_of
from tandem_controller.caches import Caches
from tandem_controller.effect import Kind
from tandem_controller.install import CRD, guard_resource
from tandem_controller.kinds import WATCHED
from tandem_controller.kube.client import Client
from tandem_controller.kube.errors import Forbidden, Unavailable
from tandem_controller.kube.lease_record import LEASE
from tandem_controller.kube.resource import Resource

_OAM = "core.oam.dev"
_KINDS = (
    LEASE,
    CRD,
    WATCHED[Kind.ROLLOUT].resource,
    WATCHED[Kind.RELEASE_POLICY].resource,
    WATCHED[Kind.RELEASE_RECORD].resource,
    WATCHED[Kind.DEPLOYMENT].resource,
    WATCHED[Kind.REPLICA_SET].resource,
    WATCHED[Kind.ENDPOINT_SLICE].resource,
    Resource("", "v1", "namespaces", "Namespace", namespaced=False),
    Resource("rollouts.kruise.io", "v1beta1", "batchreleases", "BatchRelease"),
    Resource(_OAM, "v1beta1", "applications", "Application"),
    Resource(_OAM, "v1beta1", "traitdefinitions", "TraitDefinition"),
)
_ADMISSION_KINDS = (*CONFIGURATIONS, *POLICY_KINDS[:2])
_MUTATING_KINDS = POLICY_KINDS[2:]
_CACHED = (
    Kind.ROLLOUT,
    Kind.RELEASE_POLICY,
    Kind.RELEASE_RECORD,
    Kind.DEPLOYMENT,
    Kind.REPLICA_SET,
)
_SECRETS = Resource("", "v1", "secrets", "Secret")


async def look(client: Client, namespace: str) -> Cluster:
    """Read everything that a check looks at; `namespace` is Tandem's own.

    Raises:
        ApiError: where the API server cannot be asked at all.
    """
    found = [await _found(client, resource) for resource in _KINDS]
    found += [await _found(client, _admission(kind, "v1")) for kind in _ADMISSION_KINDS]
    found += [await _mutating(client, kind) for kind in _MUTATING_KINDS]
    unread = {f.resource.kind: f.refused for f in found if f.refused}
    objects = {f.resource.kind: f.items for f in found}
    try:
        secret = await get(client, _SECRETS, names.WEBHOOK_SECRET, namespace)
        objects["Secret"] = (secret,) if secret else ()
    except Forbidden as error:
        unread["Secret"] = error.message
    return Cluster(
        now=datetime.now(tz=UTC),
        namespace=namespace,
        cli_version=version("tandem-cli"),
        objects=objects,
        unserved=frozenset(f.resource.kind for f in found if not f.served),
        unread=unread,
        caches=caches_of(objects),
    )


async def _found(client: Client, resource: Resource) -> Found:
    """Read a kind; what cannot be converted cannot be read, and that is a finding elsewhere."""
    try:
        return await read(client, resource)
    except Unavailable as error:
        if "conversion" not in error.message:
            raise
        return Found(resource, refused=error.message)


async def _mutating(client: Client, kind: str) -> Found:
    """Read a kind that is served in v1 or v1beta1, or not at all."""
    best = await _found(client, _admission(kind, "v1"))
    return best if best.served else await _found(client, _admission(kind, "v1beta1"))


def _admission(kind: str, version_: str) -> Resource:
    if kind in CONFIGURATIONS:
        return Resource(ADMISSION, version_, f"{kind.lower()}s", kind, namespaced=False)
    return guard_resource({"apiVersion": f"{ADMISSION}/{version_}", "kind": kind})


def caches_of(objects: dict[str, tuple[Obj, ...]]) -> Caches:
    """Return the controller's caches of what was read; what cannot be decoded is left out."""
    caches = Caches()
    for kind in _CACHED:
        caches.stores[kind].replace_all(
            [one for obj in objects.get(kind, ()) if (one := _decoded(kind, obj)) is not None]
        )
    return caches


def _decoded(kind: Kind, obj: Obj) -> object | None:
    try:
        if kind is Kind.ROLLOUT:
            return rollout_of(obj)
        decoded: object = WATCHED[kind].decode(msgspec.json.encode(obj))
    except (msgspec.MsgspecError, UnknownVersionError):
        return None
    return decoded
