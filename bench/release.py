"""A release of five automatic steps, in seconds and API requests, beside its floor.

Both run on one API server with instant fake pods: 10 replicas, ingress-nginx annotations,
steps of 20 %. The floor is a bare loop of PATCHes on a native Deployment that waits for
its pods by a watch. Requests are counted from the API server's audit log, by user.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devcluster.cluster import DevCluster
from tandem_controller.effect import Kind
from tandem_controller.install import install
from tandem_controller.kinds import WATCHED
from tandem_controller.kube.client import Client, PatchType
from tandem_controller.kube.resource import Resource
from tandem_controller.kube.wait import wait_for

NAMESPACE = "default"
REPLICAS = 10
STEPS = 5
GRACE_SECONDS = 1
EVENTS_SECONDS = 1
"""Events are written behind the release; they are counted too."""

CONTROLLER = "tandem-controller"
BENCH = "tandem-user"
DEPLOYMENT = WATCHED[Kind.DEPLOYMENT].resource
ROLLOUT = WATCHED[Kind.ROLLOUT].resource


@dataclass(frozen=True)
class Run:
    """One measured release."""

    seconds: float
    requests: int
    by_verb: Counter[str]


def main() -> None:
    """Measure and print; exit code 1 only when a release does not end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    with DevCluster("bench") as cluster, controller(cluster):
        ours, floor = asyncio.run(_measure(cluster, runs))
    print(f"{runs} runs, {REPLICAS} replicas, {STEPS} steps, grace {GRACE_SECONDS} s; medians")
    _row("tandem", ours)
    _row("floor", floor)
    ratio = _median(r.seconds for r in ours) / _median(r.seconds for r in floor)
    print(f"ratio to the floor: {ratio:.1f} in time")
    print("tandem's requests:", ", ".join(f"{v} {n}" for v, n in ours[-1].by_verb.most_common()))


def _row(name: str, runs: list[Run]) -> None:
    seconds = sorted(r.seconds for r in runs)
    requests = _median(r.requests for r in runs)
    spread = f"{seconds[0]:.2f}-{seconds[-1]:.2f}"
    print(f"{name:8} {statistics.median(seconds):6.2f} s ({spread})  {requests:5.0f} requests")


def _median(values: Iterator[float]) -> float:
    return statistics.median(list(values))


@contextmanager
def controller(cluster: DevCluster) -> Iterator[None]:
    """Run the controller beside the cluster, as its own user."""
    log = (cluster.logs / "tandem-controller.log").open("wb")
    command = [
        *(str(Path(sys.executable).with_name("tandem")), "controller", "run"),
        *("--kubeconfig", str(cluster.kubeconfig_for(CONTROLLER))),
        *("--namespace", "kube-system", "--health-address", "127.0.0.1", "--health-port", "0"),
        *os.environ.get("TANDEM_BENCH_CONTROLLER_ARGUMENTS", "").split(),
    ]
    process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
        log.close()


async def _measure(cluster: DevCluster, runs: int) -> tuple[list[Run], list[Run]]:
    async with _client(cluster.kubeconfig) as admin:
        await install(admin, writers=[CONTROLLER])
    async with _client(cluster.kubeconfig_for(BENCH)) as client:
        await _set_up(client)
        ours = [await _release(cluster, client, number) for number in range(1, runs + 1)]
        floor = [await _floor(cluster, client, number) for number in range(1, runs + 1)]
    return ours, floor


@asynccontextmanager
async def _client(kubeconfig: Path) -> AsyncIterator[Client]:
    client = await Client.connect(kubeconfig=kubeconfig, user_agent="tandem-bench")
    try:
        yield client
    finally:
        await client.close()


async def _set_up(client: Client) -> None:
    for resource, body in (
        (WATCHED[Kind.SERVICE].resource, _service("shop")),
        (WATCHED[Kind.INGRESS].resource, _ingress("shop")),
        (DEPLOYMENT, _deployment("shop")),
        (DEPLOYMENT, _deployment("bare")),
    ):
        await client.create(resource, body, NAMESPACE, field_manager="bench")
    for name in ("shop", "bare"):
        await _wait(client, DEPLOYMENT, name, _all_available)
    await client.create(ROLLOUT, _rollout("shop"), NAMESPACE, field_manager="bench")
    await _wait(client, ROLLOUT, "shop", _healthy)


async def _release(cluster: DevCluster, client: Client, number: int) -> Run:
    """Change the template and wait until the Rollout is Healthy again."""
    before = _offset(cluster)
    started = time.monotonic()
    await _patch(client, "shop", {"template": _template("shop", number)})
    await _wait(client, ROLLOUT, "shop", lambda o: not _healthy(o))
    await _wait(client, ROLLOUT, "shop", _healthy)
    seconds = time.monotonic() - started
    await asyncio.sleep(EVENTS_SECONDS)
    return _counted(cluster, before, CONTROLLER, seconds)


