"""Effects: what a decision wants done, as data.

The act layer carries them out in order and stops at the first that fails; each is
idempotent or guarded by a precondition, so that repeating a decision after a crash
between any two of them leads to the same end.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from tandem_controller.api.meta import ObjectMeta


class Kind(StrEnum):
    """The kinds of objects that decisions read and write."""

    ROLLOUT = "Rollout"
    RELEASE_POLICY = "ReleasePolicy"
    RELEASE_RECORD = "ReleaseRecord"
    RELEASE_APPROVAL = "ReleaseApproval"
    DEPLOYMENT = "Deployment"
    REPLICA_SET = "ReplicaSet"
    POD = "Pod"
    SERVICE = "Service"
    ENDPOINT_SLICE = "EndpointSlice"
    INGRESS = "Ingress"
    HTTP_ROUTE = "HTTPRoute"
    CONFIG_MAP = "ConfigMap"
    SECRET = "Secret"
    AUTOSCALER = "HorizontalPodAutoscaler"


@dataclass(frozen=True, kw_only=True)
class Create:
    """Create an object; that it exists already is success."""

    kind: Kind
    body: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Patch:
    """Merge-patch an object (RFC 7386), if it still has this uid and resourceVersion."""

    kind: Kind
    namespace: str
    name: str
    uid: str
    resource_version: str
    body: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ReplaceStatus:
    """Replace the whole status, if the object still has this resourceVersion."""

    kind: Kind
    namespace: str
    name: str
    resource_version: str
    status: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Delete:
    """Delete an object, if it still has this uid; that it is gone is success."""

    kind: Kind
    namespace: str
    name: str
    uid: str


def patch_of(kind: Kind, meta: ObjectMeta, body: dict[str, Any]) -> Patch:
    """Return the patch of the object that has this metadata, as it was seen."""
    return Patch(
        kind=kind,
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        resource_version=meta.resource_version,
        body=body,
    )


def delete_of(kind: Kind, meta: ObjectMeta) -> Delete:
    """Return the deletion of the object that has this metadata."""
    return Delete(kind=kind, namespace=meta.namespace, name=meta.name, uid=meta.uid)


Effect = Create | Patch | ReplaceStatus | Delete


@dataclass(frozen=True, kw_only=True)
class Look:
    """Something to be read in the Rollout's namespace, because no cache holds it.

    Without a name it is all objects of the kind.
    """

    kind: Kind
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class Note:
    """A Kubernetes Event on the Rollout, and the log line of the same words."""

    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What to do now, what to say, and when to look again without being woken.

    `wake_at` is None where only a watch event can change anything. `looks` names what has
    to be read first: the decision is then made again, with `Snapshot.seen`.
    """

    effects: tuple[Effect, ...] = ()
    notes: tuple[Note, ...] = ()
    wake_at: datetime | None = None
    looks: tuple[Look, ...] = ()
