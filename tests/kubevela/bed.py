"""What KubeVela tests stand on: a namespace, Applications in it, and `vela` for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import yaml

from tandem_controller.effect import Kind
from tandem_controller.kube.client import Client
from tandem_controller.kube.wait import wait_for
from tests.cluster.bed import Bed, Obj
from tests.kubevela.core import APPLICATIONS, KubeVela

# KubeVela looks at an Application whose workflow waits in growing intervals of up to a minute.
APPLICATION_SECONDS = 120.0

UP_TRIES = 5
CONFLICT = "the object has been modified"
"""What `vela up` says after its read was overtaken; a user tries again."""


class VelaBed(Bed):
    """A namespace that a user of KubeVela works in."""

    def __init__(self, client: Client, namespace: str, kubevela: KubeVela, folder: Path) -> None:
        super().__init__(client, namespace)
        self.kubevela = kubevela
        self._folder = folder

    def vela(self, *arguments: str, fails: bool = False) -> str:
        """Run `vela` in this namespace; return what it printed."""
        return self.kubevela.vela(*arguments, "-n", self.namespace, fails=fails)

    def up(self, application: Obj, *more: str, fails: bool = False) -> str:
        """Apply an Application by `vela up`, again where a write of vela-core came between."""
        path = self._folder / f"{application['metadata']['name']}.yaml"
        path.write_text(yaml.safe_dump(application))
        if fails:
            return self.vela("up", "-f", str(path), *more, fails=True)
        return self.insist("up", "-f", str(path), *more)

    def resume(self, name: str = "shop") -> str:
        """Resume a workflow, again where a write of vela-core came between: nothing was written.

        Only for Rollouts that a resume does not approve: that is written before.
        """
        return self.insist("workflow", "resume", name)

    def insist(self, *arguments: str) -> str:
        """Run `vela`, again where a write of vela-core came between; return all that it said."""
        said = ""
        for _ in range(UP_TRIES - 1):
            try:
                return said + self.vela(*arguments)
            except AssertionError as failed:
                if CONFLICT not in str(failed):
                    raise
                said += f"{failed}\n"
        return said + self.vela(*arguments)

    async def application(self, name: str = "shop") -> Obj:
        """Return an Application."""
        raw = await self.client.get(APPLICATIONS, name, self.namespace)
        found: Obj = msgspec.json.decode(raw)
        return found

    async def until_application(
        self,
        wanted: Callable[[Obj], bool],
        name: str = "shop",
        seconds: float = APPLICATION_SECONDS,
    ) -> Obj:
        """Wait for an Application by a watch."""

        def there(found: Obj | None) -> bool:
            return found is not None and wanted(found)

        found = await wait_for(
            self.client, APPLICATIONS, name, self.namespace, there, seconds=seconds
        )
        assert found is not None
        return found

    async def until_running(self, name: str = "shop") -> Obj:
        """Wait until KubeVela has seen the newest spec and calls the Application running."""
        return await self.until_application(lambda found: phase(found) == "running", name)

    @asynccontextmanager
    async def watched(self, name: str = "shop") -> AsyncIterator[list[Obj]]:
        """Collect every state of an Application that a watch tells of, while the block runs."""
        seen: list[Obj] = []

        def collect(found: Obj) -> bool:
            seen.append(found)
            return False

        task = asyncio.create_task(self.until_application(collect, name, seconds=600))
        try:
            yield seen
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def images(self, name: str = "shop") -> tuple[str, str]:
        """Return the init image and the business image that a Deployment states."""
        spec = (await self.get(Kind.DEPLOYMENT, name))["spec"]["template"]["spec"]
        return spec["initContainers"][0]["image"], spec["containers"][0]["image"]


def application(
    init: str,
    business: str,
    *,
    steps: list[Any] | None = None,
    workflow: list[Obj] | None = None,
    version: str | None = None,
    component: str = "canary-ready-component",
    **properties: Any,  # noqa: ANN401 - properties of the component
) -> Obj:
    """Return the Application `shop` with one component of that name and the trait `rollout`."""
    images = {"initImage": init, "businessImage": business, "replicas": 4, "drainSeconds": 0}
    trait = {"type": "rollout", "properties": {"steps": steps or [25, 50]}}
    shop = {
        "name": "shop",
        "type": component,
        "properties": images | properties,
        "traits": [trait],
    }
    spec: Obj = {"components": [shop]}
    if workflow:
        spec["workflow"] = {"steps": workflow}
    metadata: Obj = {"name": "shop"}
    if version:
        metadata["annotations"] = {"app.oam.dev/publishVersion": version}
    return {
        "apiVersion": APPLICATIONS.api_version,
        "kind": APPLICATIONS.kind,
        "metadata": metadata,
        "spec": spec,
    }


def phase(found: Obj) -> str:
    """Return an Application's phase; "unseen" while KubeVela has not looked at its spec."""
    status = found.get("status", {})
    if status.get("observedGeneration") != found["metadata"]["generation"]:
        return "unseen"
    return str(status.get("status", ""))


def component(found: Obj, name: str = "shop") -> Obj:
    """Return what an Application's status says about a component: healthy, message, traits."""
    services: list[Obj] = found.get("status", {}).get("services", [])
    return next((service for service in services if service["name"] == name), {})
