"""`python -m demo`: start a cluster, play the story, say whether everything held."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from demo import scenario, shop
from demo.images import load_images
from demo.processes import USER, TandemProcess, until_webhooks_are_asked
from demo.screen import Screen
from demo.stage import Stage
from demo.traffic import Load, load, until_served
from devcluster.cluster import ClusterError, DevCluster
from devcluster.golang import NoGoToolchainError
from devcluster.node import real_node
from devcluster.tools import BuildError
from tandem_cli import follow, show, view
from tandem_cli.session import Refusal
from tandem_controller.install import install
from tandem_controller.kube.client import Client
from tandem_controller.kube.errors import ApiError
from tandem_controller.telemetry import configure_logging

RATE = 60
LEAST_RATE = 50
RECENT_SECONDS = 3


def main() -> int:
    """Run the demo; 0 only if everything held."""
    chosen = _arguments()
    configure_logging(as_json=False, level="error")
    screen = Screen()
    lane = _lane(fake=chosen.fake)
    screen.say(lane.why)
    cluster = DevCluster("demo", real_node=lane.real, say=screen.say)
    try:
        if cluster.running:
            cluster.stop()
        cluster.start(detach=chosen.keep)
        try:
            failed = asyncio.run(_play(cluster, screen, real=lane.real))
        finally:
            if not chosen.keep:
                cluster.stop()
    except (ClusterError, BuildError, NoGoToolchainError) as error:
        screen.verdict(held=False, what=str(error))
        return 1
    if chosen.keep:
        screen.say(f"the cluster runs on: KUBECONFIG={cluster.kubeconfig}")
        screen.say("stop it: python -m devcluster stop --name demo")
    return _end(screen, failed)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="demo", description="A canary release and a rollback.")
    parser.add_argument("--keep", action="store_true", help="leave the cluster running")
    parser.add_argument("--fake", action="store_true", help="fake nodes, also where root allows")
    return parser.parse_args()


class _Lane:
    """Which kind of node the demo has, and why."""

    def __init__(self, *, real: bool, why: str) -> None:
        self.real = real
        self.why = why


def _lane(*, fake: bool) -> _Lane:
    if fake:
        return _Lane(real=False, why="Fake nodes, as asked: pods do not run, no requests are made")
    try:
        real_node.check_machine()
    except real_node.RealNodeError as reason:
        why = f"Fake nodes: pods do not run, no requests are made. {reason}"
        return _Lane(real=False, why=why)
    return _Lane(real=True, why="A real node: containers, and Traefik as the gateway")


def _end(screen: Screen, failed: list[str]) -> int:
    screen.chapter(f"{'Everything held' if not failed else 'Not everything held'}")
    for what in failed:
        screen.verdict(held=False, what=what)
    screen.say(f"{screen.seconds:.0f} s")
    return 1 if failed else 0


async def _play(cluster: DevCluster, screen: Screen, *, real: bool) -> list[str]:
    """Play the story; return what did not hold."""
    async with AsyncExitStack() as stack:
        screen = stack.enter_context(screen.shown())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tandem-demo-")))
        client = await stack.enter_async_context(_client(cluster))
        stage = Stage(cluster=cluster, client=client, screen=screen)
        try:
            await _first_version(stage, stack, folder, real=real)
            await scenario.upgrade(stage, folder)
            await scenario.release(stage)
            await scenario.roll_back(stage)
        except (Refusal, ApiError, shop.CommandFailed, TimeoutError) as error:
            stage.check(False, str(error) or "the client stopped")
        scenario.still_run(stage)
        screen.show(stage.splits)
        scenario.account(stage, LEAST_RATE)
        return stage.failed


@asynccontextmanager
async def _client(cluster: DevCluster) -> AsyncIterator[Client]:
    client = await Client.connect(kubeconfig=cluster.kubeconfig, user_agent="tandem-demo")
    try:
        yield client
    finally:
        await client.close()


async def _first_version(stage: Stage, stack: AsyncExitStack, folder: Path, *, real: bool) -> None:
    """Install Tandem, apply v1, and let the requests begin."""
    cluster, screen = stage.cluster, stage.screen
    screen.chapter("v1")
    with screen.doing("CRDs, admission and the controller"):
        await install(stage.client, writers=[USER])
        for process in (TandemProcess.webhook(cluster), TandemProcess.controller(cluster)):
            process.start()
            stack.callback(process.stop)
            stage.processes.append(process)
        await until_webhooks_are_asked(stage.client)
    if real:
        with screen.doing("images of the shop"):
            await asyncio.to_thread(load_images, cluster)
    watching = asyncio.create_task(_watch(stage))
    stack.callback(watching.cancel)
    await stage.apply("v1", shop.write_surroundings(folder))
    await stage.until_at_rest("v1")
    if real:
        url = cluster.gateway_url
        await until_served(url)
        log = cluster.logs / "demo-requests.jsonl"
        running = await stack.enter_async_context(load(url, log, rate=RATE))
        stage.load = running
        screen.keep_showing(lambda: _load_line(running))
        screen.say(f"{RATE} requests a second to {url} from now on, log: {log}")


async def _watch(stage: Stage) -> None:
    """Keep one live line about the release."""
    lines: list[str] = [""]
    stage.screen.keep_showing(lambda: lines[0])

    def show_them(summaries: list[view.Summary]) -> None:
        lines[0] = "; ".join(show.line(s) for s in summaries)

    def never(_: view.Summary) -> bool:
        return False

    await follow.wait(
        stage.client, shop.NAMESPACE, shop.NAME, never, timeout_seconds=None, show=show_them
    )


def _load_line(running: Load) -> str:
    recent = running.recent(RECENT_SECONDS)
    shares = "  ".join(f"{v} {recent.percent(v):.0f} %" for v in sorted(recent.by_version))
    return (
        f"{len(running.samples)} requests, {len(running.failures)} failed; "
        f"the last {RECENT_SECONDS} s: {shares}"
    )


if __name__ == "__main__":
    sys.exit(main())
