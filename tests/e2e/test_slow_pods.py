"""Pods that take 10 s to become ready: the user's `maxUnavailable` holds, and no request fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest

from tandem_controller.effect import Kind
from tests.cluster.bed import images
from tests.e2e.shop import BY_ROUTE, REPLICAS, SHOP, Obj, ShopBed

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SLOW = {"READY_DELAY": "10"}
max_unavailable = pytest.mark.parametrize("max_unavailable", [0, 1])


class ReadyPods:
    """Ready pods, counted at each change of any pod."""

    def __init__(self, pods: list[Obj]) -> None:
        self._ready = {p["metadata"]["name"] for p in pods if _ready(p)}
        self.fewest = len(self._ready)

    def see(self, pod: Obj) -> None:
        """Take a pod's new state."""
        change = self._ready.add if _ready(pod) else self._ready.discard
        change(pod["metadata"]["name"])
        self.fewest = min(self.fewest, len(self._ready))


def _ready(pod: Obj) -> bool:
    if "deletionTimestamp" in pod["metadata"]:
        return False
    conditions = pod.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


@asynccontextmanager
async def counted(bed: ShopBed) -> AsyncIterator[ReadyPods]:
    """Count ready pods by a watch while inside."""
    pods, version = await bed.listed(Kind.POD)
    ready = ReadyPods(pods)

    async def count() -> None:
        async with aclosing(bed.changes(Kind.POD, version)) as changes:
            async for pod in changes:
                if pod is not None:
                    ready.see(pod)

    counting = asyncio.create_task(count())
    try:
        yield ready
        assert not counting.done(), "the count ended before the release did"
    finally:
        counting.cancel()


@max_unavailable
async def test_ready_pods_never_fall_below_what_the_user_allows(
    bed: ShopBed, max_unavailable: int
) -> None:
    await bed.stand(BY_ROUTE, max_unavailable=max_unavailable)
    async with bed.under_load() as load, counted(bed) as ready:
        await bed.release("v2", env=SLOW, max_unavailable=max_unavailable)
        for step in (1, 2):
            await bed.until_paused(SHOP, step)
            await bed.approve(SHOP)
        await bed.until_at_rest()

    assert ready.fewest >= REPLICAS - max_unavailable
    assert load.failures == []
    assert images(await bed.items(Kind.POD)) == {("init:v2", "shop:v2")}


@max_unavailable
async def test_a_rollback_to_slow_pods_never_falls_below_it_either(
    bed: ShopBed, max_unavailable: int
) -> None:
    await bed.stand(BY_ROUTE, env=SLOW, max_unavailable=max_unavailable)
    async with bed.under_load() as load, counted(bed) as ready:
        await bed.release("v2", max_unavailable=max_unavailable)
        await bed.until_paused(SHOP, 1)
        await bed.approve(SHOP)
        await bed.until_paused(SHOP, 2)
        await bed.release("v1", env=SLOW, max_unavailable=max_unavailable)
        await bed.until_at_rest()

    assert ready.fewest >= REPLICAS - max_unavailable
    assert load.failures == []
    assert images(await bed.items(Kind.POD)) == {("init:v1", "shop:v1")}
