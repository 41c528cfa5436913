"""The ReplicaSet controller of Kubernetes 1.34: one sync of one ReplicaSet.

Facts from pkg/controller/replicaset (`manageReplicas`, `calculateStatus`) and
`ActivePodsWithRanks` in pkg/controller/controller_utils.go. The status counts the pods
that were there before this sync created or deleted any, as the real one does.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tandem_controller.effect import Kind
from tests.simulation.rules import Obj
from tests.simulation.store import Store, controller_reference

USER = "system:serviceaccount:kube-system:replicaset-controller"
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"


def sync_replica_set(store: Store, stored: Obj) -> None:
    """Create or delete pods, then report."""
    pods = [p for p in store.controlled_by(Kind.POD, stored) if _active(p)]
    wanted = stored["spec"]["replicas"]
    if len(pods) < wanted:
        _create(store, stored, wanted - len(pods))
    surplus = max(0, len(pods) - wanted)
    for pod in sorted(pods, key=_deletion_order)[:surplus] if surplus else ():
        metadata = pod["metadata"]
        store.delete(Kind.POD, metadata["name"], namespace=metadata["namespace"])
    metadata = stored["metadata"]
    status = _status(stored, pods, store.now)
    store.replace_status(
        Kind.REPLICA_SET, metadata["name"], status, namespace=metadata["namespace"], user=USER
    )


def is_ready(pod: Obj) -> bool:
    """Whether the pod's Ready condition is True."""
    return ready_since(pod) is not None


def ready_since(pod: Obj) -> str | None:
    """Return when the pod became ready, or None while it is not."""
    for condition in pod["status"].get("conditions", ()):
        if condition["type"] == "Ready" and condition["status"] == "True":
            return str(condition["lastTransitionTime"])
    return None


def _active(pod: Obj) -> bool:
    return "deletionTimestamp" not in pod["metadata"] and pod["status"].get("phase") not in (
        "Failed",
        "Succeeded",
    )


def _create(store: Store, stored: Obj, count: int) -> None:
    template = stored["spec"]["template"]
    for _ in range(count):
        metadata = {
            **template["metadata"],
            "generateName": f"{stored['metadata']['name']}-",
            "namespace": stored["metadata"]["namespace"],
            "ownerReferences": [controller_reference(stored)],
        }
        body = {"apiVersion": "v1", "metadata": metadata, "spec": template["spec"]}
        store.create(Kind.POD, body, user=USER)


def _deletion_order(pod: Obj) -> tuple[Any, ...]:
    """Sort the pods to delete first to the front.

    Where the real controller takes a random one of equals (uid), this takes the youngest.
    Colocation on nodes is left out.
    """
    status, metadata = pod["status"], pod["metadata"]
    restarts = max(
        (c.get("restartCount", 0) for c in status.get("containerStatuses", ())), default=0
    )
    return (
        bool(pod["spec"].get("nodeName")),
        ("Pending", "Unknown", "Running").index(status.get("phase", "Pending")),
        is_ready(pod),
        int(metadata.get("annotations", {}).get(DELETION_COST, "0")),
        _newest_first(ready_since(pod) or ""),
        -restarts,
        _newest_first(metadata["creationTimestamp"]),
        _newest_first(metadata["uid"]),
    )


def _newest_first(text: str) -> tuple[int, ...]:
    return tuple(-ord(c) for c in text)


def _status(stored: Obj, pods: list[Obj], now: datetime) -> Obj:
    ready = [since for p in pods if (since := ready_since(p)) is not None]
    wait = timedelta(seconds=stored["spec"].get("minReadySeconds", 0))
    available = sum(not wait or datetime.fromisoformat(since) + wait <= now for since in ready)
    status = {
        "replicas": len(pods),
        "fullyLabeledReplicas": len(pods),
        "readyReplicas": len(ready),
        "availableReplicas": available,
    }
    observed = {"observedGeneration": stored["metadata"]["generation"]}
    return {"replicas": len(pods)} | observed | {k: v for k, v in status.items() if v}
