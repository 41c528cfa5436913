"""Taking over a release in mid-flight: what Tandem would have written had it begun it.

Two records (what ran, and what is released), the Rollout's place in Tandem's words, and the
Deployment at rest as Tandem leaves it: no pod, Service, route or ReplicaSet is touched. That
nothing else happens is not asserted here but asked of the controller: `steady` lets its own
`decide` look at the result.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from tandem_controller.api import kruise
from tandem_controller.api.fingerprint import POD_TEMPLATE_HASH
from tandem_controller.api.network import HTTPRoute
from tandem_controller.api.record import (
    Attempt,
    Originals,
    Outcome,
    ReleaseRecord,
    ReleaseRecordStatus,
)
from tandem_controller.api.rollout import CanaryStatus, RolloutStatus
from tandem_controller.api.workload import Deployment
from tandem_controller.decide import plan as plans
from tandem_controller.decide.case import Case
from tandem_controller.decide.classify import change_of, parts
from tandem_controller.decide.history import records
from tandem_controller.decide.history.content import circumstances_of
from tandem_controller.decide.release import decide
from tandem_controller.decide.status import wire
from tandem_controller.effect import Effect, Kind, Patch, ReplaceStatus
from tandem_controller.snapshot import Snapshot, WorkloadSnapshot, canary_name
from tandem_controller.traffic import table as traffic_table
from tandem_controller.traffic.split import Backends
from tandem_controller.workloads import table as workload_table
from tandem_controller.workloads.deployment import original, strategy_of

Obj = dict[str, Any]

ADOPTED = "adopted as it ran, from Kruise Rollouts"
ROUNDS = 5
"""How many decisions are asked for: the first ones may only put the status into our words."""

_TICK = timedelta(milliseconds=1)


class NotExactlyError(ValueError):
    """The release cannot be carried on exactly; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Takeover:
    """What is to be written, and what the controller will see then."""

    stable: ReleaseRecord
    release: ReleaseRecord
    bodies: tuple[Obj, Obj]
    """Both records as they are created; their status follows."""
    status: RolloutStatus
    workload: Obj
    """Merge patch of the Deployment."""
    after: Snapshot

    @property
    def rollout_status(self) -> Obj:
        """The Rollout's status on the wire."""
        return wire(self.status)


def take_over(snapshot: Snapshot) -> Takeover:
    """Return what makes a paused release Tandem's.

    Raises:
        NotExactlyError: where something is missing that the release began from.
    """
    workload = snapshot.workload
    if workload is None:
        raise NotExactlyError("its workload is gone")
    before = replace(workload.deployment, spec=_users_spec(workload.deployment))
    seen = _with(snapshot, before)
    bodies = tuple(
        records.create(seen, before, template).body
        for template in (_stable_template(snapshot, workload), before.spec.template)
    )
    stable, release = (_record(body) for body in bodies)
    originals = _originals(seen, before)
    began = _began(snapshot)
    stable = _baseline(stable, seen, before, originals, began - _TICK)
    release = _opened(release, stable, seen, before, originals, began)
    status = _status(seen, before, release)
    patch, after = _resting(seen, stable, release, status)
    return Takeover(
        stable=stable,
        release=release,
        bodies=(bodies[0], bodies[1]),
        status=status,
        workload=patch,
        after=after,
    )


def steady(after: Snapshot, now: datetime) -> tuple[str, ...]:
    """Say what the controller would do at once, beyond writing the Rollout's status.

    Empty means that it carries the release on exactly as it stands.
    """
    for _ in range(ROUNDS):
        decision = decide(after, now)
        told = tuple(_words(e) for e in decision.effects if not _is_status(e))
        if told or not decision.effects:
            return told
        status = next(e.status for e in decision.effects if isinstance(e, ReplaceStatus))
        rollout = replace(after.rollout, status=msgspec.convert(status, RolloutStatus))
        after = replace_snapshot(after, rollout=rollout)
    return ("the controller does not come to rest",)


