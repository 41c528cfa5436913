"""Whether an old version would find its config again, before any traffic moves to it.

Pods of the old version that start now read ConfigMaps and Secrets as they are now. What is
gone and has a copy is created again; what the record knows in another content is put back,
where it is Tandem that goes back. Whoever states the old version by an Application states
its config with it: then nothing is put back over it. What is gone for good stops the
rollback, because its pods would not start.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tandem_controller.api.config import ConfigObject
from tandem_controller.api.evidence import ConfigEvidence
from tandem_controller.api.meta import OwnerReference
from tandem_controller.api.record import ReleaseRecord
from tandem_controller.decide.config import copy as config_copy
from tandem_controller.decide.config import needs as config
from tandem_controller.decide.config import withhold
from tandem_controller.decide.config.needs import Reference
from tandem_controller.effect import Create, Effect, Kind, Look, Note
from tandem_controller.snapshot import Snapshot

RESTORED = "ConfigRestored"
DIFFERS = "ConfigDiffers"


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What is to be done about a version's config, what is in the way, and what to tell.

    `notes` accompany the effects, `warnings` the begin of the rollback.
    """

    effects: tuple[Effect, ...] = ()
    notes: tuple[Note, ...] = ()
    problems: tuple[str, ...] = ()
    warnings: tuple[Note, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Object:
    """One ConfigMap or Secret of the old version: as recorded, as it is, and its copy."""

    look: Look
    references: tuple[Reference, ...]
    recorded: ConfigEvidence
    live: ConfigObject | None
    refused: str
    copy: ConfigObject | None

    @property
    def gone(self) -> bool:
        return self.live is None and not self.refused

    @property
    def required(self) -> Reference | None:
        """The first reference that a pod cannot start without."""
        return next((r for r in self.references if not r.optional), None)

    @property
    def differs(self) -> bool:
        known = self.recorded.fingerprint
        return self.live is not None and bool(known) and self.live.fingerprint != known

    def __str__(self) -> str:
        return f"{self.look.kind} {self.look.name!r}"


def looks(snapshot: Snapshot, record: ReleaseRecord) -> tuple[Look, ...]:
    """Return what has to be seen before the config of a recorded version can be judged."""
    recorded = _recorded(record)
    named = config.by_object(config.references(record.spec.template))
    copies = (Look(kind=k.kind, name=recorded[k].copy) for k in named if _has_copy(recorded, k))
    if missing := config.unseen(snapshot, (*named, *copies)):
        return missing
    replaced = (e for e in _objects(snapshot, record) if e.copy and e.differs and e.live)
    newer = (config_copy.look_of(e.look.kind, e.live) for e in replaced if e.live)
    return config.unseen(snapshot, newer)


def findings(
    snapshot: Snapshot, record: ReleaseRecord, *, instead_of: ReleaseRecord | None
) -> Findings:
    """Judge the config of a recorded version; all of it has been seen.

    The recorded content replaces that of the version `instead_of`, whose owner is kept from
    stating it again; no content is replaced where that is None.
    """
    objects = tuple(_objects(snapshot, record))
    writes = [w for each in objects if (w := _write(snapshot, each, instead_of))]
    return Findings(
        effects=tuple(effect for effects, _ in writes for effect in effects),
        notes=tuple(note for _, note in writes),
        problems=tuple(p for each in objects if (p := _problem(each, record))),
        warnings=tuple(told for each in objects if (told := _warning(each, record))),
    )


def _recorded(record: ReleaseRecord) -> dict[Look, ConfigEvidence]:
    attempt = record.stable_attempt
    known = attempt.evidence.config if attempt and attempt.evidence else ()
    return {Look(kind=Kind(each.kind), name=each.name): each for each in known}


def _has_copy(recorded: dict[Look, ConfigEvidence], look: Look) -> bool:
    return look in recorded and bool(recorded[look].copy)


def _objects(snapshot: Snapshot, record: ReleaseRecord) -> Iterator[_Object]:
    recorded = _recorded(record)
    for look, references in config.by_object(config.references(record.spec.template)).items():
        known = recorded.get(look, ConfigEvidence(kind=look.kind, name=look.name))
        seen = snapshot.saw(look)
        yield _Object(
            look=look,
            references=references,
            recorded=known,
            live=config.seen(snapshot, look),
            refused=seen.refused if seen else "",
            copy=_copy(snapshot, look, known),
        )


def _copy(snapshot: Snapshot, look: Look, known: ConfigEvidence) -> ConfigObject | None:
    """Return the copy, unless somebody put another content in its place."""
    if not known.copy:
        return None
    found = config.seen(snapshot, Look(kind=look.kind, name=known.copy))
    sound = found and config_copy.is_copy(snapshot, found, known.fingerprint)
    return found if sound else None


def _write(
    snapshot: Snapshot, each: _Object, instead_of: ReleaseRecord | None
) -> tuple[tuple[Effect, ...], Note] | None:
    if each.copy is None:
        return None
    if each.gone:
        message = f"{each} was gone; it is created again from its copy {each.recorded.copy!r}"
        return (_create(snapshot, each, each.copy),), Note(reason=RESTORED, message=message)
    if instead_of and each.differs and each.live and not each.live.immutable:
        message = (
            f"{each} holds another content than the old version ran with; the old content is "
            f"put back from its copy {each.recorded.copy!r}"
        )
        note = Note(reason=RESTORED, message=message, warning=True)
        effects = withhold.put_back(snapshot, instead_of, each.look.kind, each.live, each.copy)
        return effects, note
    return None


def _problem(each: _Object, record: ReleaseRecord) -> str | None:
    """Say what keeps pods of the old version from starting, and has no copy to help."""
    if each.copy is not None or each.refused:
        return None
    if each.gone and (need := each.required):
        return (
            f"{each} is gone, and {need.field} of the pod template in ReleaseRecord "
            f"{record.metadata.name!r} needs it; create it again, and the rollback goes on"
        )
    if each.live and (missing := config.lacks(each.live, each.references)):
        return (
            f"{each} has no key {missing.key!r}, and {missing.field} of the pod template in "
            f"ReleaseRecord {record.metadata.name!r} needs it; add it, and the rollback goes on"
        )
    return None


def _warning(each: _Object, record: ReleaseRecord) -> Note | None:
    """Say what the old version will find otherwise than it was, and nothing can be done about."""
    if each.refused:
        message = f"{each} could not be checked before the rollback: {each.refused}"
    elif each.gone and each.recorded.fingerprint and each.copy is None:
        message = f"{each} is gone; it is optional, and the old version ran with it"
    elif each.differs:
        message = (
            f"{each} holds another content than when ReleaseRecord {record.metadata.name!r} ran; "
            "pods that start now read the present one"
        )
    else:
        return None
    return Note(reason=DIFFERS, message=message, warning=True)


def _create(snapshot: Snapshot, each: _Object, copy: ConfigObject) -> Create:
    owners = [_owner(o) for o in each.recorded.owner_references]
    return Create(
        kind=each.look.kind,
        body={
            "apiVersion": "v1",
            "kind": each.look.kind.value,
            "metadata": {
                "name": each.look.name,
                "namespace": snapshot.rollout.metadata.namespace,
                "labels": dict(each.recorded.labels),
                **({"ownerReferences": owners} if owners else {}),
            },
            **({"type": copy.type} if copy.type else {}),
            **copy.content,
        },
    )


def _owner(owner: OwnerReference) -> dict[str, Any]:
    return {
        "apiVersion": owner.api_version,
        "kind": owner.kind,
        "name": owner.name,
        "uid": owner.uid,
        "controller": owner.controller,
        "blockOwnerDeletion": owner.block_owner_deletion,
    }
