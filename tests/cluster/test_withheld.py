"""Whoever re-applies a withheld version, and however: no pod of it comes, and nobody fights."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

import msgspec
import pytest

from demo.processes import TandemProcess
from tandem_controller import keys
from tandem_controller.decide.admission.workload import RESUMING_MANAGER
from tandem_controller.effect import Kind
from tandem_controller.kinds import WATCHED
from tandem_controller.kube.client import PatchType
from tandem_controller.kube.watch_stream import WatchEventType
from tests.cluster import bodies
from tests.cluster.bed import Bed, Obj, images

pytestmark = pytest.mark.cluster

STEPS = [bodies.step(20), bodies.step(100)]
V1, V2, MIXED = ("init:v1", "shop:v1"), ("init:v2", "shop:v2"), ("init:v2", "shop:v1")
EVERY_SECONDS = 0.2
KNOBS: Obj = {
    "strategy": {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": "30%", "maxUnavailable": 1},
    },
    "minReadySeconds": 0,
    "paused": False,
}
RESTORING_WRITES = 3
"""Generations that one restoration may cost: the applier's, the policy's pause, Tandem's."""


@dataclass
class Watched:
    """Every pair of images that a pod was created with, and how often the Deployment changed."""

    pairs: set[tuple[str, str]] = field(default_factory=set)
    generations: set[int] = field(default_factory=set)


@asynccontextmanager
async def watched(bed: Bed) -> AsyncIterator[Watched]:
    """Watch the namespace while something happens in it."""
    seen = Watched()
    tasks = [
        asyncio.create_task(_follow(bed, Kind.POD, lambda o: seen.pairs.update(images([o])))),
        asyncio.create_task(
            _follow(
                bed, Kind.DEPLOYMENT, lambda o: seen.generations.add(o["metadata"]["generation"])
            )
        ),
    ]
    try:
        yield seen
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _follow(bed: Bed, kind: Kind, note: Callable[[Obj], object]) -> None:
    resource = WATCHED[kind].resource
    page = msgspec.json.decode(await bed.client.list_page(resource, namespace=bed.namespace))
    since = page["metadata"]["resourceVersion"]
    events = bed.client.watch(
        resource, namespace=bed.namespace, resource_version=since, timeout_seconds=300
    )
    async with aclosing(events):
        async for event in events:
            if event.type in (WatchEventType.ADDED, WatchEventType.MODIFIED):
                note(msgspec.json.decode(event.object))


Applier = Callable[[Bed, tuple[str, str]], Awaitable[None]]


async def server_side(bed: Bed, pair: tuple[str, str], **spec: object) -> None:
    """Apply as Flux, Argo CD and `kubectl apply --server-side` do."""
    body = bodies.deployment(init=pair[0], image=pair[1])
    body["spec"].pop("strategy")
    body["spec"].update(spec)
    await bed.client.patch(
        WATCHED[Kind.DEPLOYMENT].resource,
        "shop",
        body,
        bed.namespace,
        patch_type=PatchType.APPLY,
        field_manager="owner",
        force=True,
    )


async def server_side_with_knobs(bed: Bed, pair: tuple[str, str]) -> None:
    """Apply a manifest that states what steers a release, too."""
    await server_side(bed, pair, **KNOBS)


async def client_side(bed: Bed, pair: tuple[str, str]) -> None:
    """Apply as kubectl and KubeVela do: a strategic merge patch of what the manifest states."""
    body = bodies.deployment(init=pair[0], image=pair[1])
    await bed.client.patch(
        WATCHED[Kind.DEPLOYMENT].resource,
        "shop",
        {"metadata": {"labels": body["metadata"]["labels"]}, "spec": body["spec"]},
        bed.namespace,
        patch_type=PatchType.STRATEGIC,
    )


async def client_side_with_knobs(bed: Bed, pair: tuple[str, str]) -> None:
    """Apply a manifest that states what steers a release, too."""
    await client_side(bed, pair)
    await bed.patch(Kind.DEPLOYMENT, "shop", {"spec": KNOBS})


APPLIERS = [server_side, server_side_with_knobs, client_side, client_side_with_knobs]


async def stand(bed: Bed) -> None:
    await bed.create(Kind.SERVICE, bodies.service())
    await bed.create(Kind.HTTP_ROUTE, bodies.http_route())
    await bed.create(Kind.DEPLOYMENT, bodies.deployment())
    await bed.create(Kind.ROLLOUT, bodies.rollout(steps=STEPS, routing=bodies.BY_ROUTE))
    await bed.until_phase("shop", "Healthy")


async def reject_v2(bed: Bed) -> None:
    """Release v2 to its first step and take it back; the manifest still states it."""
    await stand(bed)
    await bed.patch(Kind.DEPLOYMENT, "shop", bodies.new_images(*V2))
    await bed.until_paused("shop", 1)
    wish = {"metadata": {"annotations": {keys.ROLLBACK: ""}}}
    await bed.patch(Kind.ROLLOUT, "shop", wish)
    await bed.until(Kind.ROLLOUT, "shop", rejected)
    assert images(await bed.items(Kind.POD)) == {V1}


def rejected(rollout: Obj | None) -> bool:
    status = (rollout or {}).get("status", {})
    types = {c["type"] for c in status.get("conditions", ())}
    return status.get("phase") == "Healthy" and "Rejected" in types


async def apply_for(bed: Bed, applier: Applier, pair: tuple[str, str], *, times: int) -> None:
    for _ in range(times):
        await applier(bed, pair)
        await asyncio.sleep(EVERY_SECONDS)  # the pace of an applier is what is tested


