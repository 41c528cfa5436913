"""Copies of the config that an Application renders, and what a record keeps of each object.

The Application overwrites its ConfigMaps and Secrets with each revision, so a hash alone
could say that the old content is gone, but not bring it back. A copy is immutable, named
by its content, and owned by the records that need it: with the last one it goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tandem_controller import keys
from tandem_controller.api import policy as policy_api
from tandem_controller.api.config import ConfigObject
from tandem_controller.api.evidence import ConfigEvidence
from tandem_controller.api.record import ReleaseRecord
from tandem_controller.decide.config import needs as config
from tandem_controller.effect import Create, Effect, Kind, Look, Patch, patch_of
from tandem_controller.snapshot import Snapshot

NAME_LIMIT = 253
"""Length of an object's name (RFC 1123 subdomain)."""
HASH_LENGTH = 10


def copy_name(name: str, fingerprint: str) -> str:
    """Return the name of a copy: of what, and with which content."""
    return f"{name[: NAME_LIMIT - HASH_LENGTH - 1].rstrip('.-')}-{fingerprint[:HASH_LENGTH]}"


def looks(snapshot: Snapshot, template: Mapping[str, Any]) -> tuple[Look, ...]:
    """Return what has to be seen before a template's config can be recorded."""
    named = config.by_object(config.references(template))
    if missing := config.unseen(snapshot, named):
        return missing
    found = ((look, config.seen(snapshot, look)) for look in named)
    return config.unseen(
        snapshot,
        (
            Look(kind=look.kind, name=copy_name(look.name, obj.fingerprint))
            for look, obj in found
            if obj and rendered(snapshot, obj)
        ),
    )


def evidence(snapshot: Snapshot, template: Mapping[str, Any]) -> tuple[ConfigEvidence, ...]:
    """Return what a record keeps of a template's config; all of it has been seen."""
    return tuple(
        _evidence(snapshot, look) for look in config.by_object(config.references(template))
    )


def copies(
    snapshot: Snapshot, record: ReleaseRecord, template: Mapping[str, Any]
) -> tuple[Effect, ...]:
    """Return the effects by which the copies exist and belong to a record."""
    found = (
        (look, config.seen(snapshot, look))
        for look in config.by_object(config.references(template))
    )
    return tuple(
        effect for look, obj in found if obj for effect in kept(snapshot, record, look.kind, obj)
    )


def look_of(kind: Kind, obj: ConfigObject) -> Look:
    """Return how to see the copy of an object with the content that it has."""
    return Look(kind=kind, name=copy_name(obj.metadata.name, obj.fingerprint))


def kept(
    snapshot: Snapshot, record: ReleaseRecord, kind: Kind, obj: ConfigObject
) -> tuple[Effect, ...]:
    """Return the effects by which a record owns a copy of an object that its Application renders.

    None where something of somebody else has the copy's name.
    """
    if not rendered(snapshot, obj):
        return ()
    have = config.seen(snapshot, look_of(kind, obj))
    if have is None:
        return (_create(snapshot, record, kind, obj),)
    owners = have.metadata.owner_references
    if not is_copy(snapshot, have, obj.fingerprint) or any(
        o.uid == record.metadata.uid for o in owners
    ):
        return ()
    return (_own_too(record, kind, have),)


def rendered(snapshot: Snapshot, obj: ConfigObject) -> bool:
    """Whether the workload's Application renders an object (KubeVela's label)."""
    if snapshot.workload is None:
        return False
    mine = snapshot.workload.deployment.metadata.labels.get(keys.OAM_NAME, "")
    return bool(mine) and obj.metadata.labels.get(keys.OAM_NAME) == mine


def is_copy(snapshot: Snapshot, obj: ConfigObject, fingerprint: str) -> bool:
    """Whether an object is a copy that this Rollout made, with the content of its name."""
    mine = snapshot.rollout.metadata.name
    return (
        obj.immutable
        and obj.metadata.labels.get(keys.OWNER) == mine
        and obj.fingerprint == fingerprint
    )


def _evidence(snapshot: Snapshot, look: Look) -> ConfigEvidence:
    found = snapshot.saw(look)
    obj = config.seen(snapshot, look)
    if found and found.refused:
        return ConfigEvidence(kind=look.kind, name=look.name, problem=found.refused)
    if obj is None:
        return ConfigEvidence(kind=look.kind, name=look.name, problem="it did not exist")
    plain = ConfigEvidence(kind=look.kind, name=look.name, fingerprint=obj.fingerprint)
    return _with_copy(plain, obj) if _copied(snapshot, look.kind, obj) else plain


def _with_copy(plain: ConfigEvidence, obj: ConfigObject) -> ConfigEvidence:
    return ConfigEvidence(
        kind=plain.kind,
        name=plain.name,
        fingerprint=plain.fingerprint,
        copy=copy_name(plain.name, plain.fingerprint),
        labels=_without_mark(obj.metadata.labels),
        owner_references=obj.metadata.owner_references,
    )


def _without_mark(labels: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in labels.items() if key != keys.WITHHELD_CONFIG}


def _copied(snapshot: Snapshot, kind: Kind, obj: ConfigObject) -> bool:
    """Whether there is a copy, or will be: nothing of somebody else has its name."""
    if not rendered(snapshot, obj):
        return False
    have = config.seen(snapshot, look_of(kind, obj))
    return have is None or is_copy(snapshot, have, obj.fingerprint)


def _create(snapshot: Snapshot, record: ReleaseRecord, kind: Kind, obj: ConfigObject) -> Create:
    """Copy the content and nothing else: labels and annotations are its owner's marks."""
    return Create(
        kind=kind,
        body={
            "apiVersion": "v1",
            "kind": kind.value,
            "metadata": {
                "name": look_of(kind, obj).name,
                "namespace": snapshot.rollout.metadata.namespace,
                "labels": {keys.OWNER: snapshot.rollout.metadata.name},
                "ownerReferences": [_owner(record)],
            },
            **({"type": obj.type} if obj.type else {}),
            **obj.content,
            "immutable": True,
        },
    )


def _own_too(record: ReleaseRecord, kind: Kind, have: ConfigObject) -> Patch:
    meta = have.metadata
    others = [
        {"apiVersion": o.api_version, "kind": o.kind, "name": o.name, "uid": o.uid}
        for o in meta.owner_references
    ]
    return patch_of(kind, meta, {"metadata": {"ownerReferences": [*others, _owner(record)]}})


def _owner(record: ReleaseRecord) -> dict[str, Any]:
    return {
        "apiVersion": policy_api.API_VERSION,
        "kind": "ReleaseRecord",
        "name": record.metadata.name,
        "uid": record.metadata.uid,
    }
