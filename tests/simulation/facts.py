"""What is true in the model right now: pods by version, shares of traffic, ready endpoints."""

from __future__ import annotations

from datetime import datetime, timedelta

from tandem_controller.api.fingerprint import template_fingerprint
from tandem_controller.effect import Kind
from tests.simulation.replica_sets import ready_since
from tests.simulation.rules import Obj
from tests.simulation.store import Store, controller_uid

WEB, CANARY = "web", "web-canary"
NGINX = "nginx.ingress.kubernetes.io/"


def fingerprint(owner: Obj) -> str:
    """Return the fingerprint of a Deployment's or ReplicaSet's template."""
    return template_fingerprint(owner["spec"]["template"])


def replica_sets(store: Store, deployment: str) -> list[Obj]:
    """Return the ReplicaSets of a Deployment; none where it does not exist."""
    owner = store.find(Kind.DEPLOYMENT, deployment)
    return store.controlled_by(Kind.REPLICA_SET, owner) if owner else []


def new_pods(store: Store, stable: str) -> int:
    """Return how many pods of other templates than the stable one are asked for."""
    own = [rs for rs in replica_sets(store, WEB) if fingerprint(rs) != stable]
    extra = replica_sets(store, CANARY)
    return sum(rs["spec"]["replicas"] for rs in own + extra)


def running(pod: Obj) -> bool:
    """Whether a pod counts: not terminating."""
    return "deletionTimestamp" not in pod["metadata"]


def available(store: Store, deployment: str, now: datetime) -> int:
    """Return the pods of a Deployment that were ready for its own minReadySeconds."""
    owners = {rs["metadata"]["uid"] for rs in replica_sets(store, deployment)}
    return sum(
        is_available(pod, now, 0) for pod in store.all_of(Kind.POD) if controller_uid(pod) in owners
    )


def is_available(pod: Obj, now: datetime, min_ready_seconds: int) -> bool:
    """Whether a pod has been ready for so long."""
    since = ready_since(pod)
    if since is None or not running(pod):
        return False
    return datetime.fromisoformat(since) + timedelta(seconds=min_ready_seconds) <= now


def ready_behind(store: Store, service: str) -> int:
    """Return the ready pods that a Service selects, whether or not its slice says so yet."""
    found = store.find(Kind.SERVICE, service)
    selector = (found or {}).get("spec", {}).get("selector")
    if not selector:
        return 0
    return sum(
        ready_since(pod) is not None and running(pod)
        for pod in store.all_of(Kind.POD)
        if selector.items() <= pod["metadata"].get("labels", {}).items()
    )


def shares(store: Store) -> dict[str, int]:
    """Return the highest percentage of requests by Service, over the rules of all routes."""
    route, ingress = store.find(Kind.HTTP_ROUTE, WEB), store.find(Kind.INGRESS, WEB)
    if route is not None:
        return _of_route(route)
    if ingress is not None:
        return _of_ingress(store.find(Kind.INGRESS, CANARY))
    return {WEB: 100}


def _of_route(route: Obj) -> dict[str, int]:
    out: dict[str, int] = {}
    for rule in route["spec"].get("rules", ()):
        refs = [r for r in rule.get("backendRefs", ()) if r["name"] in (WEB, CANARY)]
        if any("headers" in match for match in rule.get("matches", ())):
            out |= {ref["name"]: max(out.get(ref["name"], 0), 1) for ref in refs}
            continue
        total = sum(r.get("weight", 1) for r in refs)
        for ref in refs:
            percent = -(-100 * ref.get("weight", 1) // total) if total else 0
            out[ref["name"]] = max(out.get(ref["name"], 0), percent)
    return out


def _of_ingress(canary: Obj | None) -> dict[str, int]:
    if canary is None:
        return {WEB: 100}
    annotations = canary["metadata"].get("annotations", {})
    weight = int(annotations.get(f"{NGINX}canary-weight", "0"))
    matched = any(key.startswith(f"{NGINX}canary-by-") for key in annotations)
    return {WEB: 100 - weight, CANARY: max(weight, int(matched))}
