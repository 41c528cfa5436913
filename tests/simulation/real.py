"""A Deployment on a real cluster with fake nodes, edited like the model's.

Rest is decided by state: everybody has observed the last generation, the pods are there
and as ready as their images let them be, every count adds up, and nothing was written
between two looks a moment apart.
"""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from tests.simulation.edits import BreakPod, Change, Edit
from tests.simulation.reading import Reading, image_of, reading
from tests.simulation.replica_sets import is_ready
from tests.simulation.rules import Obj
from tests.simulation.store import timestamp

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
LOOK_SECONDS = 0.03
QUIET_SECONDS = 0.12
DOUBT_SECONDS = 3.0
PATIENCE_SECONDS = 30.0
_ENOUGH_SECONDS = 3600
"""A minReadySeconds above this is not waited for."""


class Http:
    """One connection to an API server, kept open."""

    def __init__(self, server: str, ca_file: str, token: str) -> None:
        address = urlsplit(server)
        tls = ssl.create_default_context(cafile=ca_file)
        self._connection = http.client.HTTPSConnection(
            address.hostname or "", address.port, context=tls, timeout=30
        )
        self._token = token

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def call(self, method: str, path: str, body: Obj | None = None, kind: str = MERGE) -> Obj:
        """Send one request; return the decoded answer, raise AssertionError on refusal."""
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": kind if method == "PATCH" else "application/json",
        }
        content = None if body is None else json.dumps(body)
        self._connection.request(method, path, content, headers)
        response = self._connection.getresponse()
        answer: Obj = json.loads(response.read())
        if response.status >= http.client.BAD_REQUEST:
            raise AssertionError(f"{method} {path}: {answer.get('message')}")
        return answer


@dataclass(frozen=True)
class State:
    """The Deployment, its ReplicaSets and pods as last seen."""

    deployment: Obj
    replica_sets: list[Obj]
    pods: list[Obj]

    @property
    def versions(self) -> frozenset[tuple[str, str]]:
        """Changes with every write to any of the objects."""
        objects = [self.deployment, *self.replica_sets, *self.pods]
        return frozenset((o["metadata"]["uid"], o["metadata"]["resourceVersion"]) for o in objects)

    @property
    def reading(self) -> Reading:
        """What is compared with the model."""
        return reading(self.deployment, self.replica_sets)

    @property
    def at_rest(self) -> bool:
        """Whether nothing is under way that the objects tell of."""
        return (
            _observed(self.deployment)
            and all(map(_observed, self.replica_sets))
            and all(map(_done, self.pods))
            and all(self._complete(r) for r in self.replica_sets)
            and self._adds_up()
        )

    def _complete(self, replica_set: Obj) -> bool:
        spec: Obj = replica_set["spec"]
        status: Obj = replica_set.get("status", {})
        pods = [p for p in self.pods if _owner(p) == replica_set["metadata"]["uid"]]
        ready = sum(map(is_ready, pods))
        never = spec.get("minReadySeconds", 0) > _ENOUGH_SECONDS
        return bool(
            spec["replicas"] == len(pods) == status.get("replicas", 0)
            and status.get("readyReplicas", 0) == ready
            and status.get("availableReplicas", 0) == (0 if never else ready)
        )

    def _adds_up(self) -> bool:
        status = self.deployment.get("status", {})
        return all(
            status.get(count, 0) == sum(r["status"].get(count, 0) for r in self.replica_sets)
            for count in ("replicas", "readyReplicas", "availableReplicas")
        )


class RealDeployment:
    """One Deployment in a namespace of a real cluster."""

    def __init__(self, http_: Http, namespace: str, name: str) -> None:
        self.name = name
        self._http = http_
        self._core = f"/api/v1/namespaces/{namespace}"
        self._apps = f"/apis/apps/v1/namespaces/{namespace}"
        self._labelled = f"labelSelector=app%3D{name}"

    def create(self, body: Obj) -> None:
        """Create it."""
        metadata = {k: v for k, v in body["metadata"].items() if k != "namespace"}
        self._http.call("POST", f"{self._apps}/deployments", {**body, "metadata": metadata})

    def delete(self) -> None:
        """Delete it; the garbage collector takes the rest."""
        self._http.call("DELETE", f"{self._apps}/deployments/{self.name}")

    def apply(self, edit: Edit) -> None:
        """Carry out an edit."""
        if isinstance(edit, Change):
            path = f"{self._apps}/deployments/{self.name}"
            self._http.call("PATCH", path, {"spec": edit.spec})
            return
        breaks = isinstance(edit, BreakPod)
        for pod in self.look().pods:
            # A pod that its node would not make ready is not ours to mend.
            if image_of(pod) == edit.image and is_ready(pod) is breaks:
                self._set_ready(pod, ready=not breaks)
                return

    def settled(self, hoped_for: Callable[[State], bool]) -> State:
        """Wait for rest; look on for a while where it is not what the caller hopes for."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        rested_since, versions = time.monotonic(), frozenset[tuple[str, str]]()
        while True:
            state, moment = self.look(), time.monotonic()
            if not state.at_rest or state.versions != versions:
                rested_since, versions = moment, state.versions
            quiet = moment - rested_since
            if quiet >= QUIET_SECONDS and (quiet >= DOUBT_SECONDS or hoped_for(state)):
                return state
            if moment > deadline:
                raise AssertionError(f"{self.name} did not come to rest: {state}")
            time.sleep(LOOK_SECONDS)

    def look(self) -> State:
        """Read the Deployment, its ReplicaSets and its pods."""
        return State(
            deployment=self._http.call("GET", f"{self._apps}/deployments/{self.name}"),
            replica_sets=self._list(f"{self._apps}/replicasets"),
            pods=self._list(f"{self._core}/pods"),
        )

    def _list(self, path: str) -> list[Obj]:
        items: list[Obj] = self._http.call("GET", f"{path}?{self._labelled}")["items"]
        return items

    def _set_ready(self, pod: Obj, *, ready: bool) -> None:
        since = timestamp(datetime.now(UTC))
        conditions = [
            {"type": kind, "status": str(ready), "lastTransitionTime": since}
            for kind in ("Ready", "ContainersReady")
        ]
        path = f"{self._core}/pods/{pod['metadata']['name']}/status"
        self._http.call("PATCH", path, {"status": {"conditions": conditions}}, STRATEGIC)


def _observed(obj: Obj) -> bool:
    return bool(obj.get("status", {}).get("observedGeneration") == obj["metadata"]["generation"])


def _done(pod: Obj) -> bool:
    """Whether its fake node has made of the pod what it will ever make of it."""
    if "deletionTimestamp" in pod["metadata"] or not pod["status"].get("podIP"):
        return False
    return "slow" not in image_of(pod) or is_ready(pod)


def _owner(pod: Obj) -> str:
    return str(pod["metadata"]["ownerReferences"][0]["uid"])
