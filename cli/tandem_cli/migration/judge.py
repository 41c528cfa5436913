"""What becomes of each Rollout: taken in at rest, carried on in mid-release, or refused and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from msgspec.structs import replace

from tandem_cli.migration.takeover import (
    NotExactlyError,
    Takeover,
    replace_snapshot,
    steady,
    take_over,
)
from tandem_controller import keys
from tandem_controller.api import kruise
from tandem_controller.api.meta import ObjectMeta, OwnerReference
from tandem_controller.api.rollout import CanaryStatus, Phase, StepState
from tandem_controller.api.workload import Deployment
from tandem_controller.decide.validity import references
from tandem_controller.ownership import STORAGE_VERSION
from tandem_controller.snapshot import Snapshot, WorkloadSnapshot, canary_name
from tandem_controller.workloads import table as workload_table

FINISH_FIRST = "finish the release or roll it back, then plan again"


class Fate(StrEnum):
    """What the migration does with a Rollout."""

    AT_REST = "at rest"
    IN_FLIGHT = "in flight"
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """One Rollout's fate. `why` and `remedy` are sentences; `takeover` only for one in flight."""

    namespace: str
    name: str
    fate: Fate
    why: str = ""
    remedy: str = ""
    takeover: Takeover | None = None
    canary: WorkloadSnapshot | None = None
    """Kruise's extra canary Deployment, where the release has one."""

    @property
    def key(self) -> str:
        """`namespace/name`."""
        return f"{self.namespace}/{self.name}"


def judge(snapshot: Snapshot, now: datetime, canary: WorkloadSnapshot | None = None) -> Judgement:
    """Return the fate of a Rollout. `canary` is Kruise's extra canary Deployment, if any."""
    meta = snapshot.rollout.metadata
    told = _refused(snapshot)
    if told is None and not _under_way(snapshot):
        return _at_rest(snapshot)
    told = told or _not_waiting(snapshot)
    if told is not None:
        why, remedy = told
        return Judgement(
            namespace=meta.namespace, name=meta.name, fate=Fate.REFUSED, why=why, remedy=remedy
        )
    return _in_flight(snapshot, now, canary)


def _refused(snapshot: Snapshot) -> tuple[str, str] | None:
    """Return why a Rollout cannot be Tandem's at all, and what to do."""
    rollout = snapshot.rollout
    ref = rollout.spec.workload_ref
    if rollout.metadata.deleting:
        return "it is being deleted", "wait until it is gone, then plan again"
    if rollout.spec.strategy.blue_green is not None:
        return "it releases blue-green", "delete it, or state a canary strategy in its place"
    if workload_table.provider_for(ref, snapshot.strategy) is None:
        return (
            f"Tandem does not release {ref.kind} of {ref.api_version}",
            "delete it; the workload then rolls out by its own controller",
        )
    annotations = rollout.metadata.annotations
    if snapshot.strategy.traffic_routing_ref or annotations.get(kruise.TRAFFIC_ROUTING):
        return (
            f"it leaves its traffic to a TrafficRouting (annotation {kruise.TRAFFIC_ROUTING})",
            "state the route in strategy.canary.trafficRoutings and drop the annotation",
        )
    return None


def _under_way(snapshot: Snapshot) -> bool:
    workload = snapshot.workload
    annotations = workload.deployment.metadata.annotations if workload else {}
    phase = snapshot.rollout.status.phase
    return phase in (Phase.PROGRESSING, Phase.TERMINATING, Phase.DISABLING) or (
        keys.IN_PROGRESSING in annotations
    )


def _at_rest(snapshot: Snapshot) -> Judgement:
    """A Rollout at rest is taken in whatever it lacks: Tandem then says what is in its way."""
    meta = snapshot.rollout.metadata
    provider = workload_table.provider_for(snapshot.rollout.spec.workload_ref, snapshot.strategy)
    problem = (
        references.problem(snapshot, provider) if snapshot.workload else "its workload is gone"
    )
    return Judgement(namespace=meta.namespace, name=meta.name, fate=Fate.AT_REST, why=problem or "")


def _not_waiting(snapshot: Snapshot) -> tuple[str, str] | None:
    """Return why a release in progress cannot be handed over now, and what to do.

    Only at a pause does nothing move, in either controller.
    """
    status = snapshot.rollout.status
    canary = status.canary_status or CanaryStatus()
    if status.phase != Phase.PROGRESSING:
        return f"its release is {status.phase or 'about to begin'}", "wait, then plan again"
    if snapshot.rollout.metadata.annotations.get(kruise.ROLLBACK_IN_BATCH) == "true":
        return "it rolls back in batches, which Tandem does not", FINISH_FIRST
    if canary.observed_rollout_id.startswith("rollback-"):
        return "it is being rolled back", "wait until it is, then plan again"
    if canary.current_step_state != StepState.PAUSED:
        state = canary.current_step_state or "no step"
        return f"its release moves ({state})", "wait until it pauses at a step, then plan again"
    natural = canary.current_step_index + 1
    if canary.next_step_index not in (0, -1, natural):
        return f"it is about to jump to step {canary.next_step_index}", "wait, then plan again"
    return None


def _in_flight(snapshot: Snapshot, now: datetime, canary: WorkloadSnapshot | None) -> Judgement:
    meta = snapshot.rollout.metadata
    seen = replace_snapshot(snapshot, canary=_renamed(snapshot, canary)) if canary else snapshot
    try:
        takeover = take_over(seen)
        told = steady(takeover.after, now)
    except NotExactlyError as error:
        told, takeover = (str(error),), None
    if told:
        return Judgement(
            namespace=meta.namespace,
            name=meta.name,
            fate=Fate.REFUSED,
            why=f"its release could not be carried on exactly as it stands: {'; '.join(told)}",
            remedy=FINISH_FIRST,
        )
    canary_status = snapshot.rollout.status.canary_status or CanaryStatus()
    index, total = canary_status.current_step_index, len(snapshot.strategy.steps)
    return Judgement(
        namespace=meta.namespace,
        name=meta.name,
        fate=Fate.IN_FLIGHT,
        why=f"paused at step {index}/{total}",
        takeover=takeover,
        canary=canary,
    )


def _renamed(snapshot: Snapshot, canary: WorkloadSnapshot) -> WorkloadSnapshot:
    """Return Kruise's canary Deployment as it will be: under our name, owned by the Rollout."""
    deployment = replace(canary.deployment, metadata=_renamed_meta(snapshot, canary.deployment))
    return WorkloadSnapshot(
        deployment=deployment, replica_sets=canary.replica_sets, pods=canary.pods
    )


def _renamed_meta(snapshot: Snapshot, deployment: Deployment) -> ObjectMeta:
    rollout = snapshot.rollout.metadata
    owner = OwnerReference(
        api_version=f"rollouts.kruise.io/{STORAGE_VERSION}",
        kind="Rollout",
        name=rollout.name,
        uid=rollout.uid,
        controller=True,
    )
    name = canary_name(snapshot.rollout.spec.workload_ref.name)
    return replace(
        deployment.metadata, name=name, owner_references=(owner,), finalizers=(), annotations={}
    )
