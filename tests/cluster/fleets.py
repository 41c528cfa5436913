"""Many workloads of one component definition, labelled as KubeVela renders them."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devcluster.cluster import DevCluster
from tandem_cli.platform import fleet as fleet_api
from tandem_cli.platform.standing import Key, Standing, Workload
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


class Fleet:
    """The workloads of a definition in some namespaces."""

    def __init__(self, beds: Iterable[Bed], component: str) -> None:
        self.beds = {bed.namespace: bed for bed in beds}
        self.component = component
        self._client = next(iter(self.beds.values())).client

    def bed(self, key: Key) -> Bed:
        """Return the namespace of a workload."""
        return self.beds[key[0]]

    async def stand(self, names: Iterable[str]) -> None:
        """Create workloads of these names everywhere, and wait until each has its baseline."""
        wanted = [(bed, name) for name in names for bed in self.beds.values()]
        await _at_once(_create(bed, name, self.component) for bed, name in wanted)
        await self.until(
            lambda found: (
                len(found) == len(wanted)
                and all(w.standing is Standing.ABSENT for w in found.values())
            )
        )

    async def upgrade_all(
        self, names: Iterable[str], special: Mapping[Key, Mapping[str, Any]]
    ) -> None:
        """State what KubeVela renders for all, some with something more in the same write."""
        await _at_once(
            upgrade(bed, name, **special.get((namespace, name), {}))
            for name in names
            for namespace, bed in self.beds.items()
        )

    async def until(self, so: Callable[[Mapping[Key, Workload]], bool]) -> None:
        """Wait by watches until all workloads stand as wanted."""
        async with self._watching() as fleet:
            try:
                async with asyncio.timeout(SECONDS):
                    while not so(fleet.workloads()):
                        await fleet.change(None)
            except TimeoutError:
                found = {key: (str(w.standing), w.why) for key, w in fleet.workloads().items()}
                raise AssertionError(f"not so within {SECONDS:g} s: {found}") from None

    async def standings(self) -> dict[Standing, set[Key]]:
        """Return who stands where."""
        found: dict[Standing, set[Key]] = {}
        async with self._watching() as fleet:
            for key, workload in fleet.workloads().items():
                found.setdefault(workload.standing, set()).add(key)
        return found

    def _watching(self) -> AbstractAsyncContextManager[fleet_api.Fleet]:
        scope = fleet_api.Scope(namespaces=tuple(self.beds))
        return fleet_api.watching(self._client, parse(f"{self.component}@{NEW}"), scope)

    async def init_images(self, kind: Kind) -> dict[Key, set[str]]:
        """Return the init images of all pods or ReplicaSets that exist, by workload."""
        found: dict[Key, set[str]] = {}
        for namespace, bed in self.beds.items():
            for obj in await bed.items(kind):
                template = obj if kind is Kind.POD else obj["spec"]["template"]
                key = (namespace, template["metadata"]["labels"]["app"])
                found.setdefault(key, set()).add(template["spec"]["initContainers"][0]["image"])
        return found


async def _create(bed: Bed, name: str, component: str) -> None:
    body = bodies.deployment(name, replicas=2)
    body["metadata"]["labels"] = {
        "app": name,
        keys.OAM_NAME: name,
        keys.OAM_COMPONENT: name,
        keys.DEFINITION_TYPE: component,
    }
    body["metadata"]["annotations"] = {keys.COMPONENT_VERSION: OLD}
    await bed.create(Kind.DEPLOYMENT, body)
    await bed.create(Kind.ROLLOUT, bodies.rollout(name, steps=[bodies.step(50), bodies.step(100)]))


async def upgrade(
    bed: Bed, name: str, *, init: str = "init:v2", image: str = "shop:v1", replicas: int = 2
) -> None:
    """State what KubeVela renders once the definition is upgraded: in one write.

    The definition changes the init container's command, too: one that states its version holds
    no image, so images alone would count as stated by the Application, on purpose.
    """
    body = bodies.new_images(init, image)
    body["spec"]["template"]["spec"]["initContainers"][0]["command"] = ["/prepare", NEW]
    body["spec"]["replicas"] = replicas
    body["metadata"] = {"annotations": {keys.COMPONENT_VERSION: NEW}}
    await bed.patch(Kind.DEPLOYMENT, name, body)


async def _at_once(work: Iterable[Awaitable[object]]) -> None:
    """Do many things, a few at a time."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(job: Awaitable[object]) -> None:
        async with room:
            await job

    await asyncio.gather(*(one(job) for job in work))