@pytest.mark.parametrize("applier", APPLIERS)
async def test_a_rejected_version_is_admitted_as_the_stable_one_and_nothing_is_written(
    bed: Bed, applier: Applier
) -> None:
    await reject_v2(bed)
    await apply_for(bed, applier, V2, times=2)  # what the applier states besides becomes its own
    async with watched(bed) as seen:
        await apply_for(bed, applier, V2, times=20)
    assert seen.pairs <= {V1}
    assert len(seen.generations) == 0
    assert images(await bed.items(Kind.POD)) == {V1}
    status = (await bed.get(Kind.ROLLOUT, "shop"))["status"]
    assert "is rejected" in status["message"]


@pytest.mark.parametrize("applier", APPLIERS)
async def test_a_held_init_image_never_enters_a_pod(bed: Bed, applier: Applier) -> None:
    await stand(bed)
    async with watched(bed) as seen:
        await apply_for(bed, applier, MIXED, times=5)
        await bed.until_message("shop", "platform change held (init=init:v2)")
        settled = set(seen.generations)
        await apply_for(bed, applier, MIXED, times=20)
    assert seen.pairs <= {V1}
    assert len(settled) <= 2 * RESTORING_WRITES
    assert seen.generations == settled, "the applier and Tandem write in turns"


async def test_a_held_init_image_does_not_ride_on_a_scaler_edit(bed: Bed) -> None:
    await stand(bed)
    async with watched(bed) as seen:
        body = bodies.new_images(*MIXED)
        body["spec"]["replicas"] = 12
        await bed.patch(Kind.DEPLOYMENT, "shop", body)
        await bed.until_message("shop", "platform change held")
        await bed.until(Kind.DEPLOYMENT, "shop", lambda o: _ready(o) == 12)
    assert seen.pairs == {V1}


def _ready(obj: Obj | None) -> int:
    return int((obj or {}).get("status", {}).get("readyReplicas", 0))


async def test_resume_undo_and_restart_bring_no_rejected_pod_back(bed: Bed) -> None:
    await reject_v2(bed)
    old = (await bed.get(Kind.DEPLOYMENT, "shop"))["spec"]["template"]
    async with watched(bed) as seen:
        await resume(bed)
        await bed.patch(Kind.DEPLOYMENT, "shop", bodies.new_images(*V2))  # kubectl undo
        await client_side(bed, V2)
        restart = {"kubectl.kubernetes.io/restartedAt": "2026-11-21T00:00:00Z"}
        again = {"spec": {"template": {"metadata": {"annotations": restart}}}}
        await bed.patch(Kind.DEPLOYMENT, "shop", again)
        await bed.until_paused("shop", 1)
        await apply_for(bed, client_side, V2, times=5)
        await bed.approve("shop")
        await bed.until(Kind.ROLLOUT, "shop", rejected)
    assert seen.pairs == {V1}
    template = (await bed.get(Kind.DEPLOYMENT, "shop"))["spec"]["template"]
    assert template["spec"] == old["spec"]
    assert template["metadata"]["annotations"] == restart


async def resume(bed: Bed) -> None:
    """Send what `kubectl rollout resume` does."""
    await bed.client.patch(
        WATCHED[Kind.DEPLOYMENT].resource,
        "shop",
        {"spec": {"paused": None}},
        bed.namespace,
        patch_type=PatchType.STRATEGIC,
        field_manager=RESUMING_MANAGER,
    )


async def test_a_retried_version_is_released_again(bed: Bed) -> None:
    await reject_v2(bed)
    await bed.patch(Kind.ROLLOUT, "shop", {"metadata": {"annotations": {keys.RETRY: ""}}})
    await bed.until_paused("shop", 1)
    await bed.approve("shop")
    await bed.until_phase("shop", "Healthy")
    assert images(await bed.items(Kind.POD)) == {V2}


async def test_an_accepted_platform_change_is_released_on_its_own(bed: Bed) -> None:
    await stand(bed)
    await bed.patch(Kind.DEPLOYMENT, "shop", bodies.new_images(*MIXED))
    await bed.until_message("shop", "platform change held")
    await bed.patch(Kind.ROLLOUT, "shop", {"metadata": {"annotations": {keys.ACCEPT: ""}}})
    await bed.until_paused("shop", 1)
    await bed.approve("shop")
    await bed.until_phase("shop", "Healthy")
    assert images(await bed.items(Kind.POD)) == {MIXED}


@pytest.mark.slow
@pytest.mark.parametrize("applier", [server_side_with_knobs, client_side_with_knobs])
async def test_with_the_webhook_away_for_a_minute_writes_stay_few(
    bed: Bed, applier: Applier, tandem_webhook: TandemProcess, tandem_process: TandemProcess
) -> None:
    await reject_v2(bed)
    tandem_webhook.kill()
    try:
        async with watched(bed) as seen:
            await apply_for(bed, applier, V2, times=150)
            tandem_process.kill()  # failover in between
            await apply_for(bed, applier, V2, times=10)
            tandem_process.start()
            await apply_for(bed, applier, V2, times=140)
        assert seen.pairs <= {V1}
        assert len(seen.generations) <= 4 * RESTORING_WRITES
    finally:
        tandem_webhook.start()
    async with watched(bed) as seen:
        await bed.until(Kind.DEPLOYMENT, "shop", lambda o: _template_pair(o) == V1)
        await apply_for(bed, applier, V2, times=10)
    assert seen.pairs <= {V1}
    assert images(await bed.items(Kind.POD)) == {V1}


def _template_pair(obj: Obj | None) -> tuple[str, str]:
    assert obj is not None
    spec = obj["spec"]["template"]["spec"]
    return (spec["initContainers"][0]["image"], spec["containers"][0]["image"])
