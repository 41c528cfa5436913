"""The two Services of a split: the user's, pinned to stable pods, and its canary copy.

The stable Service is pinned before the first new pod exists, so that no new pod is
reached through it by accident (openkruise/rollouts#230).
"""

from __future__ import annotations

import copy
from typing import Any

from tandem_controller.api.fingerprint import POD_TEMPLATE_HASH
from tandem_controller.api.network import Service
from tandem_controller.decide.case import Case
from tandem_controller.effect import Create, Effect, Kind, delete_of, patch_of
from tandem_controller.keys import OWNER, untracked
from tandem_controller.mergepatch import merge_diff
from tandem_controller.snapshot import Snapshot
from tandem_controller.traffic import table as traffic_table

NODE_BOUND = (
    "clusterIP",
    "clusterIPs",
    "externalIPs",
    "externalName",
    "healthCheckNodePort",
    "ipFamilies",
    "ipFamilyPolicy",
    "loadBalancerClass",
    "loadBalancerIP",
    "loadBalancerSourceRanges",
    "allocateLoadBalancerNodePorts",
    "externalTrafficPolicy",
    "type",
)
"""Fields of a Service that belong to one Service alone; a copy is a ClusterIP Service."""


def pin_stable(case: Case) -> tuple[Effect, ...]:
    """Select only stable pods, once their hash is known."""
    service = case.snapshot.traffic.stable_service
    if service is None or not case.progress.stable_hash:
        return ()
    user = original_selector(case, service)
    return _select(service, {**user, POD_TEMPLATE_HASH: case.progress.stable_hash})


def unpin_stable(case: Case) -> tuple[Effect, ...]:
    """Give the stable Service its own selector back."""
    service = case.snapshot.traffic.stable_service
    return _select(service, original_selector(case, service)) if service else ()


def original_selector(case: Case, service: Service) -> dict[str, str]:
    """Return the user's selector: the recorded one, or the present one without our key."""
    recorded = case.originals.services.get(service.metadata.name)
    if recorded is not None:
        return dict(recorded)
    return {k: v for k, v in service.selector.items() if k != POD_TEMPLATE_HASH}


def canary_service(case: Case) -> tuple[Effect, ...]:
    """Create the canary Service, or correct whom it selects, once the hash is known."""
    stable = case.snapshot.traffic.stable_service
    if stable is None or not case.progress.new_hash:
        return ()
    selector = {**original_selector(case, stable), POD_TEMPLATE_HASH: case.progress.new_hash}
    existing = case.snapshot.traffic.canary_service
    if existing is not None:
        return _select(existing, selector)
    return (Create(kind=Kind.SERVICE, body=_copy(case, stable, selector)),)


def remove_canary_service(case: Case) -> tuple[Effect, ...]:
    """Delete the canary Service."""
    service = case.snapshot.traffic.canary_service
    if service is None or service.metadata.deleting:
        return ()
    meta = service.metadata
    return (delete_of(Kind.SERVICE, meta),)


def _copy(case: Case, stable: Service, selector: dict[str, str]) -> dict[str, Any]:
    spec = {k: copy.deepcopy(v) for k, v in stable.spec.items() if k not in NODE_BOUND}
    for port in spec.get("ports") or ():
        port.pop("nodePort", None)
    if stable.spec.get("clusterIP") == "None":
        spec["clusterIP"] = "None"
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": case.backends.canary,
            "namespace": case.backends.namespace,
            "labels": {**untracked(stable.metadata.labels), OWNER: case.backends.owner["name"]},
            "annotations": untracked(stable.metadata.annotations),
            "ownerReferences": [dict(case.backends.owner)],
        },
        "spec": {**spec, "selector": selector},
    }


def _select(service: Service, selector: dict[str, str]) -> tuple[Effect, ...]:
    diff = merge_diff(service.selector, selector)
    if not diff:
        return ()
    meta = service.metadata
    return (patch_of(Kind.SERVICE, meta, {"spec": {"selector": diff}}),)


def selectors(snapshot: Snapshot) -> dict[str, dict[str, str] | None]:
    """Return the user's Service selectors, to be recorded before anything changes."""
    service = snapshot.traffic.stable_service
    return {service.metadata.name: service.selector} if service and snapshot.routing else {}


def routes(snapshot: Snapshot) -> dict[str, dict[str, Any]]:
    """Return the user's routes that are edited in place, to be recorded likewise."""
    provider = traffic_table.provider_for(snapshot.routing) if snapshot.routing else None
    original = provider.original(snapshot.traffic) if provider else None
    return dict([original]) if original else {}