def replace_snapshot(snapshot: Snapshot, **changes: Any) -> Snapshot:  # noqa: ANN401 - any field
    """Return a snapshot with other fields."""
    fields = {name: getattr(snapshot, name) for name in snapshot.__dataclass_fields__}
    return Snapshot(**{**fields, **changes})


def _users_spec(deployment: Deployment) -> Any:  # noqa: ANN401 - a DeploymentSpec
    """Return the spec with the user's strategy, which batches keep in an annotation."""
    stated = deployment.metadata.annotations.get(kruise.DEPLOYMENT_STRATEGY)
    if stated is None:
        return deployment.spec
    try:
        rolling = json.loads(stated).get("rollingUpdate")
    except (ValueError, AttributeError):
        raise NotExactlyError(
            f"annotation {kruise.DEPLOYMENT_STRATEGY} of Deployment "
            f"{deployment.metadata.name!r} is no JSON object, so its own strategy is lost"
        ) from None
    wire_form = {"type": "RollingUpdate", **({"rollingUpdate": rolling} if rolling else {})}
    strategy = msgspec.convert(wire_form, type(deployment.spec.strategy))
    return replace(deployment.spec, strategy=strategy)


def _with(snapshot: Snapshot, deployment: Deployment) -> Snapshot:
    workload = snapshot.workload
    if workload is None:
        return snapshot
    changed = WorkloadSnapshot(
        deployment=deployment, replica_sets=workload.replica_sets, pods=workload.pods
    )
    return replace_snapshot(snapshot, workload=changed)


def _stable_template(snapshot: Snapshot, workload: WorkloadSnapshot) -> Obj:
    wanted = _canary(snapshot).stable_revision
    for replica_set in workload.replica_sets:
        if wanted and replica_set.metadata.labels.get(POD_TEMPLATE_HASH) == wanted:
            return replica_set.spec.template
    raise NotExactlyError(
        f"no ReplicaSet has the stable revision {wanted!r}, so nothing could be rolled back to"
    )


def _record(body: Obj) -> ReleaseRecord:
    return msgspec.convert(body, ReleaseRecord)


def _canary(snapshot: Snapshot) -> CanaryStatus:
    return snapshot.rollout.status.canary_status or CanaryStatus()


def _began(snapshot: Snapshot) -> datetime:
    """Return when the release began, but always before its status was written last.

    A status belongs to a release that began before it (`decide/position.py`).
    """
    written = _canary(snapshot).last_update_time
    if written is None:
        raise NotExactlyError("its status does not say since when it waits")
    since = (
        c.last_transition_time
        for c in snapshot.rollout.status.conditions
        if c.type == "Progressing" and c.last_transition_time
    )
    return min(next(since, written), written - _TICK)


def _originals(snapshot: Snapshot, deployment: Deployment) -> Originals:
    """Return the user's fields as they were before the release.

    The weight that a single backend of an HTTPRoute had is not known any more: Kruise itself
    puts 1 in its place, which routes the same.
    """
    service = snapshot.traffic.stable_service
    plain = {k: v for k, v in service.selector.items() if k != POD_TEMPLATE_HASH} if service else {}
    selectors = {service.metadata.name: plain} if service and snapshot.routing else {}
    return Originals(
        workload=original(deployment), services=dict(selectors), routes=_routes(snapshot)
    )


def _routes(snapshot: Snapshot) -> dict[str, Obj]:
    routing, route = snapshot.routing, snapshot.traffic.http_route
    provider = traffic_table.provider_for(routing) if routing else None
    if routing is None or provider is None or route is None:
        return {}
    backends = Backends(
        namespace=snapshot.rollout.metadata.namespace,
        stable=routing.service,
        canary=canary_name(routing.service),
        owner={},
    )
    spec = dict(route.spec)
    for effect in provider.restore(snapshot.traffic, backends, None):
        if isinstance(effect, Patch) and effect.kind is Kind.HTTP_ROUTE:
            spec |= effect.body["spec"]
    return {_name(route): spec}


def _name(route: HTTPRoute) -> str:
    return route.metadata.name


