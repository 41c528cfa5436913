"""Records that were deleted or edited by force: noticed, told, and written anew where possible.

A record is named after its template, so what it must hold can be told from its name, and a
lost one can be written again from any ReplicaSet whose template stands for that name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from tandem_controller import keys
from tandem_controller.api.fingerprint import template_fingerprint
from tandem_controller.api.policy import OnDelete
from tandem_controller.api.record import Originals, ReleaseRecord
from tandem_controller.api.rollout import Phase
from tandem_controller.decide import deletion
from tandem_controller.decide.blocking import blocked
from tandem_controller.decide.case import Case
from tandem_controller.decide.history import records
from tandem_controller.effect import Decision, Kind, Note, delete_of, patch_of
from tandem_controller.snapshot import Snapshot, WorkloadSnapshot
from tandem_controller.workloads.deployment import live_fingerprint
from tandem_controller.workloads.provider import WorkloadProvider

_UNDER_WAY = (Phase.PROGRESSING, Phase.DISABLING, Phase.TERMINATING)

LOST = (
    "the ReleaseRecord of the stable version was deleted or damaged; it is written anew from "
    "what runs"
)


def damaged(snapshot: Snapshot, workload: WorkloadSnapshot) -> Decision | None:
    """Tell of a damaged record, once: it is marked, and stays to be looked at.

    Where its name is needed, because the template that it is named after runs or is
    stated, it makes room for a true one.
    """
    needed = _needed(snapshot, workload)
    for record in snapshot.records:
        fault = records.fault(record)
        if fault is None:
            continue
        if record.metadata.name in needed:
            return _removed(record, fault)
        if keys.DAMAGED not in record.metadata.annotations:
            return _marked(record, fault)
    return None


def stable_of(
    known: Iterable[ReleaseRecord], release: ReleaseRecord | None
) -> ReleaseRecord | None:
    """Return the record that is stable: the one that the release in progress began from.

    Not simply the last that became stable: if that one was deleted, the last but one is
    not what runs beside the release.
    """
    found = tuple(known)
    attempt = release.open_attempt if release else None
    if attempt is None or not attempt.circumstances.stable:
        return records.stable(found)
    name = attempt.circumstances.stable
    return next((r for r in found if r.metadata.name == name and r.stable_attempt), None)


def lost(release: ReleaseRecord, stable: ReleaseRecord | None) -> bool:
    """Whether a release names the record that it returns to, and there is none."""
    attempt = release.open_attempt
    return stable is None and attempt is not None and bool(attempt.circumstances.stable)


def rebuild(
    snapshot: Snapshot,
    workload: WorkloadSnapshot,
    provider: WorkloadProvider,
    release: ReleaseRecord,
    now: datetime,
) -> Decision:
    """Write the lost record of the stable version anew while a release is in progress.

    Where no ReplicaSet has its template any more, the release stands still: there is
    nothing that it could be rolled back to.
    """
    attempt = release.open_attempt
    name = attempt.circumstances.stable if attempt else ""
    template = next((t for t in _templates(workload) if _name(snapshot, workload, t) == name), None)
    if template is not None:
        originals = attempt.originals if attempt else Originals()
        return _baseline(snapshot, workload, template, originals, now)
    stand_in = replace(release, spec=replace(release.spec, fingerprint="", template={}))
    case = Case(snapshot=snapshot, now=now, provider=provider, stable=stand_in, release=release)
    return _let_go(case) or _frozen(case, name)


def lost_at_rest(snapshot: Snapshot, workload: WorkloadSnapshot) -> bool:
    """Whether the live template was released, and only its record is missing."""
    healthy = snapshot.rollout.status.phase == Phase.HEALTHY
    return healthy and _last_released(snapshot, workload)


def originals_of(
    snapshot: Snapshot, workload: WorkloadSnapshot, stable: ReleaseRecord, now_stated: Originals
) -> Originals:
    """Return the users' fields: as stated now, or as recorded where a release lost its record.

    Such a release has changed those fields already, and only its record told how they were.
    """
    recorded = stable.stable_attempt
    if recorded is None or not recorded.originals.workload:
        return now_stated
    return recorded.originals if release_lost(snapshot, workload) else now_stated


def release_lost(snapshot: Snapshot, workload: WorkloadSnapshot) -> bool:
    """Whether the live template is being released, and only its record is missing."""
    return _last_released(snapshot, workload) and snapshot.rollout.status.phase in _UNDER_WAY


def _last_released(snapshot: Snapshot, workload: WorkloadSnapshot) -> bool:
    canary = snapshot.rollout.status.canary_status
    uid = workload.deployment.metadata.uid
    live = records.revision(uid, live_fingerprint(workload))
    return canary is not None and canary.canary_revision == live


def _needed(snapshot: Snapshot, workload: WorkloadSnapshot) -> set[str]:
    """Return the names that records of what runs, is stated or is returned to must have."""
    running = (rs.spec.template for rs in workload.replica_sets if rs.spec.replicas > 0)
    templates = (workload.deployment.spec.template, *running)
    returned_to = {
        attempt.circumstances.stable for r in snapshot.records if (attempt := r.open_attempt)
    }
    return {_name(snapshot, workload, template) for template in templates} | returned_to


def _templates(workload: WorkloadSnapshot) -> Iterator[dict[str, Any]]:
    yield workload.deployment.spec.template
    yield from (rs.spec.template for rs in workload.replica_sets)


def _name(snapshot: Snapshot, workload: WorkloadSnapshot, template: dict[str, Any]) -> str:
    short = records.revision(workload.deployment.metadata.uid, template_fingerprint(template))
    return f"{snapshot.rollout.metadata.name}-{short}"


def _told(record: ReleaseRecord, fault: str, then: str) -> tuple[Note, ...]:
    message = (
        f"ReleaseRecord {record.metadata.name!r} is damaged and not used for any rollback: "
        f"{fault}; {then}"
    )
    return (Note(reason="RecordDamaged", message=message, warning=True),)


def _removed(record: ReleaseRecord, fault: str) -> Decision:
    meta = record.metadata
    effect = delete_of(Kind.RELEASE_RECORD, meta)
    then = "it is deleted, because the version that it is named after exists and needs a true one"
    return Decision(effects=(effect,), notes=_told(record, fault, then))


def _marked(record: ReleaseRecord, fault: str) -> Decision:
    meta = record.metadata
    effect = patch_of(
        Kind.RELEASE_RECORD, meta, {"metadata": {"annotations": {keys.DAMAGED: fault}}}
    )
    then = "delete it when you have seen what happened to it"
    return Decision(effects=(effect,), notes=_told(record, fault, then))


def _baseline(
    snapshot: Snapshot,
    workload: WorkloadSnapshot,
    template: dict[str, Any],
    originals: Originals,
    now: datetime,
) -> Decision:
    fingerprint = template_fingerprint(template)
    record = records.by_fingerprint(records.of_workload(snapshot), fingerprint)
    if record is None:
        return Decision(effects=(records.create(snapshot, workload.deployment, template),))
    note = Note(reason="RecordRebuilt", message=f"{record.metadata.name}: {LOST}", warning=True)
    effect = records.baseline(record, now, LOST, originals=originals)
    return Decision(effects=(effect,), notes=(note,))


def _let_go(case: Case) -> Decision | None:
    """End the release where its Rollout is deleted or disabled; back is no way any more."""
    rollout = case.snapshot.rollout
    if rollout.metadata.deleting and case.on_delete is OnDelete.FREEZE:
        return deletion.on_deletion(case)
    if rollout.metadata.deleting or rollout.spec.disabled:
        return deletion.finish(case)
    return None


def _frozen(case: Case, name: str) -> Decision:
    if effects := case.provider.freeze(case.snapshot, case.versions, case.progress):
        return Decision(effects=effects)
    message = (
        f"ReleaseRecord {name!r} of the stable version was deleted or damaged, and no ReplicaSet "
        "has its template any more, so the release stands still: put the record back from a "
        "backup, or delete the Rollout to let the new version have everything"
    )
    return blocked(case.snapshot, message, case.now)
