"""Object metadata, as far as Tandem reads it (Kubernetes API conventions, `ObjectMeta`)."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Model(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A frozen struct with camelCase names on the wire; unknown fields are ignored."""


class OwnerReference(Model, frozen=True):
    """The owner of an object (`metadata.ownerReferences[]`)."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool = False
    block_owner_deletion: bool = False


class ObjectMeta(Model, frozen=True):
    """Name, identity and version of an object."""

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    finalizers: tuple[str, ...] = ()
    owner_references: tuple[OwnerReference, ...] = ()

    @property
    def deleting(self) -> bool:
        """Whether deletion was requested and finalizers hold the object."""
        return self.deletion_timestamp is not None

    def controlled_by(self, uid: str) -> bool:
        """Whether the object with this uid is the controlling owner."""
        return any(o.controller and o.uid == uid for o in self.owner_references)


class Condition(Model, frozen=True):
    """One condition of a status (`type` is unique in its list)."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    last_update_time: datetime | None = None
    last_transition_time: datetime | None = None
