"""openkruise/kruise#1792, step by step: the business image is put back, the init image is not."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest

from demo.traffic import Load
from tandem_controller import keys
from tandem_controller.effect import Kind
from tests.cluster.bed import images
from tests.e2e import expected
from tests.e2e.shop import BY_ROUTE, COMPONENT, SHOP, ShopBed

pytestmark = pytest.mark.e2e

ENOUGH_REQUESTS = 100
REAPPLIED_FOR_SECONDS = 10
OLD, NEW = ("v1", "v1"), ("v2", "v2")
"""Init and business version, as a request sees them."""


@asynccontextmanager
async def pods_of(bed: ShopBed) -> AsyncIterator[set[tuple[str, str]]]:
    """Collect the image pairs of all pods that there are and come."""
    found, since = await bed.listed(Kind.POD)
    pairs = images(found)

    async def follow() -> None:
        async with aclosing(bed.changes(Kind.POD, since)) as changes:
            async for pod in changes:
                if pod is not None:
                    pairs.update(images([pod]))

    task = asyncio.create_task(follow())
    try:
        yield pairs
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def answers(load: Load) -> Counter[tuple[str, str]]:
    """Count which init image and which business image answered."""
    seen = await load.next_requests(ENOUGH_REQUESTS)
    return Counter((s.init, s.business) for s in seen)


@pytest.mark.parametrize(
    ("component", "carried"),
    [
        # The manifest states both images: one canary carries both.
        pytest.param(False, NEW, id="stated by hand"),
        # A definition that fixes its init image was upgraded: its new image is held.
        pytest.param(True, ("v1", "v2"), id="by a definition that fixes its init image"),
    ],
)
async def test_putting_the_business_image_back_brings_the_init_image_back(
    bed: ShopBed, component: bool, carried: tuple[str, str]
) -> None:
    await bed.stand(BY_ROUTE, component=component)
    async with bed.under_load() as load, pods_of(bed) as pairs:
        assert set(await answers(load)) == {OLD}

        await bed.release("v2", component=component)
        await bed.until_paused(SHOP, 1)
        assert set(await answers(load)) == {OLD, carried}

        await bed.release("v1", init="v2", component=component)
        await bed.until_at_rest()
        assert set(await answers(load)) == {OLD}

        before = await bed.get(Kind.DEPLOYMENT, SHOP)
        for _ in range(REAPPLIED_FOR_SECONDS):  # as KubeVela, Argo CD and Flux do
            await bed.release("v1", init="v2", component=component)
            await asyncio.sleep(1)
        assert set(await answers(load)) == {OLD}

    assert load.failures == []
    assert pairs == {("init:v1", "shop:v1"), tuple_of(carried)}
    after = await bed.get(Kind.DEPLOYMENT, SHOP)
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    stated = expected.stated(after)
    for label in COMPONENT:
        stated["metadata"]["labels"].pop(label, None)
    assert stated == expected.DEPLOYMENT
    message = (await bed.get(Kind.ROLLOUT, SHOP))["status"]["message"]
    assert "platform change held (init=init:v2)" in message


async def test_a_held_init_image_is_released_on_its_own_when_accepted(bed: ShopBed) -> None:
    await bed.stand(BY_ROUTE, component=True)
    async with bed.under_load() as load, pods_of(bed) as pairs:
        await bed.release("v2", component=True)
        await bed.until_paused(SHOP, 1)
        await to_the_end(bed)
        assert set(await answers(load)) == {("v1", "v2")}

        wish = {"metadata": {"annotations": {keys.ACCEPT: ""}}}
        await bed.patch(Kind.ROLLOUT, SHOP, wish)
        await bed.until_paused(SHOP, 1)
        assert set(await answers(load)) == {("v1", "v2"), NEW}
        await to_the_end(bed)
        assert set(await answers(load)) == {NEW}
    assert load.failures == []
    assert pairs == {("init:v1", "shop:v1"), ("init:v1", "shop:v2"), ("init:v2", "shop:v2")}


async def to_the_end(bed: ShopBed) -> None:
    await bed.approve(SHOP)
    await bed.until_paused(SHOP, 2)
    await bed.approve(SHOP)
    await bed.until_at_rest()


def tuple_of(seen: tuple[str, str]) -> tuple[str, str]:
    return (f"init:{seen[0]}", f"shop:{seen[1]}")
