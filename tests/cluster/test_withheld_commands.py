"""`tandem accept` and `tandem retry` against a real API server."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable

import pytest
from typer.testing import CliRunner, Result

from devcluster.cluster import DevCluster
from tandem_cli import main
from tandem_controller import keys
from tandem_controller.effect import Kind
from tests.cluster import bodies
from tests.cluster.bed import Bed, images

pytestmark = [
    pytest.mark.cluster,
    # A command ends without waiting for the TLS farewell of its watches: its process would be
    # gone, this one notices.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

Run = Callable[..., Awaitable[Result]]
WAIT = ("--wait", "--timeout", "40")


@pytest.fixture
def run(tandem: DevCluster, bed: Bed) -> Run:
    """Run `tandem` as the user, in the test's namespace."""

    async def run(*arguments: str) -> Result:
        where = ("--kubeconfig", str(tandem.kubeconfig_for("tandem-user")), "-n", bed.namespace)
        words = [*arguments, *where]
        # In a thread: the command brings an event loop of its own.
        result = await asyncio.to_thread(CliRunner().invoke, main.build(words), words)
        gc.collect()  # now, where the filter above holds
        return result

    return run


async def _upgraded(bed: Bed) -> None:
    """Let a workload stand whose definition has come with another init image."""
    body = bodies.deployment(replicas=2)
    body["metadata"]["labels"][keys.OAM_COMPONENT] = "shop"
    await bed.create(Kind.DEPLOYMENT, body)
    await bed.create(Kind.ROLLOUT, bodies.rollout(steps=[bodies.step(50), bodies.step(100)]))
    await bed.until_proven("shop")
    await bed.patch(Kind.DEPLOYMENT, "shop", bodies.new_images("init:v2", "shop:v1"))
    await bed.until_message("shop", "platform change held")


async def test_accept_releases_what_is_held_step_by_step(bed: Bed, run: Run) -> None:
    await _upgraded(bed)
    assert images(await bed.items(Kind.POD)) == {("init:v1", "shop:v1")}

    accepted = await run("accept", "shop", *WAIT)
    assert accepted.exit_code == 0, accepted.stderr
    before, asked, waits = accepted.stdout.splitlines()
    assert before.startswith("shop: releases init=init:v2 (shop-")
    assert asked.startswith("asked for the release of shop-")
    assert "step 1/2  StepPaused  [init:v1 → v2, shop:v1]" in waits
    assert await bed.sizes("shop") == {"shop:v1": 2}

    await run("approve", "shop")
    await bed.until_phase("shop", "Healthy")
    assert images(await bed.items(Kind.POD)) == {("init:v2", "shop:v1")}
    again = await run("accept", "shop")
    assert again.exit_code == 1
    assert again.stderr == (
        "tandem: Rollout 'shop' holds no platform change; see: tandem get shop\n"
    )


async def test_retry_releases_what_was_rolled_back(bed: Bed, run: Run) -> None:
    await _upgraded(bed)
    assert (await run("accept", "shop", *WAIT)).exit_code == 0
    assert (await run("rollback", "shop", *WAIT)).exit_code == 0
    shown = await run("get", "shop")
    assert "rejected init=init:v2, business=shop:v1" in shown.stdout
    assert "tandem retry shop" in shown.stdout

    retried = await run("retry", "shop", *WAIT)
    assert retried.exit_code == 0, retried.stderr
    before, asked, waits = retried.stdout.splitlines()
    assert before.startswith("shop: releases init=init:v2, business=shop:v1 again (shop-")
    assert asked.startswith("asked for another release of shop-")
    assert "step 1/2  StepPaused  [init:v1 → v2, shop:v1]" in waits


@pytest.mark.parametrize("verb", ["accept", "retry"])
async def test_a_rollout_that_does_not_exist_is_one_line(bed: Bed, run: Run, verb: str) -> None:
    answer = await run(verb, "nope")
    assert answer.exit_code == 1
    assert answer.stderr == f"tandem: there is no Rollout 'nope' in namespace {bed.namespace!r}\n"
