"""What a workload really runs: which platform part beside which business part.

Pure. Seen are the pods and not the Deployment, which states more than runs and less than ran.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tandem_controller.api.fingerprint import template_fingerprint
from tandem_controller.api.policy import Containers
from tandem_controller.api.record import Outcome, ReleaseRecord
from tandem_controller.api.workload import ReplicaSet
from tandem_controller.decide.classify import Parts, parts
from tandem_controller.decide.history import records
from tandem_controller.link.images import Images, images
from tandem_controller.snapshot import Snapshot, WorkloadSnapshot

_ENDED_POD_PHASES = ("Succeeded", "Failed")


class State(StrEnum):
    """What a running revision is to the records."""

    STABLE = "stable"
    CANARY = "canary"
    """The release in progress."""
    FORMER = "former"
    """Recorded, and neither stable nor being released."""
    UNRECORDED = "unrecorded"
    """No record knows it: it came past Tandem, or while the Rollout was disabled."""


@dataclass(frozen=True, kw_only=True)
class Pairing:
    """One running revision. `revision` ends the name of its ReleaseRecord, where it has one.

    `released` is whether this platform part was released to completion together with this
    business part, or ran before Tandem was there. Nothing is held against a workload without
    records. `component_version` is the recorded one: the live object may already state the
    version of a change that is held.
    """

    revision: str
    state: State
    images: Images
    component_version: str
    released: bool


def pairings(snapshot: Snapshot) -> tuple[Pairing, ...]:
    """Return what runs, one entry a revision, ordered by revision."""
    if snapshot.workload is None:
        return ()
    archive = _Archive(
        uid=snapshot.workload.deployment.metadata.uid,
        known=records.of_workload(snapshot),
        containers=snapshot.policy_spec.containers,
    )
    found = {p.revision: p for p in (archive.pairing(each) for each in _running(snapshot))}
    return tuple(found[revision] for revision in sorted(found))


@dataclass(frozen=True, kw_only=True)
class _Archive:
    """The records of one workload, asked about templates."""

    uid: str
    known: tuple[ReleaseRecord, ...]
    containers: Containers

    def pairing(self, template: Mapping[str, Any]) -> Pairing:
        fingerprint = template_fingerprint(template)
        record = records.by_fingerprint(self.known, fingerprint)
        pair = self._recorded(record) if record else parts(template, self.containers)
        record = record or self._alike(pair)
        return Pairing(
            revision=records.revision(self.uid, record.spec.fingerprint if record else fingerprint),
            state=self._state(record),
            images=images(template, self.containers),
            component_version=record.spec.component_version if record else "",
            released=self._released(pair),
        )

    def _alike(self, pair: Parts) -> ReleaseRecord | None:
        """Return the record of the same two parts, what is released now before all others.

        Pods of an extra Deployment carry labels of their own, so their template has another
        fingerprint than the one that is released.
        """
        current = (records.in_progress(self.known), records.stable(self.known))
        ordered = (*(r for r in current if r is not None), *self.known)
        return next((r for r in ordered if self._recorded(r) == pair), None)

    def _state(self, record: ReleaseRecord | None) -> State:
        if record is None:
            return State.UNRECORDED
        if record is records.in_progress(self.known):
            return State.CANARY
        return State.STABLE if record is records.stable(self.known) else State.FORMER

    def _released(self, pair: Parts) -> bool:
        """Whether a pair was ever released; without any record nothing is held against it."""
        if not self.known:
            return True
        return any(self._recorded(r) == pair for r in self.known if self._completed(r))

    def _completed(self, record: ReleaseRecord) -> bool:
        """Whether a template was released to completion, or ran before Tandem was there.

        Every later baseline is a template that rolled out while nothing held it
        (`decide/adoption.py`): it is the stable one now, but nobody released it.
        """
        first = min((a.started_at for r in self.known for a in r.status.attempts), default=None)
        return any(
            a.outcome is Outcome.COMPLETED
            or (a.outcome is Outcome.BASELINE and a.started_at == first)
            for a in record.status.attempts
        )

    def _recorded(self, record: ReleaseRecord) -> Parts:
        """Return a record's parts; those of old do not state them."""
        spec = record.spec
        if spec.business_fingerprint and spec.platform_fingerprint:
            return Parts(business=spec.business_fingerprint, platform=spec.platform_fingerprint)
        return parts(spec.template, self.containers)


def _running(snapshot: Snapshot) -> Iterator[Mapping[str, Any]]:
    """Yield the templates that have pods, those of the extra Deployment included."""
    for side in (snapshot.workload, snapshot.canary):
        if side is not None and (side is snapshot.workload or _is_ours(side, snapshot)):
            yield from (rs.spec.template for rs in side.replica_sets if _has_pods(side, rs))


def _is_ours(side: WorkloadSnapshot, snapshot: Snapshot) -> bool:
    return side.deployment.metadata.controlled_by(snapshot.rollout.metadata.uid)


def _has_pods(side: WorkloadSnapshot, replica_set: ReplicaSet) -> bool:
    return any(
        not pod.metadata.deleting and pod.status.phase not in _ENDED_POD_PHASES
        for pod in side.pods_of(replica_set)
    )
