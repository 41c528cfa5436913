"""A Rollout as people and scripts see it: the snapshot of the controller, in a few words.

`get`, `watch` and the others read through the controller's own caches and lookups, so that
they cannot tell another story than the controller acts on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime

import msgspec

from tandem_cli.withheld import Held, Rejected, held, rejected
from tandem_controller import keys
from tandem_controller.api.meta import Model
from tandem_controller.api.record import ReleaseRecord
from tandem_controller.api.rollout import CanaryStatus, Phase, StepState
from tandem_controller.caches import Caches
from tandem_controller.decide import plan as plans
from tandem_controller.decide import words
from tandem_controller.decide.history import records
from tandem_controller.decide.hold.withheld import accepted
from tandem_controller.effect import Kind
from tandem_controller.kinds import WATCHED
from tandem_controller.kube.client import Client
from tandem_controller.kube.errors import NotFound
from tandem_controller.observe import gather
from tandem_controller.snapshot import Snapshot, canary_name
from tandem_controller.traffic import table as traffic_table
from tandem_controller.traffic.split import Backends
from tandem_controller.workloads.deployment import live_fingerprint

KINDS = tuple(kind for kind in WATCHED if kind not in (Kind.POD, Kind.ENDPOINT_SLICE))
"""What a summary is made of; pods are many and are read only for details."""

MID_RELEASE = (Phase.PROGRESSING, Phase.TERMINATING, Phase.DISABLING)


class Version(Model, frozen=True, omit_defaults=False):
    """A recorded version and the images that it is made of."""

    record: str
    init: tuple[str, ...] = ()
    business: tuple[str, ...] = ()


class StepView(Model, frozen=True, omit_defaults=False):
    """One step of the plan: what it asks for."""

    index: int
    asks: str
    pods: int
    weight: int | None = None
    pause_seconds: int | None = None
    current: bool = False


class Summary(Model, frozen=True, omit_defaults=False):
    """One Rollout. `weight` is what the route says now, not what the step asks for."""

    namespace: str
    name: str
    workload: str
    phase: str
    step: int = 0
    steps: int = 0
    state: str = ""
    weight: int | None = None
    new_pods: int = 0
    new_pods_ready: int = 0
    stable: Version | None = None
    release: Version | None = None
    rolling_back: bool = False
    at_rest: bool = False
    """No release is in progress and none is due: not merely the phase of a moment ago."""
    waiting: bool = False
    """A step of the release that is stated now waits for an approval or a pause's end."""
    held: Held | None = None
    rejected: Rejected | None = None
    message: str = ""
    since: datetime | None = None


async def read(client: Client, namespace: str | None) -> Caches:
    """List once what summaries are made of; None stands for all namespaces."""
    caches = Caches()
    lists = await asyncio.gather(*(items(client, kind, namespace) for kind in KINDS))
    for kind, raw in zip(KINDS, lists, strict=True):
        decode = WATCHED[kind].decode
        caches.stores[kind].replace_all(decode(item) for item in raw)
    return caches


async def items(
    client: Client, kind: Kind, namespace: str | None, *, label_selector: str | None = None
) -> list[bytes]:
    """Return all objects of a kind as raw JSON; none where the kind is not served."""
    found: list[bytes] = []
    token: str | None = None
    while True:
        try:
            answer = await client.list_page(
                WATCHED[kind].resource,
                namespace=namespace,
                continue_token=token,
                label_selector=label_selector,
            )
        except NotFound:
            return found
        page = msgspec.json.decode(answer, type=_Page)
        found += [bytes(item) for item in page.items or ()]
        token = page.metadata.continue_
        if not token:
            return found


class _PageMetadata(msgspec.Struct):
    continue_: str | None = msgspec.field(default=None, name="continue")


class _Page(msgspec.Struct):
    metadata: _PageMetadata
    items: list[msgspec.Raw] | None = None


def snapshots(caches: Caches, namespace: str | None, name: str | None = None) -> list[Snapshot]:
    """Return the snapshot of each Rollout, or of the one of this name."""
    found = caches.stores[Kind.ROLLOUT].list(namespace)
    chosen = [r for r in found if name is None or r.metadata.name == name]
    chosen.sort(key=lambda r: (r.metadata.namespace, r.metadata.name))
    return [gather(caches, rollout) for rollout in chosen]


