"""What the admission policies cost the API server, by how many Rollouts a namespace has.

The API server evaluates a policy once for each Rollout of the Deployment's namespace
(docs/decisions/0014). Sequential dry-run PATCHes of one Deployment, without webhook: they pass
admission, and neither etcd nor any controller adds to what is measured. Milliseconds depend on
the machine; the last column is the ratio of the median to a namespace without Rollouts.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devcluster.cluster import DevCluster
from devcluster.processes import read_pid_file
from tandem_controller.api.guard import MUTATING_VERSIONS, mutating_policies, validating_policies
from tandem_controller.effect import Kind
from tandem_controller.install import apply, guard_resource, install_crds
from tandem_controller.keys import IN_PROGRESSING
from tandem_controller.kinds import WATCHED
from tandem_controller.kube.client import Client, PatchType
from tandem_controller.kube.errors import Forbidden
from tandem_controller.kube.resource import Resource

Obj = dict[str, Any]

TANDEM = "tandem-controller"
USER = "tandem-user"
ROLLOUTS = (0, 20, 200)
DEPLOYMENT = WATCHED[Kind.DEPLOYMENT].resource
ROLLOUT = WATCHED[Kind.ROLLOUT].resource
NAMESPACE = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
WARM_UP = 3
POLL_SECONDS = 0.2
ACTIVE_SECONDS = 30
NEW: Obj = {"spec": {"template": {"metadata": {"annotations": {"build": "2"}}}}}


@dataclass(frozen=True)
class Case:
    """One way to write a Deployment: `shop` is at rest, `held` in the middle of a release."""

    name: str
    body: Obj
    user: str = USER
    deployment: str = "shop"
    subresource: str = ""


CASES = (
    Case("labels", {"metadata": {"labels": {"a": "b"}}}),
    Case("labels, in mid-release", {"metadata": {"labels": {"a": "b"}}}, deployment="held"),
    Case("a new template", NEW),
    Case("a new template, by Tandem", NEW, user=TANDEM),
    Case("status", {"status": {"observedGeneration": 1}}, subresource="status"),
)


@dataclass(frozen=True)
class Cost:
    """One PATCH: median latency, and what of the API server's CPU each took on average."""

    milliseconds: float
    cpu_milliseconds: float


Measured = dict[tuple[str, int], Cost]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patches", type=int, default=30)
    patches = parser.parse_args().patches
    with DevCluster("bench-admission") as cluster:
        asyncio.run(compare(cluster, patches))


async def compare(cluster: DevCluster, patches: int) -> None:
    """Print a table without policies, with those that refuse, and with all."""
    async with _client(cluster.kubeconfig) as admin:
        await install_crds(admin)
        for count in ROLLOUTS:
            await _stand(admin, count)
        _print("no policies", await measure(cluster, patches))
        await refuse(admin)
        _print("validating policies", await measure(cluster, patches))
        if await take_over(admin):
            _print("validating and mutating policies", await measure(cluster, patches))


async def refuse(admin: Client) -> None:
    """Apply the validating policies, and wait until they are compiled and bound."""
    for policy in validating_policies([TANDEM]):
        await apply(admin, guard_resource(policy), policy)
    await _until(admin, lambda answer: answer is None)


async def take_over(admin: Client) -> bool:
    """Apply the mutating policies where they are served, and wait for them; say if they are."""
    for version in MUTATING_VERSIONS:
        group = "admissionregistration.k8s.io"
        if "mutatingadmissionpolicies" in await admin.server_resources(group, version):
            for policy in mutating_policies([TANDEM], version):
                await apply(admin, guard_resource(policy), policy)
            await _until(admin, bool)
            return True
    return False


async def measure(cluster: DevCluster, patches: int) -> Measured:
    """Measure every case in every namespace."""
    async with (
        _client(cluster.kubeconfig_for(USER)) as user,
        _client(cluster.kubeconfig_for(TANDEM)) as tandem,
    ):
        clients = {USER: user, TANDEM: tandem}
        return {
            (case.name, count): await _cost(cluster, clients[case.user], case, count, patches)
            for case in CASES
            for count in ROLLOUTS
        }


async def _cost(cluster: DevCluster, client: Client, case: Case, count: int, patches: int) -> Cost:
    for _ in range(WARM_UP):
        await _patched(client, case, count)
    before = _cpu_seconds(cluster)
    seconds = [await _timed(_patched(client, case, count)) for _ in range(patches)]
    cpu = _cpu_seconds(cluster) - before
    return Cost(1000 * statistics.median(seconds), 1000 * cpu / patches)


