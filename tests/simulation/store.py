"""An API server in memory: objects, versions, preconditions, finalizers.

Stored objects are never changed in place, so that what a reader holds is a snapshot and
`copy()` costs one dictionary. Only the clock that the caller sets passes; uids, versions
and generated names are counters, so that a schedule always plays the same way.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from tandem_controller.effect import Kind
from tests.simulation.errors import AlreadyExistsError, ConflictError, NotFoundError
from tests.simulation.merge import merged
from tests.simulation.rules import Obj, defaulted, validate

NAMESPACE = "default"
START = datetime(2026, 1, 1, tzinfo=UTC)
STATUS_SUBRESOURCE = frozenset(Kind) - {
    Kind.RELEASE_POLICY,
    Kind.ENDPOINT_SLICE,
    Kind.CONFIG_MAP,
    Kind.SECRET,
}
"""Kinds whose status only `replace_status` writes."""
GRACEFUL = frozenset({Kind.POD})
"""Kinds that stay, marked as deleted, until the kubelet is done with them."""
_SERVER_OWNED = ("uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp")


class Key(NamedTuple):
    """What names an object."""

    kind: Kind
    namespace: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Request:
    """A write that admission may change: the stored object (None on create) and the wanted one."""

    kind: Kind
    old: Obj | None
    new: Obj
    user: str
    subresource: str = ""


Admission = Callable[[Request], Obj]
"""Returns the object to store; raises an ApiError to deny."""


def timestamp(moment: datetime) -> str:
    """Return a moment as the API server writes it: whole seconds, UTC."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class Store:
    """The objects of a cluster. `admission` stands for all webhooks and policies."""

    def __init__(self, admission: Admission | None = None) -> None:
        self.now = START
        self.admission = admission
        self.version = 0
        self._objects: dict[Key, Obj] = {}
        self._counter = 0

    def copy(self) -> Store:
        """Return an independent store with the same objects."""
        twin = copy.copy(self)
        twin._objects = dict(self._objects)
        return twin

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def count(self) -> int:
        """Return the next number of the counter behind uids, names and addresses."""
        self._counter += 1
        return self._counter

    def find(self, kind: Kind, name: str, namespace: str = NAMESPACE) -> Obj | None:
        """Return an object, or None. Never change what you get."""
        return self._objects.get(Key(kind, namespace, name))

    def get(self, kind: Kind, name: str, namespace: str = NAMESPACE) -> Obj:
        """Return an object that must exist."""
        found = self.find(kind, name, namespace)
        if found is None:
            raise NotFoundError(f"{kind} {namespace}/{name} not found")
        return found

    def all_of(self, kind: Kind) -> list[Obj]:
        """Return the objects of a kind, in the order of their creation."""
        return [o for key, o in self._objects.items() if key.kind is kind]

    def controlled_by(self, kind: Kind, owner: Obj) -> list[Obj]:
        """Return the objects of a kind whose controller is `owner`."""
        uid = owner["metadata"]["uid"]
        return [o for o in self.all_of(kind) if controller_uid(o) == uid]

    def keys(self) -> Iterator[Key]:
        """Iterate over the keys of all objects."""
        yield from tuple(self._objects)

    def create(self, kind: Kind, body: Mapping[str, Any], *, user: str = "user") -> Obj:
        """Create an object; the server's own metadata and, with a subresource, status are reset."""
        obj: Obj = msgspec.to_builtins(body)
        metadata = {k: v for k, v in obj["metadata"].items() if k not in _SERVER_OWNED}
        number = self.count()
        metadata.setdefault("namespace", NAMESPACE)
        metadata.setdefault("name", f"{metadata.pop('generateName', '')}{number:05d}")
        metadata |= {
            "uid": str(uuid.UUID(int=number)),
            "generation": 1,
            "creationTimestamp": timestamp(self.now),
        }
        key = Key(kind, metadata["namespace"], metadata["name"])
        if key in self._objects:
            raise AlreadyExistsError(f"{kind} {metadata['name']} already exists")
        obj = {"kind": str(kind), **obj, "metadata": metadata}
        if kind in STATUS_SUBRESOURCE:
            obj["status"] = {"phase": "Pending"} if kind is Kind.POD else {}
        return self._write(key, None, obj, user)

    def patch(
        self,
        kind: Kind,
        name: str,
        body: Mapping[str, Any],
        *,
        namespace: str = NAMESPACE,
        uid: str = "",
        resource_version: str = "",
        user: str = "user",
    ) -> Obj:
        """Merge-patch an object. Empty preconditions are none."""
        old = self.get(kind, name, namespace)
        _check(old, uid, resource_version)
        patch: Obj = msgspec.to_builtins(body)
        new: Obj = merged(old, patch)
        if kind in STATUS_SUBRESOURCE:
            new["status"] = old.get("status", {})
        server = {k: old["metadata"][k] for k in _SERVER_OWNED if k in old["metadata"]}
        new["metadata"] = {**new["metadata"], **server, "name": name, "namespace": namespace}
        return self._write(Key(kind, namespace, name), old, new, user)

    def replace_status(
        self,
        kind: Kind,
        name: str,
        status: Mapping[str, Any],
        *,
        namespace: str = NAMESPACE,
        resource_version: str = "",
        annotations: Mapping[str, str] | None = None,
        user: str = "user",
    ) -> Obj:
        """Replace the status; the generation stays.

        `annotations` is for the Deployment controller: the status strategy of Deployments
        lets annotations through (it writes its revision that way).
        """
        old = self.get(kind, name, namespace)
        _check(old, "", resource_version)
        new: Obj = {**old, "status": msgspec.to_builtins(status)}
        if annotations is not None:
            new["metadata"] = {**old["metadata"], "annotations": dict(annotations)}
        return self._write(Key(kind, namespace, name), old, new, user, subresource="status")

    def delete(
        self, kind: Kind, name: str, *, namespace: str = NAMESPACE, uid: str = ""
    ) -> Obj | None:
        """Delete an object; return what is left of it where something holds it."""
        old = self.get(kind, name, namespace)
        _check(old, uid, "")
        if not old["metadata"].get("finalizers") and kind not in GRACEFUL:
            self.remove(Key(kind, namespace, name))
            return None
        if "deletionTimestamp" in old["metadata"]:
            return old
        metadata = {
            **old["metadata"],
            "deletionTimestamp": timestamp(self.now),
            "generation": old["metadata"]["generation"] + 1,
        }
        return self._store(Key(kind, namespace, name), {**old, "metadata": metadata})

    def remove(self, key: Key) -> None:
        """Take an object away at once."""
        del self._objects[key]
        self.version += 1

    def rewrite(self, key: Key, metadata: Mapping[str, Any]) -> None:
        """Change metadata that is the server's own, as no client can."""
        old = self._objects[key]
        self._objects[key] = {**old, "metadata": {**old["metadata"], **metadata}}

    def _write(self, key: Key, old: Obj | None, new: Obj, user: str, subresource: str = "") -> Obj:
        if self.admission is not None:
            request = Request(kind=key.kind, old=old, new=new, user=user, subresource=subresource)
            new = self.admission(request)
        if not subresource:
            new = defaulted(key.kind, new)
            validate(key.kind, old, new)
        if old is None:
            return self._store(key, new)
        if new == old:
            return old
        if not subresource and _bumps_generation(key.kind, old, new):
            generation = old["metadata"]["generation"] + 1
            new = {**new, "metadata": {**new["metadata"], "generation": generation}}
        held = old["metadata"].get("finalizers") and "deletionTimestamp" in old["metadata"]
        if held and not new["metadata"].get("finalizers"):
            self.remove(key)
            return new
        return self._store(key, new)

    def _store(self, key: Key, obj: Obj) -> Obj:
        self.version += 1
        stored = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.version)}}
        self._objects[key] = stored
        return stored


