"""Beginning a release: its record, the end of a hold that it makes void, its attempt."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from tandem_controller import keys
from tandem_controller.api.record import Attempt, HoldEnd, Originals, ReleaseRecord
from tandem_controller.api.workload import Deployment
from tandem_controller.decide import words
from tandem_controller.decide.classify import change_of, parts
from tandem_controller.decide.config import withhold
from tandem_controller.decide.history import records, verdicts
from tandem_controller.decide.history.content import circumstances_of
from tandem_controller.decide.hold.withheld import held, on_the_wire, rejected, release_id
from tandem_controller.effect import Decision, Effect, Note
from tandem_controller.snapshot import Snapshot, WorkloadSnapshot
from tandem_controller.workloads.deployment import live_fingerprint


def begin(
    snapshot: Snapshot,
    workload: WorkloadSnapshot,
    stable: ReleaseRecord,
    originals: Originals,
    now: datetime,
    *,
    parked: bool,
) -> Decision:
    """Begin the release of the template that the workload states: record first, then attempt."""
    known = records.of_workload(snapshot)
    record = records.by_fingerprint(known, live_fingerprint(workload))
    deployment = workload.deployment
    if record is None:
        stated = _of_its_platform(snapshot, deployment, stable)
        template = deployment.spec.template
        return Decision(effects=(records.create(snapshot, stated, template),))
    containers = snapshot.policy_spec.containers
    change = change_of(
        parts(stable.spec.template, containers), parts(record.spec.template, containers)
    )
    attempt = Attempt(
        started_at=now,
        change=change,
        rollout_id=release_id(on_the_wire(deployment.metadata)),
        circumstances=circumstances_of(snapshot, deployment, originals, stable),
        originals=originals,
        parked_at=now if parked else None,
    )
    if due := _config_given_back(snapshot, known, record, attempt):
        return due
    message = words.about(record, change)
    return Decision(
        effects=(
            *_end_of_hold(snapshot, stable, record, now),
            records.open_attempt(record, attempt),
        ),
        notes=(Note(reason="ReleaseStarted", message=message),),
    )


def _config_given_back(
    snapshot: Snapshot, known: tuple[ReleaseRecord, ...], record: ReleaseRecord, attempt: Attempt
) -> Decision | None:
    """Give config back that was kept from its owner for a rejection which this attempt ends."""
    attempts = (*record.status.attempts, attempt)
    begun = replace(record, status=replace(record.status, attempts=attempts))
    after = (begun if r is record else r for r in known)
    return withhold.given_back(snapshot, record.spec.template, rejected(after))


def _of_its_platform(
    snapshot: Snapshot, deployment: Deployment, stable: ReleaseRecord
) -> Deployment:
    """Return the Deployment with the component version that its platform part came with.

    Where the manifest's own platform part is held, the annotation belongs to that.
    """
    containers = snapshot.policy_spec.containers
    holding = held(records.of_workload(snapshot), stable, containers)
    if holding is None:
        return deployment
    own = parts(deployment.spec.template, containers)
    if own.platform != parts(stable.spec.template, containers).platform:
        return deployment
    if own.business != parts(holding.spec.template, containers).business:
        return deployment
    version = {keys.COMPONENT_VERSION: stable.spec.component_version}
    annotations = {**deployment.metadata.annotations, **version}
    return replace(deployment, metadata=replace(deployment.metadata, annotations=annotations))


def _end_of_hold(
    snapshot: Snapshot, stable: ReleaseRecord, record: ReleaseRecord, now: datetime
) -> tuple[Effect, ...]:
    """End the hold of another record that this release makes void.

    The manifest that stated this release either states the held platform part with it, or
    no longer states it. Only a release with the business part of the held record came out of
    a manifest that states the held one: the platform part was taken from it.
    """
    containers = snapshot.policy_spec.containers
    holding = held(records.of_workload(snapshot), stable, containers)
    if holding is None or holding.metadata.name == record.metadata.name:
        return ()
    own, other = (parts(r.spec.template, containers) for r in (record, holding))
    if own.platform == other.platform:
        return (verdicts.end_hold(holding, HoldEnd.RELEASED, now),)
    if own.business == other.business:
        return ()
    return (verdicts.end_hold(holding, HoldEnd.WITHDRAWN, now),)