def _baseline(
    record: ReleaseRecord,
    snapshot: Snapshot,
    deployment: Deployment,
    originals: Originals,
    at: datetime,
) -> ReleaseRecord:
    attempt = Attempt(
        started_at=at,
        completed_at=at,
        outcome=Outcome.BASELINE,
        message=ADOPTED,
        originals=originals,
        circumstances=circumstances_of(snapshot, deployment, originals),
    )
    return replace(record, status=ReleaseRecordStatus(attempts=(attempt,)))


def _opened(
    record: ReleaseRecord,
    stable: ReleaseRecord,
    snapshot: Snapshot,
    deployment: Deployment,
    originals: Originals,
    began: datetime,
) -> ReleaseRecord:
    containers = snapshot.policy_spec.containers
    attempt = Attempt(
        started_at=began,
        change=change_of(
            parts(stable.spec.template, containers), parts(record.spec.template, containers)
        ),
        originals=originals,
        circumstances=circumstances_of(snapshot, deployment, originals, stable),
    )
    return replace(record, status=ReleaseRecordStatus(attempts=(attempt,)))


def _status(snapshot: Snapshot, deployment: Deployment, release: ReleaseRecord) -> RolloutStatus:
    """Return the place as Kruise states it, with revision, plan and next step in our words."""
    canary = _canary(snapshot)
    total = len(snapshot.strategy.steps)
    index = canary.current_step_index
    place = replace(
        canary,
        canary_revision=records.revision(deployment.metadata.uid, release.spec.fingerprint),
        rollout_hash=plans.plan_hash(snapshot.strategy),
        next_step_index=index + 1 if index < total else -1,
        finalising_step="",
    )
    return replace(snapshot.rollout.status, canary_status=place)


def _resting(
    snapshot: Snapshot, stable: ReleaseRecord, release: ReleaseRecord, status: RolloutStatus
) -> tuple[Obj, Snapshot]:
    """Return the Deployment's patch, and the snapshot when all is written."""
    rollout = replace(snapshot.rollout, status=status)
    seen = replace_snapshot(snapshot, rollout=rollout, records=(stable, release))
    provider = workload_table.provider_for(rollout.spec.workload_ref, seen.strategy)
    workload = seen.workload
    if provider is None or workload is None:
        raise NotExactlyError("Tandem does not release workloads of this kind")
    now = status.canary_status.last_update_time if status.canary_status else None
    case = Case(
        snapshot=seen, now=now or _began(seen), provider=provider, stable=stable, release=release
    )
    effects = provider.freeze(seen, case.versions, case.progress)
    rest = next((e.body for e in effects if isinstance(e, Patch)), {})
    marks = {
        "annotations": dict.fromkeys(
            (kruise.DEPLOYMENT_STRATEGY, kruise.EXTRA_STATUS, kruise.CONTROL_INFO)
        ),
        "labels": {kruise.ADVANCED_DEPLOYMENT: None},
    }
    strategy = rest.get("spec", {}).get("strategy", {})
    stated = merged(strategy_of(workload.deployment), strategy)
    patch = merged(rest, {"metadata": marks, "spec": {"strategy": stated}}, keep_nulls=True)
    after = merged(msgspec.to_builtins(workload.deployment), patch)
    return patch, _with(seen, msgspec.convert(after, Deployment))


def merged(base: Mapping[str, Any], patch: Mapping[str, Any], *, keep_nulls: bool = False) -> Obj:
    """Apply a merge patch (RFC 7386); with `keep_nulls` join two patches into one."""
    out = dict(base)
    for key, want in patch.items():
        have = out.get(key)
        if want is None and not keep_nulls:
            out.pop(key, None)
        elif isinstance(want, Mapping):
            inner = have if isinstance(have, Mapping) else {}
            out[key] = merged(inner, want, keep_nulls=keep_nulls)
        else:
            out[key] = want
    return out


def _is_status(effect: Effect) -> bool:
    return isinstance(effect, ReplaceStatus) and effect.kind is Kind.ROLLOUT


def _words(effect: Effect) -> str:
    name = effect.body["metadata"]["name"] if not hasattr(effect, "name") else effect.name
    return f"{type(effect).__name__.lower()} {effect.kind} {name!r}"