def controller_uid(obj: Obj) -> str:
    """Return the uid of the controlling owner, or an empty string."""
    for owner in obj["metadata"].get("ownerReferences", ()):
        if owner.get("controller"):
            return str(owner["uid"])
    return ""


def controller_reference(owner: Obj) -> Obj:
    """Return the reference by which a controller owns what it creates."""
    return {
        "apiVersion": owner.get("apiVersion", ""),
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _check(obj: Obj, uid: str, resource_version: str) -> None:
    metadata = obj["metadata"]
    if uid and metadata["uid"] != uid:
        raise ConflictError(f"{metadata['name']}: precondition uid {uid}, is {metadata['uid']}")
    if resource_version and metadata["resourceVersion"] != resource_version:
        raise ConflictError(
            f"{metadata['name']}: precondition resourceVersion {resource_version}, "
            f"is {metadata['resourceVersion']}"
        )


def _bumps_generation(kind: Kind, old: Obj, new: Obj) -> bool:
    """Whether a write counts as a change of intent.

    A Deployment's annotations count too, because they are copied to its ReplicaSets
    (`deploymentStrategy.PrepareForUpdate`).
    """
    if kind is Kind.DEPLOYMENT and old["metadata"].get("annotations") != new["metadata"].get(
        "annotations"
    ):
        return True
    skip = {"metadata", "status"} if kind in STATUS_SUBRESOURCE else {"metadata"}
    return {k: v for k, v in old.items() if k not in skip} != {
        k: v for k, v in new.items() if k not in skip
    }
