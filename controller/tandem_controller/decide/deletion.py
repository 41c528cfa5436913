"""What becomes of a release whose Rollout is deleted, and how a new Rollout takes it up.

Complete and Rollback end it before the finalizer goes. Freeze leaves everything as it is:
what Tandem put beside the user's objects then outlives the Rollout, and is owned again by
one that is created anew under the same name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tandem_controller import keys
from tandem_controller.api.network import Ingress, Service
from tandem_controller.api.policy import OnDelete
from tandem_controller.api.workload import Deployment
from tandem_controller.decide import rest
from tandem_controller.decide.case import Case
from tandem_controller.decide.ending import complete, take_back
from tandem_controller.effect import Decision, Effect, Kind, Note, patch_of
from tandem_controller.ownership import owner_reference
from tandem_controller.snapshot import Snapshot
from tandem_controller.workloads import deployment as native

FROZEN = (
    "the Rollout was deleted in mid-release and its policy says Freeze: pods and traffic stay as "
    "they are; create it again to go on from its first step, or un-pause the Deployment to "
    "release everything"
)


def on_deletion(case: Case) -> Decision:
    """End a release whose Rollout is being deleted, as the policy says."""
    if case.on_delete is OnDelete.ROLLBACK:
        return take_back(case)
    if case.on_delete is OnDelete.COMPLETE:
        return finish(case)
    return _freeze(case)


def finish(case: Case) -> Decision:
    """Complete a release; one that is parked states its template first."""
    if case.live == case.versions.release:
        return complete(case)
    return Decision(
        effects=case.provider.state(case.snapshot, case.versions, case.versions.release_template)
    )


def take_up(case: Case) -> Decision | None:
    """Own what an earlier Rollout of this name left behind, frozen, and hold on to it."""
    if held := rest.hold(case.snapshot):
        return held
    effects = tuple(
        _patch_owners(kind, obj, [owner_reference(case.snapshot.rollout)])
        for kind, obj in _beside(case.snapshot)
        if not obj.metadata.owner_references
        and obj.metadata.labels.get(keys.OWNER) == case.snapshot.rollout.metadata.name
    )
    return Decision(effects=effects) if effects else None


def _freeze(case: Case) -> Decision:
    """Leave pods and traffic as they are."""
    if resting := case.provider.freeze(case.snapshot, case.versions, case.progress):
        return Decision(effects=resting)
    if noted := native.note_frozen(case.deployment, case.versions):
        return Decision(effects=noted)
    if orphans := disown(case.snapshot):
        return Decision(effects=orphans)
    note = Note(reason="ReleaseFrozen", message=FROZEN, warning=True)
    return Decision(effects=rest.let_go(case.snapshot).effects, notes=(note,))


def disown(snapshot: Snapshot) -> tuple[Effect, ...]:
    """Drop the owner references of what must outlive the Rollout."""
    return tuple(
        _patch_owners(kind, obj, None)
        for kind, obj in _beside(snapshot)
        if obj.metadata.controlled_by(snapshot.rollout.metadata.uid)
    )


Beside = Service | Ingress | Deployment


def _beside(snapshot: Snapshot) -> Iterator[tuple[Kind, Beside]]:
    """Yield the objects that a release put beside the user's."""
    traffic = snapshot.traffic
    if traffic.canary_service is not None:
        yield Kind.SERVICE, traffic.canary_service
    if traffic.canary_ingress is not None:
        yield Kind.INGRESS, traffic.canary_ingress
    if snapshot.canary is not None:
        yield Kind.DEPLOYMENT, snapshot.canary.deployment


def _patch_owners(kind: Kind, obj: Beside, owners: list[dict[str, Any]] | None) -> Effect:
    meta = obj.metadata
    return patch_of(kind, meta, {"metadata": {"ownerReferences": owners}})
