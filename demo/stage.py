"""What the story is played on: a cluster, a user in it, requests, and a list of checks."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from rich.table import Table

from demo import shop
from demo.processes import TandemProcess
from demo.screen import Screen
from demo.traffic import Load, split
from devcluster.cluster import DevCluster
from tandem_cli import details, follow, view
from tandem_cli.render import render
from tandem_controller.effect import Kind
from tandem_controller.keys import COMPONENT_VERSION, REJECTED
from tandem_controller.kinds import WATCHED
from tandem_controller.kube.client import Client
from tandem_controller.kube.errors import NotFound

SAMPLE = 150
"""Requests whose split is compared with what a step asks for."""
TOLERANCE = 5.0
"""Percentage points that the split of a sample may be off."""
WAIT_SECONDS = 90.0

Pods = dict[str, tuple[str, str]]
"""Init and business image by pod."""


@dataclass
class Stage:
    """Everything a scene needs. `load` is None where no real pod can answer."""

    cluster: DevCluster
    client: Client
    screen: Screen
    load: Load | None = None
    processes: list[TandemProcess] = field(default_factory=list)
    definitions: Path = shop.DEFINITIONS
    failed: list[str] = field(default_factory=list)
    splits: Table = field(default_factory=lambda: _table("step", "asks", "seen", "by"))

    def check(self, held: bool, what: str) -> None:
        """Note whether something held; the demo goes on either way."""
        self.screen.verdict(held=held, what=what)
        if not held:
            self.failed.append(what)

    async def tandem(self, *arguments: str) -> str:
        """Run a `tandem` command as the user."""
        return await shop.tandem(self.cluster.kubeconfig_for("tandem-user"), *arguments)

    async def apply(self, version: str, *before: Path) -> None:
        """Apply an example with the definitions in force, and other files before it."""
        files = (*before, shop.example(version))
        with self.screen.doing(f"tandem apply {' '.join(map(shop.shown, files))}"):
            definitions = ("--definitions", str(self.definitions))
            await self.tandem("apply", *map(str, files), *definitions)

    async def rendered(self, version: str) -> list[dict[str, Any]]:
        """Return what an example becomes with the definitions in force, but for their version."""
        objects = await asyncio.to_thread(
            render, [shop.example(version)], [self.definitions], shop.NAMESPACE
        )
        for each in objects:
            each["metadata"].get("annotations", {}).pop(COMPONENT_VERSION, None)
        return objects

    async def approve(self, step: int) -> None:
        """Approve one step."""
        with self.screen.doing(f"tandem approve shop --step {step}"):
            await self.tandem("approve", shop.NAME, "-n", shop.NAMESPACE, "--step", str(step))

    async def until(self, what: str, wanted: follow.Wanted) -> view.Summary:
        """Wait by a watch."""
        with self.screen.doing(what):
            found = await follow.wait(
                self.client, shop.NAMESPACE, shop.NAME, wanted, timeout_seconds=WAIT_SECONDS
            )
        return found[0]

    async def until_paused(self, step: int, version: str) -> None:
        """Wait until the release of a version waits at a step."""

        def waits(summary: view.Summary) -> bool:
            release = summary.release
            mine = release is not None and release.business == (f"shop:{version}",)
            return mine and follow.paused(summary) and summary.step == step

        await self.until(f"{version} waits for the approval of step {step}", waits)

    async def until_at_rest(self, version: str) -> None:
        """Wait until a version runs everywhere, and nothing else is due."""

        def rests(summary: view.Summary) -> bool:
            stable = summary.stable
            return follow.healthy(summary) and stable is not None and _runs(stable, version)

        await self.until(f"{version} runs everywhere and the release has ended", rests)

    async def compare_split(self, step: str, asked: int, version: str) -> None:
        """Put what real requests see beside what a step asks for."""
        if self.load is None:
            await self._compare_route(step, asked, version)
            return
        seen = split(await self.load.next_requests(SAMPLE))
        share = seen.percent(version)
        self.splits.add_row(step, f"{asked} %", f"{share:.1f} %", f"{seen.total} requests")
        self.check(
            abs(share - asked) <= TOLERANCE and seen.total == SAMPLE,
            f"{step} asks for {asked} % {version}: {share:.1f} % of {seen.total} requests saw it",
        )

    async def _compare_route(self, step: str, asked: int, version: str) -> None:
        caches = await view.read(self.client, shop.NAMESPACE)
        (snapshot,) = view.snapshots(caches, shop.NAMESPACE, shop.NAME)
        weight = view.weight(snapshot) or 0
        whole = view.summarise(snapshot).at_rest and asked == 100  # noqa: PLR2004 - percent
        share = 100 if whole else weight
        self.splits.add_row(step, f"{asked} %", f"{share} %", "the route")
        self.check(share == asked, f"{step} asks for {asked} % {version}: the route says {share} %")

    async def pods(self, title: str) -> Pods:
        """Show and return init and business image of every pod that is not on its way out."""
        caches = await view.read(self.client, shop.NAMESPACE)
        (snapshot,) = view.snapshots(caches, shop.NAMESPACE, shop.NAME)
        found = await details.pods(self.client, snapshot, view.summarise(snapshot))
        table = _table(f"pod ({title})", "init image", "business image", "ready")
        pods: Pods = {}
        for pod in found:
            if pod.state != "Terminating":
                pods[pod.name] = (pod.init[0], pod.business[0])
                table.add_row(pod.name, *pods[pod.name], "yes" if pod.ready else "no")
        self.screen.show(table)
        return pods

    async def objects(self) -> dict[str, Any]:
        """Return what a release may change, less what the API server owns."""
        names = {
            Kind.DEPLOYMENT: (shop.NAME,),
            Kind.SERVICE: (shop.NAME, f"{shop.NAME}-canary"),
            Kind.HTTP_ROUTE: (shop.NAME,),
        }
        return {
            f"{kind} {name}": await self._user_fields(kind, name)
            for kind, several in names.items()
            for name in several
        }

    async def _user_fields(self, kind: Kind, name: str) -> Any:  # noqa: ANN401 - JSON
        try:
            raw = await self.client.get(WATCHED[kind].resource, name, shop.NAMESPACE)
        except NotFound:
            return None
        return user_fields(msgspec.json.decode(raw))


def user_fields(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object without status, and without the metadata that the API server writes."""
    metadata = obj["metadata"]
    annotations = {
        key: value
        for key, value in metadata.get("annotations", {}).items()
        # The Deployment controller's counter, and Tandem's note that v3 is rejected.
        if key not in ("deployment.kubernetes.io/revision", REJECTED)
    }
    return {
        "labels": metadata.get("labels", {}),
        "annotations": annotations,
        "finalizers": metadata.get("finalizers", []),
        "ownerReferences": metadata.get("ownerReferences", []),
        "spec": obj["spec"],
    }


def _runs(version: view.Version, name: str) -> bool:
    return version.business == (f"shop:{name}",)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold dim", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column)
    return table
