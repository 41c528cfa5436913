"""Objects that cluster tests create."""

from __future__ import annotations

from typing import Any

Obj = dict[str, Any]


def deployment(
    name: str = "shop", *, init: str = "init:v1", image: str = "shop:v1", replicas: int = 10
) -> Obj:
    """Return a Deployment of one init container and one business container."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app": name}, "annotations": {"team": "shop"}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": "30%", "maxUnavailable": 1},
            },
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "initContainers": [{"name": "init", "image": init}],
                    "containers": [{"name": "business", "image": image}],
                },
            },
        },
    }


def new_images(init: str, image: str) -> Obj:
    """Return the patch that puts these images into a Deployment's template."""
    spec = {
        "initContainers": [{"name": "init", "image": init}],
        "containers": [{"name": "business", "image": image}],
    }
    return {"spec": {"template": {"spec": spec}}}


def service(name: str = "shop") -> Obj:
    """Return a Service of one port."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]},
    }


def http_route(name: str = "shop") -> Obj:
    """Return an HTTPRoute with a weight of the user's own."""
    ref = {"name": name, "port": 80, "weight": 7}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": name},
        "spec": {"rules": [{"backendRefs": [ref]}]},
    }


def ingress(name: str = "shop") -> Obj:
    """Return an Ingress of class nginx."""
    backend = {"service": {"name": name, "port": {"number": 80}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name},
        "spec": {
            "ingressClassName": "nginx",
            "rules": [{"host": "shop.example", "http": {"paths": [path]}}],
        },
    }


BY_ROUTE: Obj = {"service": "shop", "gracePeriodSeconds": 1, "gateway": {"httpRouteName": "shop"}}
BY_INGRESS: Obj = {
    "service": "shop",
    "gracePeriodSeconds": 1,
    "ingress": {"name": "shop", "classType": "nginx"},
}


def step(percent: int, **fields: Any) -> Obj:  # noqa: ANN401 - fields of the API
    """Return a step of pods and traffic that waits for approval."""
    return {"weight": percent, "replicas": f"{percent}%", **fields}


def rollout(
    name: str = "shop",
    *,
    steps: list[Obj],
    routing: Obj | None = None,
    style: str = "partition",
) -> Obj:
    """Return a v1alpha1 Rollout of the Deployment of the same name."""
    canary: Obj = {"steps": steps}
    if routing:
        canary["trafficRoutings"] = [routing]
    ref = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    return {
        "apiVersion": "rollouts.kruise.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": name, "annotations": {"rollouts.kruise.io/rolling-style": style}},
        "spec": {"objectRef": {"workloadRef": ref}, "strategy": {"canary": canary}},
    }