def summarise(snapshot: Snapshot) -> Summary:
    """Return what a Rollout's line says."""
    rollout, status = snapshot.rollout, snapshot.rollout.status
    canary = status.canary_status or CanaryStatus()
    known = records.of_workload(snapshot)
    release = records.in_progress(known)
    stable = records.stable(known)
    mid_release = status.phase in MID_RELEASE
    ref = rollout.spec.workload_ref
    return Summary(
        namespace=rollout.metadata.namespace,
        name=rollout.metadata.name,
        workload=f"{ref.kind} {ref.name}",
        phase=status.phase or str(Phase.INITIAL),
        step=canary.current_step_index if mid_release else 0,
        steps=len(snapshot.strategy.steps),
        state=canary.current_step_state if mid_release else "",
        weight=weight(snapshot),
        new_pods=canary.canary_replicas if mid_release else 0,
        new_pods_ready=canary.canary_ready_replicas if mid_release else 0,
        stable=version(stable),
        release=version(release),
        rolling_back=canary.observed_rollout_id.startswith("rollback-") and mid_release,
        at_rest=_at_rest(snapshot, stable, release),
        waiting=_waiting(snapshot, canary, release),
        held=held(snapshot),
        rejected=rejected(snapshot),
        message=status.message,
        since=canary.last_update_time,
    )


def _at_rest(
    snapshot: Snapshot, stable: ReleaseRecord | None, release: ReleaseRecord | None
) -> bool:
    """Whether the status speaks of what the objects say now, and nothing is to be done.

    `Healthy` alone may be older than the change that somebody has just made.
    """
    workload, rollout = snapshot.workload, snapshot.rollout
    if workload is None or stable is None or release is not None:
        return False
    if _asked_for(snapshot):
        return False
    return (
        rollout.status.phase == Phase.HEALTHY
        and rollout.status.observed_generation >= rollout.metadata.generation
        and live_fingerprint(workload) == stable.spec.fingerprint
        and not workload.deployment.spec.paused
    )


def _asked_for(snapshot: Snapshot) -> bool:
    """Whether somebody asked for something that is yet to begin."""
    wishes = snapshot.rollout.metadata.annotations
    pending = accepted(records.of_workload(snapshot))
    return pending is not None or any(wish in wishes for wish in keys.WISHES)


def _waiting(snapshot: Snapshot, canary: CanaryStatus, release: ReleaseRecord | None) -> bool:
    workload = snapshot.workload
    return (
        workload is not None
        and release is not None
        and snapshot.rollout.status.phase == Phase.PROGRESSING
        and canary.current_step_state == StepState.PAUSED
        and live_fingerprint(workload) == release.spec.fingerprint
        and release.metadata.name.endswith(canary.canary_revision)
    )


def version(record: ReleaseRecord | None) -> Version | None:
    """Return a record's images, apart by init and business containers."""
    if record is None:
        return None
    return Version(
        record=record.metadata.name,
        init=tuple(i.image for i in record.spec.images if i.init),
        business=tuple(i.image for i in record.spec.images if not i.init),
    )


def weight(snapshot: Snapshot) -> int | None:
    """Return the percentage of requests that the route sends to the new version now."""
    routing = snapshot.routing
    provider = traffic_table.provider_for(routing) if routing else None
    if routing is None or provider is None:
        return None
    backends = Backends(
        namespace=snapshot.rollout.metadata.namespace,
        stable=routing.service,
        canary=canary_name(routing.service),
        owner={},
    )
    return provider.weight(snapshot.traffic, backends)


def steps(snapshot: Snapshot) -> Iterable[StepView]:
    """Return the plan in words, the current step marked."""
    replicas = snapshot.workload.deployment.spec.replicas if snapshot.workload else 0
    plan = plans.resolve(snapshot.strategy, replicas)
    current = summarise(snapshot).step
    for step in plan:
        yield StepView(
            index=step.index,
            asks=words.entering(step, len(plan), replicas).partition(": ")[2],
            pods=step.replicas,
            weight=step.split.weight if step.split else None,
            pause_seconds=step.pause_seconds,
            current=step.index == current,
        )
