"""Clusters as the doctor sees them: one in which all is well, and how to spoil it."""

from __future__ import annotations

import base64
import copy
from datetime import UTC, datetime, timedelta
from typing import Any

from tandem_cli.cluster_objects import Obj
from tandem_cli.doctor.finding import Cluster
from tandem_cli.doctor.installation import CONFIGURATIONS, POLICY_KINDS
from tandem_cli.doctor.look import caches_of
from tandem_controller import names
from tandem_controller.api.crd import crds
from tandem_controller.webhooks.certificates import renewed

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NAMESPACE = "vela-system"
TEMPLATE = {"spec": {"containers": [{"name": "business", "image": "shop:v1"}]}}
_CRDS = tuple(crds().values())
BUNDLE = renewed(None, ["tandem.vela-system.svc"], NOW)
AUTHORITY = base64.b64encode(BUNDLE.ca).decode()
SERVICE = {"namespace": NAMESPACE, "name": "tandem", "port": 443, "path": "/x"}


def well(**more: list[Obj]) -> Cluster:
    """Return a cluster in which all is well, with further objects by kind."""
    objects: dict[str, list[Obj]] = {
        "Lease": [lease("tandem-controller", NAMESPACE)],
        "CustomResourceDefinition": [copy.deepcopy(crd) for crd in _CRDS],
        "Deployment": [tandem("0.1.0")],
        "EndpointSlice": [endpoints(ready=True)],
        "Secret": [secret()],
        **{kind: [configuration(kind)] for kind in CONFIGURATIONS},
        **{kind: [named("tandem-workload", kind)] for kind in POLICY_KINDS},
    }
    for kind, added in more.items():
        objects[kind] = [*objects.get(kind, []), *added]
    return cluster(objects)


def cluster(objects: dict[str, list[Obj]], **fields: Any) -> Cluster:  # noqa: ANN401 - any field
    """Return a cluster of these objects."""
    found = {kind: tuple(items) for kind, items in objects.items()}
    return Cluster(
        **{
            "now": NOW,
            "namespace": NAMESPACE,
            "cli_version": "0.1.0",
            "objects": found,
            "caches": caches_of(found),
            **fields,
        }
    )


def without(kind: str, name: str, seen: Cluster | None = None) -> Cluster:
    """Return a cluster that lacks an object."""
    seen = seen or well()
    objects = {k: list(items) for k, items in seen.objects.items()}
    objects[kind] = [o for o in objects[kind] if o["metadata"]["name"] != name]
    return cluster(objects)


def swapped(kind: str, obj: Obj) -> Cluster:
    """Return a cluster in which an object is another."""
    gone = without(kind, obj["metadata"]["name"])
    objects = {k: list(items) for k, items in gone.objects.items()}
    return cluster({**objects, kind: [*objects[kind], obj]})


def named(name: str, kind: str, namespace: str = "", **fields: Any) -> Obj:  # noqa: ANN401
    """Return an object of a name."""
    place = {"namespace": namespace} if namespace else {}
    return {"kind": kind, "metadata": {"name": name, **place}, **fields}


def lease(name: str, namespace: str, *, age: timedelta = timedelta(seconds=3)) -> Obj:
    """Return a Lease that was renewed so long ago."""
    renewed_at = f"{NOW - age:%Y-%m-%dT%H:%M:%S.%fZ}"
    spec = {"holderIdentity": "a", "renewTime": renewed_at, "leaseDurationSeconds": 15}
    return named(name, "Lease", namespace, spec=spec)


def tandem(tag: str) -> Obj:
    """Return Tandem's Deployment."""
    container = {"name": "controller", "image": f"oamdev/tandem:{tag}"}
    body = deployment("tandem", NAMESPACE, labels={"app.kubernetes.io/name": "tandem"})
    body["spec"]["template"] = {"spec": {"containers": [container]}}
    return body


def deployment(name: str, namespace: str = "demo", **metadata: Any) -> Obj:  # noqa: ANN401
    """Return a Deployment; keyword `paused` is a field of its spec."""
    paused = metadata.pop("paused", False)
    spec = {"replicas": 2, "template": TEMPLATE, "paused": paused}
    body = named(name, "Deployment", namespace, spec=spec)
    body["metadata"] |= {"uid": f"uid-{name}", **metadata}
    return body


def rollout(name: str, workload: str = "shop", **spec: Any) -> Obj:  # noqa: ANN401
    """Return a Rollout; a later name was created later."""
    ref = {"apiVersion": "apps/v1", "kind": "Deployment", "name": workload}
    body = named(name, "Rollout", "demo")
    created = f"2026-01-{1 + ord(name[0]) - ord('a'):02}T00:00:00Z"
    body["metadata"] |= {"creationTimestamp": created, "uid": f"uid-{name}"}
    strategy = {"canary": {"steps": [{"weight": 20}]}}
    body["spec"] = {"objectRef": {"workloadRef": ref}, "strategy": strategy, **spec}
    return {"apiVersion": "rollouts.kruise.io/v1alpha1", **body}


def configuration(kind: str, *, authority: str = AUTHORITY) -> Obj:
    """Return Tandem's webhook configuration of a kind."""
    config = {"service": SERVICE, "caBundle": authority}
    return named("tandem", kind, webhooks=[{"name": "w", "clientConfig": config}])


def endpoints(*, ready: bool) -> Obj:
    """Return the endpoints of Tandem's Service."""
    body = named("tandem-1", "EndpointSlice", NAMESPACE)
    body["metadata"]["labels"] = {"kubernetes.io/service-name": "tandem"}
    return {**body, "endpoints": [{"conditions": {"ready": ready}}]}


def secret() -> Obj:
    """Return the Secret of the webhook's certificates."""
    data = {"ca.crt": BUNDLE.ca, "tls.crt": BUNDLE.cert}
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    return named(names.WEBHOOK_SECRET, "Secret", NAMESPACE, data=encoded)


def application(name: str, *traits: str, published: bool = True, **properties: Any) -> Obj:  # noqa: ANN401
    """Return an Application of one component with these traits."""
    annotations = {"app.oam.dev/publishVersion": "v1"} if published else {}
    component = {
        "name": name,
        "type": "webservice",
        "properties": properties,
        "traits": [{"type": trait} for trait in traits],
    }
    body = named(name, "Application", "demo", spec={"components": [component]})
    body["metadata"]["annotations"] = annotations
    return body
