"""`python -m demo`: start a cluster, play the story, say whether everything held."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

from demo import scenario, shop
from demo.images import load_images
from demo.processes import USER, TandemProcess, until_webhooks_are_asked
from demo.screen import Screen
from demo.stage import Stage
from demo.traffic import ClientDied, Load, load, until_served
from devcluster.cluster import ClusterError, DevCluster
from devcluster.golang import NoGoToolchainError
from devcluster.node import real_node
from devcluster.tools import BuildError
from tandem_cli import follow, show, view
from tandem_cli.session import Refusal
from tandem_controller.install import install
from tandem_controller.kube.client import Client
from tandem_controller.kube.errors import ApiError
from tandem_controller.kube.wait import StillNotSo
from tandem_controller.telemetry import configure_logging

RATE = 60
LEAST_RATE = 50
RECENT_SECONDS = 3

_WHAT_MAY_GO_WRONG = (
    Refusal,
    ApiError,
    StillNotSo,
    shop.CommandFailed,
    ClientDied,
    TimeoutError,
)


def main() -> int:
    """Run the demo; 0 only if everything held."""
    chosen = _arguments()
    configure_logging(as_json=False, level="error")
    screen = Screen()
    try:
        with _cluster(screen, fake=chosen.fake, keep=chosen.keep) as (cluster, real):
            failed = asyncio.run(_play(cluster, screen, real=real))
    except (ClusterError, BuildError, NoGoToolchainError) as error:
        screen.verdict(held=False, what=str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    return _end(screen, failed)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="demo", description="A canary release and a rollback.")
    parser.add_argument("--keep", action="store_true", help="leave the cluster running")
    parser.add_argument("--fake", action="store_true", help="fake nodes, also where root allows")
    return parser.parse_args()


@contextmanager
def _cluster(screen: Screen, *, fake: bool, keep: bool) -> Iterator[tuple[DevCluster, bool]]:
    """Start a cluster, with a real node where that is possible; say which, and why."""
    try:
        cluster, real = _start(screen, fake=fake, keep=keep)
    except ClusterError as error:
        if fake or os.environ.get("REQUIRE_E2E") == "1":
            raise
        screen.say(f"The real node did not start: {error}")
        cluster, real = _start(screen, fake=True, keep=keep)
    try:
        yield cluster, real
    finally:
        if keep:
            screen.say(f"the cluster runs on: KUBECONFIG={cluster.kubeconfig}")
            screen.say("stop it: python -m devcluster stop --name demo")
        else:
            cluster.stop()


def _start(screen: Screen, *, fake: bool, keep: bool) -> tuple[DevCluster, bool]:
    why_not = "as asked" if fake else _why_no_real_node()
    if why_not:
        screen.say(f"Fake nodes ({why_not}): pods only pretend to run, so no requests are sent")
    else:
        screen.say("A real node: containers, and Traefik as the gateway")
    cluster = DevCluster("demo", real_node=not why_not, say=screen.say)
    if cluster.running:
        cluster.stop()
    cluster.start(detach=keep)
    return cluster, not why_not


def _why_no_real_node() -> str:
    try:
        real_node.check_machine()
    except real_node.RealNodeError as reason:
        return str(reason)
    return ""


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
            await _install(stage, stack)
            async with AsyncExitStack() as requests:
                await _first_version(stage, stack, requests, folder, real=real)
                await scenario.upgrade(stage, folder)
                await scenario.release(stage)
                await scenario.roll_back(stage)
        except _WHAT_MAY_GO_WRONG as error:
            stage.check(False, str(error) or type(error).__name__)
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


async def _install(stage: Stage, stack: AsyncExitStack) -> None:
    """Put into the cluster what the addon would, and start Tandem beside it."""
    stage.screen.chapter("Tandem")
    with stage.screen.doing("CRDs, admission and the controller"):
        await install(stage.client, writers=[USER])
        for process in (
            TandemProcess.webhook(stage.cluster),
            TandemProcess.controller(stage.cluster),
        ):
            process.start()
            stack.callback(process.stop)
            stage.processes.append(process)
        await until_webhooks_are_asked(stage.client)


async def _first_version(
    stage: Stage, stack: AsyncExitStack, requests: AsyncExitStack, folder: Path, *, real: bool
) -> None:
    """Apply v1, and let the requests begin."""
    cluster, screen = stage.cluster, stage.screen
    screen.chapter("v1")
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
        running = await requests.enter_async_context(load(url, log, rate=RATE))
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
