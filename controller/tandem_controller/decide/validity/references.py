"""Whether everything that a Rollout names is there and fits."""

from __future__ import annotations

from tandem_controller.api.fingerprint import POD_TEMPLATE_HASH
from tandem_controller.api.rollout import Rollout
from tandem_controller.decide.validity.rollout import validate_rollout
from tandem_controller.ownership import was_let_go
from tandem_controller.snapshot import Snapshot
from tandem_controller.traffic import table as traffic_table
from tandem_controller.workloads.provider import WorkloadProvider


def problem(snapshot: Snapshot, provider: WorkloadProvider | None) -> str | None:
    """Return what keeps a release from going on: field, reason and remedy; None when nothing."""
    found = validate_rollout(snapshot.rollout.spec, old=None, others=())
    if found:
        return "; ".join(f"{p.field}: {p.message} ({p.remedy})" for p in found)
    return (
        _rival(snapshot) or (provider.problem(snapshot) if provider else None) or _traffic(snapshot)
    )


def _rival(snapshot: Snapshot) -> str | None:
    """The older Rollout keeps the workload (one Rollout per workload, as upstream)."""
    mine = snapshot.rollout
    older = [r for r in snapshot.rivals if _age(r) < _age(mine)]
    if not older:
        return None
    name = min(older, key=_age).metadata.name
    return (
        f"spec.workloadRef: {mine.spec.workload_ref.kind} {mine.spec.workload_ref.name!r} is "
        f"already released by Rollout {name!r}; delete one of the two"
    )


def _age(rollout: Rollout) -> tuple[str, str]:
    created = rollout.metadata.creation_timestamp
    return (created.isoformat() if created else "", rollout.metadata.name)


def _traffic(snapshot: Snapshot) -> str | None:
    routing = snapshot.routing
    if routing is None:
        return None
    traffic = snapshot.traffic
    service = traffic.stable_service
    field = "trafficRoutings[0].service"
    if service is None:
        return f"{field}: Service {routing.service!r} does not exist; create it or correct the name"
    if not service.selector:
        return f"{field}: Service {routing.service!r} has no selector; it cannot be split by pods"
    if foreign := _foreign(snapshot):
        return foreign
    provider = traffic_table.provider_for(routing)
    if provider is None:
        return "trafficRoutings[0]: names no supported route; set ingress or gateway"
    return provider.problem(routing, traffic, routing.service)


def _foreign(snapshot: Snapshot) -> str | None:
    """Say that an object of somebody else stands where the canary's is to be."""
    beside = (
        ("ingress.name", "Ingress", snapshot.traffic.canary_ingress),
        ("service", "Service", snapshot.traffic.canary_service),
    )
    for field, kind, canary in beside:
        if canary is None or canary.metadata.controlled_by(snapshot.rollout.metadata.uid):
            continue
        name = f"{kind} {canary.metadata.name!r}"
        told = f"{name} exists and is not this Rollout's; rename it, the canary needs the name"
        if was_let_go(canary.metadata, snapshot.rollout):
            told = (
                f"{name} was left by a frozen release whose ReleaseRecords are gone; send all "
                f"traffic to the stable Service, take {POD_TEMPLATE_HASH} out of its selector, "
                f"delete {name}, and the release begins anew"
            )
        return f"trafficRoutings[0].{field}: {told}"
    return None