async def _timed(action: Awaitable[object]) -> float:
    started = time.monotonic()
    await action
    return time.monotonic() - started


async def _patched(client: Client, case: Case, count: int) -> bytes | None:
    """PATCH without writing; None when a policy refuses."""
    path = DEPLOYMENT.path(_namespace(count), case.deployment)
    path += f"/{case.subresource}" if case.subresource else ""
    query = {"dryRun": "All"}
    try:
        return await client.request("PATCH", path, case.body, query, PatchType.MERGE.value)
    except Forbidden:
        return None


def _cpu_seconds(cluster: DevCluster) -> float:
    """User and system time of the API server, from /proc."""
    pid = read_pid_file(cluster.layout.pids / "kube-apiserver")
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _print(title: str, measured: Mapping[tuple[str, int], Cost]) -> None:
    print(f"\n{title}: median ms (API server's CPU ms) of a PATCH")
    print(f"{'Rollouts in the namespace':28}" + "".join(f"{n:>17}" for n in ROLLOUTS))
    for case in CASES:
        costs = [measured[case.name, count] for count in ROLLOUTS]
        cells = [f"{c.milliseconds:.1f} ({c.cpu_milliseconds:.1f})" for c in costs]
        ratio = costs[-1].milliseconds / costs[0].milliseconds
        print(f"{case.name:28}" + "".join(f"{cell:>17}" for cell in cells) + f"  x{ratio:.1f}")


async def _until(admin: Client, reached: Callable[[bool | None], bool]) -> None:
    """Wait for what nothing in the API tells: what a new template meets.

    The answer is None when it is refused, else whether it was paused.
    """
    case = Case("probe", NEW)
    async with asyncio.timeout(ACTIVE_SECONDS):
        while True:
            answer = await _patched(admin, case, ROLLOUTS[-1])
            if reached(None if answer is None else b'"paused":true' in answer):
                return
            await asyncio.sleep(POLL_SECONDS)


@asynccontextmanager
async def _client(kubeconfig: Path) -> AsyncIterator[Client]:
    client = await Client.connect(kubeconfig=kubeconfig, user_agent="tandem-bench")
    try:
        yield client
    finally:
        await client.close()


async def _stand(admin: Client, count: int) -> None:
    """Create a namespace with two Deployments, their Rollouts and others' up to a number."""
    namespace = _namespace(count)
    body: Obj = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    await admin.create(NAMESPACE, body, field_manager="bench")
    mark = {IN_PROGRESSING: '{"rolloutName":"held"}'}
    for deployment in (_deployment("shop", {}), _deployment("held", mark, paused=True)):
        await admin.create(DEPLOYMENT, deployment, namespace, field_manager="bench")
    for name in _rollout_names(count):
        await admin.create(ROLLOUT, _rollout(name), namespace, field_manager="bench")


def _namespace(count: int) -> str:
    return f"rollouts-{count}"


def _rollout_names(count: int) -> Iterator[str]:
    names = ["shop", "held", *(f"other-{number}" for number in range(count))]
    yield from names[:count]


def _deployment(name: str, annotations: Obj, **spec: object) -> Obj:
    """Return a Deployment as large as usual ones: two containers with settings and probes."""
    env = [{"name": f"SETTING_{number}", "value": "value"} for number in range(10)]
    probe = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 5}
    resources = {"requests": {"cpu": "10m"}, "limits": {"memory": "64Mi"}}
    container = {"env": env, "readinessProbe": probe, "livenessProbe": probe}
    container |= {"resources": resources, "ports": [{"containerPort": 8080}]}
    pod = {
        "initContainers": [{"name": "init", "image": "init:v1", "env": env}],
        "containers": [
            {"name": "business", "image": "shop:v1", **container},
            {"name": "sidecar", "image": "mesh:v1", "env": env, "resources": resources},
        ],
    }
    template = {"metadata": {"labels": {"app": name}}, "spec": pod}
    base = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app": name}, "annotations": annotations},
        "spec": base | spec,
    }


def _rollout(name: str) -> Obj:
    workload = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    steps = [{"weight": weight} for weight in (20, 50, 100)]
    style = {"rollouts.kruise.io/rolling-style": "partition"}
    return {
        "apiVersion": "rollouts.kruise.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": name, "annotations": style},
        "spec": {"objectRef": {"workloadRef": workload}, "strategy": {"canary": {"steps": steps}}},
    }


if __name__ == "__main__":
    main()
