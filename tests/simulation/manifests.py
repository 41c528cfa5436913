"""What a user states: the manifests of a setting."""

from __future__ import annotations

from tandem_controller import keys
from tandem_controller.api.policy import OnDelete
from tandem_controller.effect import Kind
from tests.simulation import objects
from tests.simulation.actions import PLANS, TEMPLATES, Setting
from tests.simulation.facts import WEB
from tests.simulation.rules import Obj, default_template
from tests.simulation.store import Store

_SERVER_OWNED = ("uid", "resourceVersion", "generation", "creationTimestamp")


def pod_spec(number: int) -> Obj:
    """Return a pod spec by the number of its template."""
    image, init = TEMPLATES[number]
    return {
        "containers": [{"name": "app", "image": image}],
        "initContainers": [{"name": "init", "image": init}],
    }


def knobs(setting_spec: Obj) -> Obj:
    """Return the fields of a Deployment's spec that its user states and a release writes."""
    stated = {k: setting_spec.get(k) for k in ("strategy", "minReadySeconds")}
    return {**stated, "progressDeadlineSeconds": 600}


def deployment(setting: Setting) -> Obj:
    """Return the first version's Deployment."""
    image, init = TEMPLATES[1]
    body = objects.deployment(
        image=image,
        init_image=init,
        replicas=setting.replicas,
        max_surge=setting.knobs[0],
        max_unavailable=setting.knobs[1],
        minReadySeconds=setting.min_ready_seconds,
    )
    if setting.application:
        body["metadata"]["labels"][keys.OAM_COMPONENT] = WEB
    return body


def rollout(setting: Setting, plan: int) -> Obj:
    """Return the Rollout with a plan by its number."""
    routing: Obj = {"service": WEB, "gracePeriodSeconds": 3}
    if setting.routing == "route":
        routing["gateway"] = {"httpRouteName": WEB}
    if setting.routing == "ingress":
        routing["ingress"] = {"name": WEB}
    body = objects.rollout(
        steps=steps(setting, plan),
        routing=routing if setting.routing else None,
        extra_workload=setting.extra,
    )
    if setting.application:
        body["metadata"]["labels"] = {keys.OAM_NAME: "app"}
    return body


def steps(setting: Setting, plan: int) -> list[Obj]:
    """Return a plan's steps; without routing they say nothing of traffic."""
    if setting.routing:
        return PLANS[plan]
    return [{k: v for k, v in s.items() if k not in ("traffic", "matches")} for s in PLANS[plan]]


def route() -> Obj:
    """Return a route of several rules, backends and weights."""
    body = objects.http_route()
    ref = {"group": "", "kind": "Service", "port": 80}
    body["spec"] = {
        "parentRefs": [{"name": "gateway"}],
        "rules": [
            {"backendRefs": [{**ref, "name": WEB, "weight": 1}]},
            {
                "matches": [{"path": {"type": "PathPrefix", "value": "/api"}}],
                "backendRefs": [
                    {**ref, "name": WEB, "weight": 3},
                    {**ref, "name": "other", "weight": 2},
                ],
            },
            {
                "matches": [{"path": {"type": "Exact", "value": "/static"}}],
                "backendRefs": [{**ref, "name": "static"}],
            },
        ],
    }
    return body


def ingress() -> Obj:
    """Return an Ingress with an annotation of its user's own."""
    backend = {"service": {"name": WEB, "port": {"number": 80}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": WEB, "annotations": {"example.com/keep": "yes"}},
        "spec": {
            "ingressClassName": "nginx",
            "rules": [{"host": "web.example.com", "http": {"paths": [path]}}],
        },
    }


def policy(setting: Setting, business: tuple[str, ...] = ()) -> Obj:
    """Return the ReleasePolicy of a setting; `business` are its patterns of containers."""
    return {
        "apiVersion": "tandem.oam.dev/v1alpha1",
        "kind": "ReleasePolicy",
        "metadata": {"name": WEB},
        "spec": {
            "onDelete": str(setting.policy or OnDelete.COMPLETE),
            "containers": {"business": list(business)},
            "rollbackScope": str(setting.scope),
            "hold": {"release": str(setting.hold)},
        },
    }


def traffic_objects(store: Store) -> dict[str, Obj]:
    """Return the objects through which a user's traffic comes, as their user sees them."""
    found = (store.find(kind, WEB) for kind in (Kind.SERVICE, Kind.HTTP_ROUTE, Kind.INGRESS))
    return {obj["kind"]: plain(obj) for obj in found if obj is not None}


def plain(obj: Obj) -> Obj:
    """Return an object as its user sees it: without the API server's and status fields."""
    metadata = {k: v for k, v in obj["metadata"].items() if k not in _SERVER_OWNED}
    annotations = {
        k: v
        for k, v in metadata.pop("annotations", {}).items()
        if not k.startswith("deployment.kubernetes.io/")
        and k not in (keys.REJECTED, keys.UNFINISHED)
    }
    if annotations:
        metadata["annotations"] = annotations
    spec = dict(obj["spec"])
    for key in ("paused", "minReadySeconds"):
        if not spec.get(key):
            spec.pop(key, None)
    if "template" in spec:
        spec["template"] = default_template(spec["template"])
    return {"metadata": metadata, "spec": spec}
