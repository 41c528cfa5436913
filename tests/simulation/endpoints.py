"""The EndpointSlice controller: the pods behind each Service with a selector.

One slice a Service, named after it; terminating pods are in it and not ready.
"""

from __future__ import annotations

from tandem_controller.api.network import SERVICE_NAME_LABEL
from tandem_controller.effect import Kind
from tests.simulation.replica_sets import is_ready
from tests.simulation.rules import Obj
from tests.simulation.store import Store

USER = "system:serviceaccount:kube-system:endpointslice-controller"


def sync_service(store: Store, service: Obj) -> None:
    """Write the endpoints of one Service."""
    selector = service["spec"].get("selector")
    if not selector:
        return
    name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
    endpoints = [
        _endpoint(pod)
        for pod in store.all_of(Kind.POD)
        if pod["metadata"]["namespace"] == namespace
        and selector.items() <= pod["metadata"].get("labels", {}).items()
        and pod["status"].get("podIP")
        and pod["status"].get("phase") not in ("Failed", "Succeeded")
    ]
    if store.find(Kind.ENDPOINT_SLICE, name, namespace) is None:
        store.create(Kind.ENDPOINT_SLICE, _slice(service, endpoints), user=USER)
    else:
        body = {"endpoints": endpoints}
        store.patch(Kind.ENDPOINT_SLICE, name, body, namespace=namespace, user=USER)


def _slice(service: Obj, endpoints: list[Obj]) -> Obj:
    metadata = service["metadata"]
    owner = {
        "apiVersion": "v1",
        "kind": "Service",
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
    }
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "labels": {SERVICE_NAME_LABEL: metadata["name"]},
            "ownerReferences": [owner],
        },
        "addressType": "IPv4",
        "endpoints": endpoints,
    }


def _endpoint(pod: Obj) -> Obj:
    terminating = "deletionTimestamp" in pod["metadata"]
    ready = is_ready(pod)
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {
            "ready": ready and not terminating,
            "serving": ready,
            "terminating": terminating,
        },
        "targetRef": {
            "kind": "Pod",
            "name": pod["metadata"]["name"],
            "namespace": pod["metadata"]["namespace"],
            "uid": pod["metadata"]["uid"],
        },
    }
