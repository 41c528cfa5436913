"""A chosen part of docs/matrix.md with real pods: which pairs of images run, and which answer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import pytest

from tandem_controller.effect import Kind
from tests.cluster.bed import images
from tests.e2e.shop import BY_ROUTE, SHOP, Obj, ShopBed
from tests.e2e.test_init_image import answers, pods_of, tuple_of

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

Pair = tuple[str, str]
"""Init and business version."""
OLD: Pair = ("v1", "v1")


@dataclass(frozen=True, kw_only=True)
class Row:
    """What is stated first, then in a state of that release, and what runs in the end."""

    first: Pair
    state: str
    then: Pair
    scope: str
    runs: Pair
    held: str = ""

    def __str__(self) -> str:
        return f"{self.first} {self.state} {self.then} {self.scope}"


ROWS = [
    # revert business of both, by policy
    Row(first=("v2", "v2"), state="paused", then=("v2", "v1"), scope="Business", runs=("v2", "v1")),
    Row(
        first=("v2", "v2"),
        state="suspended",
        then=("v2", "v1"),
        scope="All",
        runs=OLD,
        held="init=init:v2",
    ),
    Row(
        first=("v2", "v2"),
        state="completed",
        then=("v2", "v1"),
        scope="All",
        runs=OLD,
        held="init=init:v2",
    ),
    # revert init of both
    Row(first=("v2", "v2"), state="paused", then=("v1", "v2"), scope="All", runs=("v1", "v2")),
    # a platform change while a business release is in progress
    Row(
        first=("v1", "v2"),
        state="paused",
        then=("v2", "v2"),
        scope="All",
        runs=("v1", "v2"),
        held="init=init:v2",
    ),
    # a new change of both
    Row(first=("v2", "v2"), state="paused", then=("v3", "v3"), scope="All", runs=("v3", "v3")),
]


async def to_the_end(bed: ShopBed) -> None:
    """Approve whatever waits for it, until nothing does."""
    await bed.patch(Kind.ROLLOUT, SHOP, {"spec": {"strategy": {"paused": False}}})
    for _ in range(10):
        await until_seen(bed)
        if not await bed.until_waiting_or_at_rest():
            return
        step = (await bed.get(Kind.ROLLOUT, SHOP))["status"]["canaryStatus"]
        await bed.approve(SHOP)
        await bed.until(Kind.ROLLOUT, SHOP, partial(has_left, step))
    raise AssertionError("it never ends")


def has_left(step: Obj, rollout: Obj | None) -> bool:
    """Whether a Rollout is elsewhere than where it waited."""
    now = (rollout or {})["status"].get("canaryStatus", {})
    keys = ("canaryRevision", "currentStepIndex", "currentStepState")
    return [now.get(key) for key in keys] != [step.get(key) for key in keys]


async def until_seen(bed: ShopBed) -> None:
    """Wait until Tandem has seen the workload as it is."""
    generation = 0
    while generation != (now := await generation_of(bed)):
        generation = now
        await bed.until(Kind.ROLLOUT, SHOP, partial(has_observed, now))


async def generation_of(bed: ShopBed) -> int:
    return int((await bed.get(Kind.DEPLOYMENT, SHOP))["metadata"]["generation"])


def has_observed(generation: int, rollout: Obj | None) -> bool:
    canary = (rollout or {})["status"].get("canaryStatus", {})
    return int(canary.get("observedWorkloadGeneration", 0)) >= generation


async def bring_to(bed: ShopBed, state: str) -> None:
    await bed.until_paused(SHOP, 1)
    if state == "suspended":
        await bed.patch(Kind.ROLLOUT, SHOP, {"spec": {"strategy": {"paused": True}}})
        await bed.until_message(SHOP, "Rollout has been paused")
    if state == "completed":
        await to_the_end(bed)


@pytest.mark.parametrize("row", ROWS, ids=map(str, ROWS))
async def test_a_row_of_the_matrix_with_real_pods(bed: ShopBed, row: Row) -> None:
    await bed.stand(BY_ROUTE)
    policy = {"metadata": {"name": SHOP}, "spec": {"rollbackScope": row.scope}}
    await bed.apply(Kind.RELEASE_POLICY, policy)
    async with bed.under_load() as load, pods_of(bed) as pairs:
        await bed.release(row.first[1], init=row.first[0])
        await bring_to(bed, row.state)
        await bed.release(row.then[1], init=row.then[0])
        await to_the_end(bed)
        await answers(load)  # pods of an old version answer until they have drained
        assert set(await answers(load)) == {row.runs}
    assert load.failures == []
    assert images(await bed.items(Kind.POD)) == {tuple_of(row.runs)}
    assert pairs <= {tuple_of(OLD), tuple_of(row.first), tuple_of(row.runs)}
    message = (await bed.get(Kind.ROLLOUT, SHOP))["status"]["message"]
    assert (f"platform change held ({row.held})" in message) is bool(row.held)
