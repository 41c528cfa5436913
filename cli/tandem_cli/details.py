"""One release in detail: its steps, its records, and the images of every pod."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from tandem_cli.view import StepView, Summary, items, steps, summarise
from tandem_controller.api.fingerprint import template_fingerprint, without_template_hash
from tandem_controller.api.meta import Model, ObjectMeta
from tandem_controller.api.record import Attempt, Circumstances, ReleaseRecord
from tandem_controller.api.workload import PodStatus
from tandem_controller.decide.history import records
from tandem_controller.effect import Kind
from tandem_controller.kube.client import Client
from tandem_controller.snapshot import Snapshot, WorkloadSnapshot


class Container(Model, frozen=True):
    """A container that a pod asks for."""

    name: str = ""
    image: str = ""


class PodSpec(Model, frozen=True):
    """The containers of a pod."""

    init_containers: tuple[Container, ...] = ()
    containers: tuple[Container, ...] = ()


class RunningPod(Model, frozen=True):
    """A pod with what it runs."""

    metadata: ObjectMeta
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def ready(self) -> bool:
        """Whether the pod may serve; one that is going may not."""
        if self.metadata.deleting:
            return False
        return any(c.type == "Ready" and c.status == "True" for c in self.status.conditions)


class PodView(Model, frozen=True, omit_defaults=False):
    """A pod, the version that it belongs to, and its images."""

    name: str
    version: str
    ready: bool
    state: str
    init: tuple[str, ...]
    business: tuple[str, ...]


class RecordView(Model, frozen=True, omit_defaults=False):
    """A record and what happened to it, newest attempt first."""

    name: str
    init: tuple[str, ...]
    business: tuple[str, ...]
    component_version: str
    application_revision: str
    publish_version: str
    replicas: int | None
    damaged: str
    attempts: tuple[Attempt, ...]


class Details(Model, frozen=True, omit_defaults=False):
    """Everything about one release."""

    summary: Summary
    steps: tuple[StepView, ...]
    records: tuple[RecordView, ...]
    pods: tuple[PodView, ...]


async def read(client: Client, snapshot: Snapshot) -> Details:
    """Return the details; the pods are read now."""
    summary = summarise(snapshot)
    return Details(
        summary=summary,
        steps=tuple(steps(snapshot)),
        records=tuple(record_view(r) for r in _newest_first(snapshot.records)),
        pods=await pods(client, snapshot, summary),
    )


async def pods(client: Client, snapshot: Snapshot, summary: Summary) -> tuple[PodView, ...]:
    """Return the pods of the workload and of its canary, stable ones first."""
    workloads = [w for w in (snapshot.workload, snapshot.canary) if w]
    versions = {
        rs.metadata.uid: _version(rs.spec.template, snapshot, summary)
        for workload in workloads
        for rs in workload.replica_sets
    }
    found: dict[str, PodView] = {}
    for workload in workloads:
        for pod in await _selected(client, workload):
            owner = next((o.uid for o in pod.metadata.owner_references if o.controller), "")
            if owner in versions:
                found[pod.metadata.name] = _pod(pod, versions[owner])
    order = {"stable": 0, "release": 1}
    return tuple(sorted(found.values(), key=lambda p: (order.get(p.version, 2), p.name)))


async def _selected(client: Client, workload: WorkloadSnapshot) -> Iterable[RunningPod]:
    labels = workload.deployment.spec.selector.match_labels
    raw = await items(
        client,
        Kind.POD,
        workload.deployment.metadata.namespace,
        label_selector=",".join(f"{key}={value}" for key, value in labels.items()) or None,
    )
    return [msgspec.json.decode(item, type=RunningPod) for item in raw]


def _version(template: dict[str, object], snapshot: Snapshot, summary: Summary) -> str:
    fingerprint = template_fingerprint(without_template_hash(template))
    record = records.by_fingerprint(records.of_workload(snapshot), fingerprint)
    name = record.metadata.name if record else ""
    if summary.stable and name == summary.stable.record:
        return "stable"
    if summary.release and name == summary.release.record:
        return "release"
    return name or "unrecorded"


def _pod(pod: RunningPod, version: str) -> PodView:
    return PodView(
        name=pod.metadata.name,
        version=version,
        ready=pod.ready,
        state="Terminating" if pod.metadata.deleting else _state(pod.status),
        init=tuple(c.image for c in pod.spec.init_containers),
        business=tuple(c.image for c in pod.spec.containers),
    )


def _state(status: PodStatus) -> str:
    """Return why a container waits, else the phase (as kubectl's STATUS, in short)."""
    for container in (*status.init_container_statuses, *status.container_statuses):
        reason = (container.state.waiting or {}).get("reason")
        if reason and reason not in ("PodInitializing", "ContainerCreating"):
            return str(reason)
    return status.phase


def record_view(record: ReleaseRecord) -> RecordView:
    """Return a record as it is shown."""
    attempts = record.status.attempts
    began = attempts[-1].circumstances if attempts else Circumstances()
    return RecordView(
        name=record.metadata.name,
        init=tuple(i.image for i in record.spec.images if i.init),
        business=tuple(i.image for i in record.spec.images if not i.init),
        component_version=record.spec.component_version,
        application_revision=began.application_revision,
        publish_version=began.publish_version,
        replicas=began.replicas,
        damaged=records.fault(record) or "",
        attempts=tuple(reversed(record.status.attempts)),
    )


def _newest_first(known: Iterable[ReleaseRecord]) -> list[ReleaseRecord]:
    return sorted(known, key=_last_start, reverse=True)


def _last_start(record: ReleaseRecord) -> str:
    started: list[datetime] = [a.started_at for a in record.status.attempts]
    return max(started).isoformat() if started else ""
