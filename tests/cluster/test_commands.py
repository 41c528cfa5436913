"""`tandem get`, `watch`, `approve` and `rollback` against a real API server."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable

import msgspec
import pytest
from typer.testing import CliRunner, Result

from devcluster.cluster import DevCluster
from tandem_cli import main
from tandem_controller.effect import Kind
from tests.cluster import bodies
from tests.cluster.bed import Bed, images

pytestmark = [
    pytest.mark.cluster,
    # A command ends without waiting for the TLS farewell of the watches that it leaves: its
    # process would be gone, this one notices.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

STEPS = [bodies.step(20), bodies.step(50), bodies.step(100)]
V1, V2 = ("init:v1", "shop:v1"), ("init:v2", "shop:v2")
Run = Callable[..., Awaitable[Result]]


@pytest.fixture
def run(tandem: DevCluster, bed: Bed) -> Run:
    """Run `tandem` as the user, in the test's namespace."""

    async def run(verb: str, *arguments: str) -> Result:
        where = ("--kubeconfig", str(tandem.kubeconfig_for("tandem-user")), "-n", bed.namespace)
        words = [verb, *arguments, *where]
        # In a thread: the command brings an event loop of its own.
        result = await asyncio.to_thread(CliRunner().invoke, main.build(words), words)
        gc.collect()  # now, where the filter above holds
        return result

    return run


async def _stand(bed: Bed) -> None:
    await bed.create(Kind.SERVICE, bodies.service())
    await bed.create(Kind.HTTP_ROUTE, bodies.http_route())
    await bed.create(Kind.DEPLOYMENT, bodies.deployment())
    await bed.create(Kind.ROLLOUT, bodies.rollout(steps=STEPS, routing=bodies.BY_ROUTE))
    await bed.until_phase("shop", "Healthy")


async def _release(bed: Bed, version: tuple[str, str]) -> None:
    await bed.patch(Kind.DEPLOYMENT, "shop", bodies.new_images(*version))


async def test_a_release_is_followed_approved_and_shown_by_commands_alone(
    bed: Bed, run: Run
) -> None:
    await _stand(bed)
    await _release(bed, V2)

    waited = await run("watch", "shop", "--until", "paused", "--timeout", "40")
    assert waited.exit_code == 0, waited.stderr
    assert "step 1/3  StepPaused  weight 20 %  [init:v1 → v2, shop:v1 → v2]" in waited.stdout

    wrong = await run("approve", "shop", "--step", "2")
    assert wrong.exit_code == 1
    assert wrong.stderr == (
        "tandem: Rollout 'shop' waits at step 1/3, not at step 2: nothing was approved\n"
    )
    for step in ("1", "2"):
        await run("watch", "shop", "--until", "paused", "--timeout", "40")
        approved = await run("approve", "shop", "--step", step)
        assert approved.stdout == f"approved step {step}/3 of shop\n"
    ended = await run("watch", "--until", "healthy", "--timeout", "40")
    assert ended.exit_code == 0, ended.stderr
    assert images(await bed.items(Kind.POD)) == {V2}

    late = await run("approve", "shop")
    assert late.exit_code == 1
    assert late.stderr.startswith("tandem: Rollout 'shop' has no step to approve: it is Healthy.")


async def test_get_shows_each_pod_with_its_images(bed: Bed, run: Run) -> None:
    await _stand(bed)
    await _release(bed, V2)
    await bed.until_paused("shop", 1)

    table = await run("get")
    assert table.exit_code == 0, table.stderr
    header, row = table.stdout.splitlines()
    assert header.split() == ["NAME", "PHASE", "STEP", "STATE", "WEIGHT", "INIT", "BUSINESS", "WHY"]
    assert row.startswith("shop Progressing 1/3  StepPaused 20 %   init:v1 → v2 shop:v1 → v2")

    details = await run("get", "shop", "-o", "json")
    found = msgspec.json.decode(details.stdout)
    assert found["summary"]["weight"] == 20
    assert [step["current"] for step in found["steps"]] == [True, False, False]
    assert [record["business"] for record in found["records"]] == [["shop:v2"], ["shop:v1"]]
    pods = [(p["version"], p["init"][0], p["business"][0]) for p in found["pods"]]
    assert pods == [("stable", *V1)] * 8 + [("release", *V2)] * 2

    shown = await run("get", "shop")
    assert "➤ 1    2 of 10 pods, 20 % of traffic" in shown.stdout
    assert shown.stdout.count("yes   Running init:v1 shop:v1") == 8
    assert shown.stdout.count("yes   Running init:v2 shop:v2") == 2


async def test_rollback_in_mid_release_brings_the_stable_version_back(bed: Bed, run: Run) -> None:
    await _stand(bed)
    await _release(bed, V2)
    await bed.until_paused("shop", 1)

    back = await run("rollback", "shop", "--wait", "--timeout", "40")
    assert back.exit_code == 0, back.stderr
    assert "init:v1, shop:v1" in back.stdout.splitlines()[0]
    assert images(await bed.items(Kind.POD)) == {V1}
    rollout = await bed.get(Kind.ROLLOUT, "shop")
    assert "tandem.oam.dev/rollback" not in rollout["metadata"].get("annotations", {})


async def test_rollback_at_rest_releases_the_version_before_step_by_step(
    bed: Bed, run: Run
) -> None:
    await _stand(bed)
    nothing = await run("rollback", "shop")
    assert nothing.exit_code == 1
    assert "has no version before the one that runs" in nothing.stderr
    await _release(bed, V2)
    for step in (1, 2):
        await bed.until_paused("shop", step)
        await bed.approve("shop")
    await bed.until_phase("shop", "Healthy")

    asked = await run("rollback", "shop", "--wait", "--timeout", "40")
    assert asked.exit_code == 0, asked.stderr
    assert "step 1/3  StepPaused  weight 20 %  [init:v2 → v1, shop:v2 → v1]" in asked.stdout
    assert await bed.sizes("shop") == {"shop:v2": 8, "shop:v1": 2}


async def test_a_wait_in_vain_ends_with_code_3(bed: Bed, run: Run) -> None:
    await _stand(bed)
    waited = await run("watch", "shop", "--until", "paused", "--timeout", "1")
    assert waited.exit_code == 3
    assert waited.stderr.startswith("tandem: not so within 1 s: shop: ")


@pytest.mark.parametrize("verb", ["get", "approve", "rollback"])
async def test_a_rollout_that_does_not_exist_is_one_line(bed: Bed, run: Run, verb: str) -> None:
    answer = await run(verb, "nope")
    assert answer.exit_code == 1
    assert answer.stderr == f"tandem: there is no Rollout 'nope' in namespace {bed.namespace!r}\n"
