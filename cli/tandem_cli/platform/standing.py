"""Where one workload stands with a platform version: it runs it, holds it, is on the way, or not.

It follows from what the cluster says, so a second call, on another machine too, finds the same.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec.structs import replace

from tandem_cli import withheld
from tandem_cli.platform.target import Target
from tandem_controller import keys
from tandem_controller.api.meta import Model
from tandem_controller.api.record import Attempt, Change, Outcome, ReleaseRecord
from tandem_controller.api.rollout import CanaryStatus, Phase, StepState
from tandem_controller.decide import words
from tandem_controller.decide.classify import parts
from tandem_controller.decide.history import records
from tandem_controller.decide.hold.withheld import accepted, after_rollback, rejection_of
from tandem_controller.snapshot import Snapshot, WorkloadSnapshot
from tandem_controller.workloads.deployment import live_fingerprint

DEFAULT_ORDER = 0
"""Place of a workload without the label `tandem.oam.dev/wave-order`."""

Key = tuple[str, str]
"""Namespace and name of a Rollout."""


class Standing(StrEnum):
    """Where a workload stands with a platform version."""

    DONE = "done"
    HELD = "held"
    """It holds the version: a wave can release it."""
    ACCEPTED = "accepted"
    RELEASING = "releasing"
    """A release that brings this version and nothing else is in progress."""
    RETURNING = "rolling back"
    REJECTED = "rejected"
    BUSY = "busy"
    """Something else is being released, or about to be."""
    CLOSED = "closed"
    """Nothing can be released: paused, disabled, deleted, or taken back by a rollback."""
    ABSENT = "absent"
    """Nothing of this version is held for it."""


class Waiting(Model, frozen=True, omit_defaults=False):
    """The step at which a release waits for an approval, and of which release it is."""

    revision: str
    step: int
    steps: int


class Workload(Model, frozen=True, omit_defaults=False):
    """One workload of a component definition, as seen from a platform version."""

    namespace: str
    name: str
    """Of its Rollout."""
    standing: Standing
    runs: str = ""
    """Version of the definition that it runs, where one is known, and its record."""
    stable: str = ""
    record: str = ""
    """The record that is held, released or rejected."""
    images: str = ""
    """What that brings."""
    waiting: Waiting | None = None
    why: str = ""
    order: int = DEFAULT_ORDER
    resource_version: str = ""

    @property
    def key(self) -> Key:
        """Its name in the cluster."""
        return (self.namespace, self.name)

    @property
    def place(self) -> str:
        """Its name for people."""
        return f"{self.namespace}/{self.name}"


def component_of(snapshot: Snapshot) -> str:
    """Return the component definition that rendered the workload (KubeVela's label), or ""."""
    if snapshot.workload is None:
        return ""
    labels = snapshot.workload.deployment.metadata.labels
    return labels.get(keys.DEFINITION_TYPE, "").partition("@")[0]


def stand(snapshot: Snapshot, target: Target) -> Workload:
    """Return where a workload stands."""
    meta = snapshot.rollout.metadata
    known = records.of_workload(snapshot)
    stable = records.stable(known)
    base = Workload(
        namespace=meta.namespace,
        name=meta.name,
        standing=Standing.ABSENT,
        runs=_runs(stable, snapshot),
        stable=stable.metadata.name if stable else "",
        resource_version=meta.resource_version,
    )
    order = _order(snapshot)
    if order is None:
        why = f"label {keys.WAVE_ORDER} is no whole number: correct it on the Rollout or workload"
        return replace(base, standing=Standing.CLOSED, why=why)
    base = replace(base, order=order)
    workload = snapshot.workload
    if workload is None or stable is None:
        return replace(base, standing=Standing.CLOSED, why="nothing of it is recorded yet")
    return (
        _closed(snapshot, base)
        or _moving(snapshot, base, stable, target)
        or (_resting(snapshot, workload, base, stable, target))
    )


def _runs(stable: ReleaseRecord | None, snapshot: Snapshot) -> str:
    """Return what runs; a version is said only where nothing of the definition is held back."""
    if stable is None:
        return ""
    images = ", ".join(i.image for i in stable.spec.images if i.init) or words.images(stable)
    held = withheld.held_record(snapshot)
    version = stable.spec.component_version
    return f"{version} ({images})" if version and held is None else images


def _order(snapshot: Snapshot) -> int | None:
    """Return the place that people gave the workload; None where it is no whole number."""
    labels = dict(snapshot.workload.deployment.metadata.labels) if snapshot.workload else {}
    text = (labels | snapshot.rollout.metadata.labels).get(keys.WAVE_ORDER)
    if text is None:
        return DEFAULT_ORDER
    return int(text) if text.removeprefix("-").isdecimal() else None


def _closed(snapshot: Snapshot, base: Workload) -> Workload | None:
    rollout = snapshot.rollout
    if rollout.metadata.deleting:
        return replace(base, standing=Standing.CLOSED, why="its Rollout is being deleted")
    if rollout.spec.disabled:
        return replace(base, standing=Standing.CLOSED, why="its Rollout is disabled")
    return None


def _moving(
    snapshot: Snapshot, base: Workload, stable: ReleaseRecord, target: Target
) -> Workload | None:
    """Judge by the release that is in progress, or accepted and about to begin."""
    known = records.of_workload(snapshot)
    release = records.in_progress(known)
    begins = accepted(known) if release is None else None
    found = release or begins
    if found is None:
        return None
    brings = _of(base, found, stable)
    if not (_brings_only(snapshot, found, stable) and target.meets(found)):
        why = f"in the middle of another release ({brings.images}, {found.metadata.name})"
        return replace(base, standing=Standing.BUSY, why=why)
    if begins is not None:
        return replace(brings, standing=Standing.ACCEPTED)
    verdict = found.open_attempt.rejection if found.open_attempt else None
    if verdict is not None:
        return replace(brings, standing=Standing.RETURNING, why=f"rolling back: {verdict.cause}")
    waiting = _waiting(snapshot, found)
    return replace(
        brings, standing=Standing.RELEASING, why=snapshot.rollout.status.message, waiting=waiting
    )


def _brings_only(snapshot: Snapshot, record: ReleaseRecord, stable: ReleaseRecord) -> bool:
    """Whether a record differs from the stable one by its platform part alone."""
    containers = snapshot.policy_spec.containers
    new, old = (parts(r.spec.template, containers) for r in (record, stable))
    return new.business == old.business and new.platform != old.platform


def _waiting(snapshot: Snapshot, release: ReleaseRecord) -> Waiting | None:
    """Return where the release waits for an approval; a pause that ends by itself is none."""
    status = snapshot.rollout.status
    canary = status.canary_status or CanaryStatus()
    steps = snapshot.strategy.steps
    paused = canary.current_step_state == StepState.PAUSED and status.phase == Phase.PROGRESSING
    if not paused or not 1 <= canary.current_step_index <= len(steps):
        return None
    if not release.metadata.name.endswith(f"-{canary.canary_revision}"):
        return None
    if steps[canary.current_step_index - 1].pause.duration is not None:
        return None
    return Waiting(
        revision=canary.canary_revision, step=canary.current_step_index, steps=len(steps)
    )


def _resting(
    snapshot: Snapshot,
    workload: WorkloadSnapshot,
    base: Workload,
    stable: ReleaseRecord,
    target: Target,
) -> Workload:
    """Judge by what is held, rejected and stable."""
    held = withheld.held_record(snapshot)
    if held is not None and target.meets(held):
        return _held(snapshot, workload, _of(base, held, stable), stable, held)
    if held is None and _got(snapshot, stable, target):
        return replace(base, standing=Standing.DONE)
    refused = next((r for r in withheld.rejected_records(snapshot) if target.meets(r)), None)
    if refused is not None:
        verdict = rejection_of(refused)
        cause = verdict.cause if verdict else ""
        why = f"rejected: {cause}; to release it: tandem retry {base.name}"
        return replace(_of(base, refused, stable), standing=Standing.REJECTED, why=why)
    if held is None and _asks_for_no_more(workload, stable, target):
        return replace(base, standing=Standing.DONE)
    return replace(base, standing=Standing.ABSENT, why=_absence(held, stable, target))


def _got(snapshot: Snapshot, stable: ReleaseRecord, target: Target) -> bool:
    """Whether the stable platform part came with this version: by a release of it, or adopted."""
    containers = snapshot.policy_spec.containers
    own = parts(stable.spec.template, containers).platform
    return any(
        target.meets(record) and parts(record.spec.template, containers).platform == own
        for record in records.of_workload(snapshot)
        if any(_brought(attempt) for attempt in record.status.attempts)
    )


def _brought(attempt: Attempt) -> bool:
    ended = attempt.outcome in (Outcome.COMPLETED, Outcome.BASELINE)
    return ended and attempt.change in (None, Change.PLATFORM, Change.BOTH)


def _asks_for_no_more(workload: WorkloadSnapshot, stable: ReleaseRecord, target: Target) -> bool:
    """Whether the definition's version renders what runs: an upgrade may change no pod."""
    if target.images or not target.version:
        return target.meets(stable)
    stated = workload.deployment.metadata.annotations.get(keys.COMPONENT_VERSION)
    return stated == target.version and live_fingerprint(workload) == stable.spec.fingerprint


def _held(
    snapshot: Snapshot,
    workload: WorkloadSnapshot,
    found: Workload,
    stable: ReleaseRecord,
    held: ReleaseRecord,
) -> Workload:
    """Judge a change that is held: can it be released now?"""
    wishes = [w for w in keys.WISHES if w in snapshot.rollout.metadata.annotations]
    if keys.ACCEPT in wishes:
        return replace(found, standing=Standing.ACCEPTED)
    if wishes:
        return replace(found, standing=Standing.BUSY, why=f"annotation {wishes[0]} is not met yet")
    if after_rollback(held):
        why = f"a rollback took it back; to release it: tandem accept {found.name}"
        return replace(found, standing=Standing.CLOSED, why=why)
    if snapshot.rollout.spec.strategy.paused:
        why = "its Rollout is paused (spec.strategy.paused)"
        return replace(found, standing=Standing.CLOSED, why=why)
    if live_fingerprint(workload) != stable.spec.fingerprint:
        why = "its workload states a change that is yet to begin"
        return replace(found, standing=Standing.BUSY, why=why)
    return replace(found, standing=Standing.HELD)


def _absence(held: ReleaseRecord | None, stable: ReleaseRecord, target: Target) -> str:
    if held is not None:
        version = held.spec.component_version
        other = f"{version}, " if version else ""
        return f"another change is held ({other}{words.difference(held, stable)})"
    asked = target.version or "that image"
    return f"nothing of {asked} is held for it: its owner has not stated it yet"


def _of(base: Workload, record: ReleaseRecord, stable: ReleaseRecord) -> Workload:
    images = words.difference(record, stable)
    return replace(base, record=record.metadata.name, images=images)