async def _floor(cluster: DevCluster, client: Client, number: int) -> Run:
    """Release by PATCHes alone: the knobs of each batch, then the user's fields back."""
    before = _offset(cluster)
    started = time.monotonic()
    spec: dict[str, Any] = {
        "minReadySeconds": 2147483646,
        "progressDeadlineSeconds": 2147483647,
        "template": _template("bare", number),
    }
    for step in range(1, STEPS):
        new = REPLICAS * step // STEPS
        await _patch(client, "bare", {**spec, "strategy": _rolling(0, new)})
        await _wait(client, DEPLOYMENT, "bare", _updated_and_ready(new))
    restored = {
        "minReadySeconds": 0,
        "progressDeadlineSeconds": 600,
        "strategy": _rolling("25%", "25%"),
    }
    await _patch(client, "bare", restored)
    await _wait(client, DEPLOYMENT, "bare", _all_available)
    return _counted(cluster, before, BENCH, time.monotonic() - started)


def _updated_and_ready(new: int) -> Callable[[dict[str, Any]], bool]:
    def reached(obj: dict[str, Any]) -> bool:
        status = obj.get("status", {})
        return (
            _observed(obj)
            and status.get("updatedReplicas", 0) == new
            and status.get("readyReplicas", 0) == REPLICAS == status.get("replicas", 0)
        )

    return reached


def _all_available(obj: dict[str, Any]) -> bool:
    status = obj.get("status", {})
    counts = {status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")}
    return _observed(obj) and counts == {REPLICAS}


def _observed(obj: dict[str, Any]) -> bool:
    seen: int = obj.get("status", {}).get("observedGeneration", 0)
    return seen >= int(obj["metadata"]["generation"])


def _healthy(obj: dict[str, Any]) -> bool:
    return bool(obj.get("status", {}).get("phase") == "Healthy")


async def _wait(
    client: Client, resource: Resource, name: str, reached: Callable[[dict[str, Any]], bool]
) -> None:
    await wait_for(
        client, resource, name, NAMESPACE, lambda o: o is not None and reached(o), seconds=60
    )


async def _patch(client: Client, name: str, spec: dict[str, Any]) -> None:
    body = {"spec": spec}
    await client.patch(DEPLOYMENT, name, body, NAMESPACE, patch_type=PatchType.MERGE)


def _offset(cluster: DevCluster) -> int:
    return cluster.audit_log.stat().st_size


def _counted(cluster: DevCluster, offset: int, user: str, seconds: float) -> Run:
    """Count a user's requests since an offset; Lease renewals are not the release's."""
    with cluster.audit_log.open("rb") as log:
        log.seek(offset)
        events = [json.loads(line) for line in log if line.endswith(b"\n")]
    mine = [
        f"{e['verb']} {_what(e)}"
        for e in events
        if e["user"]["username"] == user
        and e["stage"] == "ResponseComplete"
        and _what(e) != "leases"
        and e["verb"] != "watch"
    ]
    return Run(seconds=seconds, requests=len(mine), by_verb=Counter(mine))


def _what(event: dict[str, Any]) -> str:
    ref = event.get("objectRef", {})
    sub = ref.get("subresource")
    return f"{ref.get('resource', '')}{f'/{sub}' if sub else ''}"


def _rolling(surge: int | str, unavailable: int | str) -> dict[str, Any]:
    return {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable},
    }


def _template(name: str, number: int) -> dict[str, Any]:
    return {
        "metadata": {"labels": {"app": name}},
        "spec": {
            "initContainers": [{"name": "init", "image": f"init:{number}"}],
            "containers": [{"name": "business", "image": f"shop:{number}"}],
        },
    }


def _deployment(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": REPLICAS,
            "selector": {"matchLabels": {"app": name}},
            "template": _template(name, 0),
        },
    }


def _service(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]},
    }


def _ingress(name: str) -> dict[str, Any]:
    backend = {"service": {"name": name, "port": {"number": 80}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name},
        "spec": {
            "ingressClassName": "nginx",
            "rules": [{"host": f"{name}.example", "http": {"paths": [path]}}],
        },
    }


def _rollout(name: str) -> dict[str, Any]:
    percents = [100 * step // STEPS for step in range(1, STEPS + 1)]
    steps = [{"weight": p, "replicas": f"{p}%", "pause": {"duration": 0}} for p in percents]
    routing = {
        "service": name,
        "gracePeriodSeconds": GRACE_SECONDS,
        "ingress": {"name": name, "classType": "nginx"},
    }
    return {
        "apiVersion": "rollouts.kruise.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {
            "name": name,
            "annotations": {"rollouts.kruise.io/rolling-style": "partition"},
        },
        "spec": {
            "objectRef": {
                "workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
            },
            "strategy": {"canary": {"steps": steps, "trafficRoutings": [routing]}},
        },
    }


if __name__ == "__main__":
    main()
