"""What a replica needs: CPU and memory of controller and webhook, at rest and releasing.

The addon's default requests come from here (docs/image.md). Fake nodes, workloads of five pods;
CPU in thousandths of a core on average over the phase, memory resident at its end and the most
that it ever was. Figures depend on the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.processes import USER, TandemProcess, until_webhooks_are_asked
from devcluster.cluster import DevCluster
from tandem_controller.effect import Kind
from tandem_controller.install import install
from tandem_controller.kinds import WATCHED
from tandem_controller.kube.client import Client, PatchType
from tandem_controller.kube.resource import Resource
from tandem_controller.kube.wait import wait_for

Obj = dict[str, Any]

PER_NAMESPACE = 20
"""The API server evaluates the policies for each Rollout of a namespace (decision 14)."""
REST_SECONDS = 30.0
AT_ONCE = 10
PODS = 5
NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Reading:
    """What the kernel says of a process: CPU seconds so far, memory in MiB."""

    cpu_seconds: float
    resident: int
    most: int


@dataclass(frozen=True)
class Place:
    """Where a workload and its Rollout are."""

    namespace: str
    name: str

    def metadata(self) -> dict[str, str]:
        """Return it as objects state it."""
        return {"namespace": self.namespace, "name": self.name}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workloads", type=int, default=200)
    workloads = parser.parse_args().workloads
    with DevCluster("bench-resources") as cluster:
        processes = {
            "controller": TandemProcess.controller(cluster),
            "webhook": TandemProcess.webhook(cluster),
        }
        try:
            asyncio.run(compare(cluster, processes, workloads))
        finally:
            for process in processes.values():
                process.stop()


async def compare(cluster: DevCluster, processes: dict[str, TandemProcess], workloads: int) -> None:
    """Print a row for each phase and process."""
    client = await Client.connect(kubeconfig=cluster.kubeconfig, user_agent="bench")
    try:
        await install(client, writers=[USER])
        print(f"{'phase':<34}{'process':<12}{'CPU':>8}{'memory':>10}{'most':>10}")
        for process in processes.values():
            process.start()
        await until_webhooks_are_asked(client)
        places = [Place(f"n{i // PER_NAMESPACE}", f"shop-{i}") for i in range(workloads)]
        for namespace in sorted({place.namespace for place in places}):
            body = {"metadata": {"name": namespace}}
            await client.create(NAMESPACES, body, field_manager="bench")
        await _phase("at rest, nothing enrolled", processes, _rest)
        await _phase(f"{workloads} enrolled at once", processes, lambda: _enroll(client, places))
        await _phase(f"at rest, {workloads} enrolled", processes, _rest)
        await _phase(f"{workloads} releases at once", processes, lambda: _release(client, places))
    finally:
        await client.close()


async def _phase(
    name: str, processes: dict[str, TandemProcess], course: Callable[[], Awaitable[None]]
) -> None:
    before = {each: _read(process.pid) for each, process in processes.items()}
    began = time.monotonic()
    await course()
    seconds = time.monotonic() - began
    for each, process in processes.items():
        now = _read(process.pid)
        cores = (now.cpu_seconds - before[each].cpu_seconds) / seconds
        figures = f"{cores * 1000:>7.0f}m{now.resident:>7d}Mi{now.most:>8d}Mi"
        print(f"{f'{name} ({seconds:.0f} s)':<34}{each:<12}{figures}")


async def _rest() -> None:
    await asyncio.sleep(REST_SECONDS)


async def _enroll(client: Client, places: Iterable[Place]) -> None:
    async def one(place: Place) -> None:
        for kind, body in ((Kind.DEPLOYMENT, _deployment(place)), (Kind.ROLLOUT, _rollout(place))):
            await client.create(
                WATCHED[kind].resource, body, place.namespace, field_manager="bench"
            )
        await _until_healthy(client, place, "init:v1 shop:v1")

    await _at_once(one(place) for place in places)


async def _release(client: Client, places: Iterable[Place]) -> None:
    async def one(place: Place) -> None:
        containers = [{"name": "business", "image": "shop:v2"}]
        body = {"spec": {"template": {"spec": {"containers": containers}}}}
        resource = WATCHED[Kind.DEPLOYMENT].resource
        patch = PatchType.STRATEGIC
        await client.patch(resource, place.name, body, place.namespace, patch_type=patch)
        await _until_healthy(client, place, "init:v1 shop:v2")

    await _at_once(one(place) for place in places)


async def _until_healthy(client: Client, place: Place, images: str) -> None:
    """Wait until a version has all pods, and its release has ended."""

    def updated(obj: Obj | None) -> bool:
        if obj is None:
            return False
        spec, status = obj["spec"], obj.get("status", {})
        pod = spec["template"]["spec"]
        found = " ".join(c["image"] for c in (*pod["initContainers"], *pod["containers"]))
        seen = status.get("observedGeneration") == obj["metadata"]["generation"]
        ended = not spec.get("paused") and status.get("updatedReplicas") == spec["replicas"]
        return seen and ended and found == images

    def healthy(obj: Obj | None) -> bool:
        return bool((obj or {}).get("status", {}).get("phase") == "Healthy")

    for kind, wanted in ((Kind.DEPLOYMENT, updated), (Kind.ROLLOUT, healthy)):
        await wait_for(
            client, WATCHED[kind].resource, place.name, place.namespace, wanted, seconds=600
        )


async def _at_once(courses: Iterable[Awaitable[None]]) -> None:
    room = asyncio.Semaphore(AT_ONCE)

    async def one(course: Awaitable[None]) -> None:
        async with room:
            await course

    await asyncio.gather(*(one(course) for course in courses))


def _deployment(place: Place) -> Obj:
    labels = {"app": place.name}
    pod = {
        "initContainers": [{"name": "init", "image": "init:v1"}],
        "containers": [{"name": "business", "image": "shop:v1"}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": place.metadata(),
        "spec": {
            "replicas": PODS,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def _rollout(place: Place) -> Obj:
    go = {"duration": 0}
    steps = [{"replicas": f"{percent}%", "pause": go} for percent in (20, 60, 100)]
    ref = {"apiVersion": "apps/v1", "kind": "Deployment", "name": place.name}
    style = {"rollouts.kruise.io/rolling-style": "partition"}
    return {
        "apiVersion": "rollouts.kruise.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {**place.metadata(), "annotations": style},
        "spec": {"objectRef": {"workloadRef": ref}, "strategy": {"canary": {"steps": steps}}},
    }


def _read(pid: int) -> Reading:
    """Read proc(5): utime and stime are fields 14 and 15 of stat, memory is in status."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    resident, most = (int(status[key].split()[0]) // 1024 for key in ("VmRSS", "VmHWM"))
    return Reading((int(fields[11]) + int(fields[12])) / TICKS, resident, most)


if __name__ == "__main__":
    main()
