"""Bodies of the objects that tests create; the store fills in the API server's defaults."""

from __future__ import annotations

from tests.simulation.rules import Obj
from tests.simulation.store import NAMESPACE


def template(image: str, *, app: str = "web", init_image: str = "") -> Obj:
    """Return a pod template of one business container and at most one init container."""
    spec: Obj = {"containers": [{"name": "app", "image": image}]}
    if init_image:
        spec["initContainers"] = [{"name": "init", "image": init_image}]
    return {"metadata": {"labels": {"app": app}}, "spec": spec}


def deployment(
    name: str = "web",
    *,
    image: str = "r/web:1",
    init_image: str = "",
    replicas: int = 10,
    max_surge: int | str = "25%",
    max_unavailable: int | str = "25%",
    **spec: object,
) -> Obj:
    """Return a Deployment; more fields of its spec may be given by their name on the wire."""
    knobs = {"maxSurge": max_surge, "maxUnavailable": max_unavailable}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": name}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": knobs},
            "template": template(image, app=name, init_image=init_image),
            **spec,
        },
    }


def service(name: str = "web", selector: dict[str, str] | None = None) -> Obj:
    """Return a Service of one port."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"selector": selector or {"app": name}, "ports": [{"port": 80}]},
    }


def image_patch(image: str) -> Obj:
    """Return the merge patch that puts another business image into a Deployment's template."""
    return {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": image}]}}}}


def knobs(max_surge: int | str, max_unavailable: int | str) -> Obj:
    """Return the strategy with these knobs, for a patch's spec."""
    return {
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": max_surge, "maxUnavailable": max_unavailable},
        }
    }


def rollout(
    name: str = "web",
    *,
    steps: list[Obj],
    routing: Obj | None = None,
    extra_workload: bool = False,
    **spec: object,
) -> Obj:
    """Return a Rollout in the shape of v1beta1 for the Deployment of the same name."""
    canary: Obj = {"steps": steps, "enableExtraWorkloadForCanary": extra_workload}
    if routing is not None:
        canary["trafficRoutings"] = [routing]
    return {
        "apiVersion": "rollouts.kruise.io/v1beta1",
        "kind": "Rollout",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "strategy": {"canary": canary},
            **spec,
        },
    }


def http_route(name: str = "web", service: str = "web") -> Obj:
    """Return an HTTPRoute of one rule with one backend."""
    ref = {"group": "", "kind": "Service", "name": service, "port": 80, "weight": 1}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"rules": [{"backendRefs": [ref]}]},
    }


def release_approval(name: str, revision: str, step: int) -> Obj:
    """Return an approval that a workflow step gives."""
    return {
        "apiVersion": "tandem.oam.dev/v1alpha1",
        "kind": "ReleaseApproval",
        "metadata": {"name": name},
        "spec": {"rollout": "web", "revision": revision, "step": step, "by": "a workflow"},
    }
