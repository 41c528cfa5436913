"""Keeping a rejected version's config away from the version in force, and giving it back.

A rollback puts the old content of ConfigMaps and Secrets back, but their owner states the new
one again at its next write. So the object is marked, admission answers such a write with what is
stored (`decide/admission/config.py`), and the new content is kept in an immutable copy. Once the
rejection ends, the owner's content comes back before any pod of the next release starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tandem_controller import keys
from tandem_controller.api.config import ConfigObject
from tandem_controller.api.record import ReleaseRecord
from tandem_controller.decide.config import copy as config_copy
from tandem_controller.decide.config import needs as config
from tandem_controller.decide.config.mark import NO_MARK, Mark, mark_in, new_mark
from tandem_controller.effect import Decision, Effect, Kind, Look, Note, Patch, patch_of
from tandem_controller.mergepatch import merge_diff
from tandem_controller.snapshot import Snapshot

GIVEN_BACK = "ConfigGivenBack"


def put_back(
    snapshot: Snapshot,
    rejected: ReleaseRecord,
    kind: Kind,
    live: ConfigObject,
    old: ConfigObject,
) -> tuple[Effect, ...]:
    """Return the effects by which an object gets its old content and keeps the newer one away."""
    body: dict[str, Any] = merge_diff(live.content, old.content)
    if snapshot.rollout.metadata.deleting:
        return (patch_of(kind, live.metadata, body),)
    mark = mark_in(live.metadata.annotations)
    if mark is not None and (mark.is_due(live.content) or mark.names(live.content)):
        body |= {"metadata": _kept_away(live, mark, old)}
        return (patch_of(kind, live.metadata, body),)
    mark = new_mark(rejected.metadata.name, live, old)
    copies = config_copy.kept(snapshot, rejected, kind, live)
    body |= {"metadata": mark.metadata(snapshot.rollout.metadata.name)}
    return (*copies, patch_of(kind, live.metadata, body))


def _kept_away(live: ConfigObject, mark: Mark, old: ConfigObject) -> Mapping[str, Any]:
    """Return the metadata with which an object goes on keeping away what its owner states.

    Unless that comes back itself. Another Rollout's mark stays that Rollout's.
    """
    if mark.content == old.fingerprint:
        return NO_MARK
    marked_for = live.metadata.labels.get(keys.WITHHELD_CONFIG, "")
    return mark.is_stated_over(old.content).metadata(marked_for)


def given_back(
    snapshot: Snapshot,
    template: Mapping[str, Any],
    rejected: Iterable[ReleaseRecord],
) -> Decision | None:
    """Give an owner's content back where its version is rejected no more; None when it is done.

    `template` is what is to be released, `rejected` what stays rejected when it is. Nothing is
    looked at where no version ever was rejected, of a workload that is gone neither.
    """
    if not any(each.rejection for record in snapshot.records for each in record.status.attempts):
        return None
    named = config.by_object(config.references(template))
    if looks := config.unseen(snapshot, named):
        return Decision(looks=looks)
    still = {record.metadata.name for record in rejected}
    marked = [each for each in _marked(snapshot, named) if each[2].record not in still]
    if looks := config.unseen(snapshot, (_copy(look, mark) for look, _, mark in marked)):
        return Decision(looks=looks)
    if not marked:
        return None
    done = [_return(snapshot, *each) for each in marked]
    return Decision(effects=tuple(e for e, _ in done), notes=tuple(n for _, n in done))


def _marked(snapshot: Snapshot, looks: Iterable[Look]) -> Iterator[tuple[Look, ConfigObject, Mark]]:
    """Yield the objects with a mark of this Rollout."""
    mine = snapshot.rollout.metadata.name
    for look in looks:
        live = config.seen(snapshot, look)
        mark = mark_in(live.metadata.annotations) if live else None
        if live and mark and live.metadata.labels.get(keys.WITHHELD_CONFIG) == mine:
            yield look, live, mark


def _return(snapshot: Snapshot, look: Look, live: ConfigObject, mark: Mark) -> tuple[Patch, Note]:
    """Put the owner's content in place, or only take the mark away where that is not known."""
    body: dict[str, Any] = {"metadata": NO_MARK}
    due = mark.is_due(live.content)
    new = config.seen(snapshot, _copy(look, mark)) if due and not live.immutable else None
    if new is not None and config_copy.is_copy(snapshot, new, mark.content):
        message = f"{look.kind} {look.name!r} has the content again that its owner states"
        body |= merge_diff(live.content, new.content)
        return patch_of(look.kind, live.metadata, body), Note(reason=GIVEN_BACK, message=message)
    message = f"{look.kind} {look.name!r} is its owner's again, with the content that it has"
    note = Note(reason=GIVEN_BACK, message=message, warning=due)
    return patch_of(look.kind, live.metadata, body), note


def _copy(look: Look, mark: Mark) -> Look:
    """Return how to see the copy of what is kept away."""
    return Look(kind=look.kind, name=config_copy.copy_name(look.name, mark.content))
