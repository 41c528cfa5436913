"""Many workloads of one component definition, labelled as KubeVela renders them."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from devcluster.cluster import DevCluster
from tandem_cli.platform.fleet import Fleet, Scope, watching
from tandem_cli.platform.standing import Standing, Workload
from tandem_cli.platform.target import parse
from tandem_controller import keys
from tandem_controller.effect import Kind
from tests.cluster import bodies
from tests.cluster.bed import Bed

COMPONENT, OLD, NEW = "web", "1.0.0", "1.1.0"
TARGET = f"{COMPONENT}@{NEW}"
AT_ONCE = 20
"""So many requests of a test run at a time."""
SECONDS = 180.0
TANDEM = Path(sys.executable).with_name("tandem")


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str


Run = Callable[..., Coroutine[None, None, Answer]]


def runner(cluster: DevCluster) -> Run:
    """Return a function that runs `tandem` as the user, as a process of its own."""
    environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig_for("tandem-user"))}

    async def run(*arguments: str) -> Answer:
        process = await asyncio.create_subprocess_exec(
            TANDEM,
            *arguments,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        return Answer(process.returncode or 0, out.decode(), err.decode())

    return run


async def stand(bed: Bed, names: Iterable[str]) -> None:
    """Create workloads with Rollouts, and wait until each has its baseline."""
    wanted = tuple(names)
    await at_once(_create(bed, name) for name in wanted)
    await until(
        bed,
        lambda found: (
            len(found) == len(wanted) and all(w.standing is Standing.ABSENT for w in found.values())
        ),
    )


async def _create(bed: Bed, name: str) -> None:
    body = bodies.deployment(name, replicas=2)
    body["metadata"]["labels"] = {
        "app": name,
        keys.OAM_NAME: name,
        keys.OAM_COMPONENT: name,
        keys.DEFINITION_TYPE: COMPONENT,
    }
    body["metadata"]["annotations"] = {keys.COMPONENT_VERSION: OLD}
    await bed.create(Kind.DEPLOYMENT, body)
    await bed.create(Kind.ROLLOUT, bodies.rollout(name, steps=[bodies.step(50), bodies.step(100)]))


async def upgrade(
    bed: Bed, name: str, *, init: str = "init:v2", image: str = "shop:v1", replicas: int = 2
) -> None:
    """State what KubeVela renders once the definition is upgraded: in one write."""
    body = bodies.new_images(init, image)
    body["spec"]["replicas"] = replicas
    body["metadata"] = {"annotations": {keys.COMPONENT_VERSION: NEW}}
    await bed.patch(Kind.DEPLOYMENT, name, body)


async def until(
    bed: Bed, so: Callable[[Mapping[str, Workload]], bool], seconds: float = SECONDS
) -> None:
    """Wait by watches until all workloads, by name, stand as wanted."""
    scope = Scope(namespaces=(bed.namespace,))
    async with watching(bed.client, parse(TARGET), scope) as fleet:
        try:
            async with asyncio.timeout(seconds):
                while not so(_by_name(fleet)):
                    await fleet.change(None)
        except TimeoutError:
            found = {name: (str(w.standing), w.why) for name, w in _by_name(fleet).items()}
            raise AssertionError(f"not so within {seconds:g} s: {found}") from None


def _by_name(fleet: Fleet) -> dict[str, Workload]:
    return {name: workload for (_, name), workload in fleet.workloads().items()}


async def standings(bed: Bed) -> dict[Standing, set[str]]:
    """Return the names of those who stand somewhere."""
    found: dict[Standing, set[str]] = {}
    async with watching(bed.client, parse(TARGET), Scope(namespaces=(bed.namespace,))) as fleet:
        for name, workload in _by_name(fleet).items():
            found.setdefault(workload.standing, set()).add(name)
    return found


async def at_once(work: Iterable[Awaitable[object]]) -> None:
    """Do many things, a few at a time."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(job: Awaitable[object]) -> None:
        async with room:
            await job

    await asyncio.gather(*(one(job) for job in work))


async def init_images(bed: Bed, kind: Kind) -> dict[str, set[str]]:
    """Return the init images of all pods or ReplicaSets that exist, by workload."""
    found: dict[str, set[str]] = {}
    for obj in await bed.items(kind):
        template = obj if kind is Kind.POD else obj["spec"]["template"]
        name = template["metadata"]["labels"]["app"]
        found.setdefault(name, set()).add(template["spec"]["initContainers"][0]["image"])
    return found
