"""Pods coming up, failing and going away, as the schedule decides.

What becomes of a pod follows from its images: the schedule says so for an image, or the
image's tag does (`slow`, `slow2s`, `unready`, `crash`, `badimage`), as on the dev cluster's
fake nodes (`devcluster.stages`).
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime, timedelta
from enum import StrEnum

from tandem_controller.effect import Kind
from tests.simulation.replica_sets import is_ready
from tests.simulation.rules import Obj
from tests.simulation.store import Key, Store, timestamp

_SLOW = re.compile(r":[^/:]*slow(?P<n>[0-9]+)(?P<unit>ms|s)")
_UNITS = {"ms": "milliseconds", "s": "seconds"}


class Readiness(StrEnum):
    """What becomes of a container."""

    INSTANT = "instant"
    SLOW = "slow"
    NEVER = "unready"
    CRASH = "crash"
    IMAGE_PULL = "badimage"


class Kubelet:
    """All nodes at once. `broken` holds the uids of pods that lost their readiness."""

    def __init__(self, slow_seconds: float = 10) -> None:
        self.slow_seconds = slow_seconds
        self.readiness: dict[str, Readiness] = {}
        self.broken: set[str] = set()

    def copy(self) -> Kubelet:
        """Return an independent kubelet of the same mind."""
        twin = Kubelet(self.slow_seconds)
        twin.readiness = dict(self.readiness)
        twin.broken = set(self.broken)
        return twin

    def of(self, image: str) -> Readiness:
        """Return what becomes of containers of an image."""
        if image in self.readiness:
            return self.readiness[image]
        tag = image.rpartition(":")[2]
        return next((r for r in Readiness if r in tag), Readiness.INSTANT)

    def _patience(self, image: str) -> timedelta:
        """Return how long a slow image takes: as its tag says, or `slow_seconds`."""
        stated = _SLOW.search(image)
        if stated is None:
            return timedelta(seconds=self.slow_seconds)
        return timedelta(**{_UNITS[stated["unit"]]: int(stated["n"])})

    def sync_pod(self, store: Store, pod: Obj) -> None:
        """Bring one pod to where its node would have it now."""
        metadata = pod["metadata"]
        key = Key(Kind.POD, metadata["namespace"], metadata["name"])
        if "deletionTimestamp" in metadata:
            store.remove(key)
            return
        if not pod["spec"].get("nodeName"):
            node = {"spec": {"nodeName": "node-0"}}
            pod = store.patch(Kind.POD, key.name, node, namespace=key.namespace, user="scheduler")
        if pod["status"].get("phase") in ("Failed", "Succeeded"):
            return
        if is_ready(pod) and self._stays_ready(pod):
            return
        status = self._status(store, pod)
        if status != pod["status"]:
            store.replace_status(
                Kind.POD, key.name, status, namespace=key.namespace, user="kubelet"
            )

    def _stays_ready(self, pod: Obj) -> bool:
        return pod["metadata"]["uid"] not in self.broken and all(
            self.of(c["image"]) in (Readiness.INSTANT, Readiness.SLOW)
            for c in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"])
        )

    def _status(self, store: Store, pod: Obj) -> Obj:
        created = datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
        age = store.now - created
        init = [self._container(c, age, init=True) for c in pod["spec"].get("initContainers", ())]
        initialised = all("terminated" in c["state"] for c in init)
        main = [
            self._container(c, age, init=False, started=initialised)
            for c in pod["spec"]["containers"]
        ]
        running = initialised and not any(_pulls(c) for c in main)
        ready = all(c["ready"] for c in main) and pod["metadata"]["uid"] not in self.broken
        status = {
            "phase": "Running" if running else "Pending",
            "podIP": pod["status"].get("podIP") or _address(store.count()),
            "startTime": pod["status"].get("startTime") or timestamp(store.now),
            "conditions": [_ready_condition(pod, ready=ready, now=store.now)],
            "containerStatuses": main,
        }
        return {**status, "initContainerStatuses": init} if init else status

    def _container(
        self, container: Obj, age: timedelta, *, init: bool, started: bool = True
    ) -> Obj:
        image = container["image"]
        readiness = self.of(image)
        state: Obj = {"running": {}}
        restarts = 0
        ready = readiness is Readiness.INSTANT or (
            readiness is Readiness.SLOW and age >= self._patience(image)
        )
        if not started:
            state, ready = {"waiting": {"reason": "PodInitializing"}}, False
        elif readiness is Readiness.CRASH:
            state, restarts = {"waiting": {"reason": "CrashLoopBackOff"}}, 5
        elif readiness is Readiness.IMAGE_PULL:
            state = {"waiting": {"reason": "ImagePullBackOff"}}
        elif init and ready:
            state = {"terminated": {"exitCode": 0, "reason": "Completed"}}
        pulled = started and readiness is not Readiness.IMAGE_PULL
        return {
            "name": container["name"],
            "image": image,
            "imageID": _digest(image) if pulled else "",
            "ready": ready,
            "restartCount": restarts,
            "state": state,
        }


def _pulls(status: Obj) -> bool:
    return bool(status["state"].get("waiting", {}).get("reason") == "ImagePullBackOff")


def _ready_condition(pod: Obj, *, ready: bool, now: datetime) -> Obj:
    for condition in pod["status"].get("conditions", ()):
        if condition["type"] == "Ready" and condition["status"] == str(ready):
            return dict(condition)
    return {"type": "Ready", "status": str(ready), "lastTransitionTime": timestamp(now)}


def _address(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def _digest(image: str) -> str:
    name = image.rpartition(":")[0] or image
    return f"{name}@sha256:{hashlib.sha256(image.encode()).hexdigest()}"
