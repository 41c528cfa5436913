"""The controller as a process: at rest, killed, and replaced by another."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path

import pytest

from demo.processes import TandemProcess
from devcluster.cluster import DevCluster
from tandem_controller.app import COMPONENT
from tandem_controller.effect import Kind
from tests.cluster import bodies
from tests.cluster.bed import Bed, images
from tests.cluster.conftest import CONTROLLER_USER

pytestmark = pytest.mark.cluster

REST_SECONDS = 60
STEPS = [bodies.step(20), bodies.step(100)]
V1, V2 = ("init:v1", "shop:v1"), ("init:v2", "shop:v2")


async def _released_to_step_one(bed: Bed) -> None:
    await bed.create(Kind.SERVICE, bodies.service())
    await bed.create(Kind.HTTP_ROUTE, bodies.http_route())
    await bed.create(Kind.DEPLOYMENT, bodies.deployment())
    await bed.create(Kind.ROLLOUT, bodies.rollout(steps=STEPS, routing=bodies.BY_ROUTE))
    await bed.until_phase("shop", "Healthy")
    await bed.patch(Kind.DEPLOYMENT, "shop", bodies.new_images(*V2))
    await bed.until_paused("shop", 1)


async def test_with_the_controller_killed_nothing_moves_and_the_next_one_goes_on(
    bed: Bed, tandem_process: TandemProcess
) -> None:
    await _released_to_step_one(bed)
    tandem_process.kill()
    await bed.approve("shop")
    await bed.patch(Kind.DEPLOYMENT, "shop", {"spec": {"replicas": 20}})
    await bed.until(
        Kind.DEPLOYMENT, "shop", lambda o: o is not None and o["status"].get("readyReplicas") == 20
    )
    assert await bed.sizes("shop") == {"shop:v1": 16, "shop:v2": 4}
    tandem_process.start()
    await bed.until_phase("shop", "Healthy")
    assert images(await bed.items(Kind.POD)) == {V2}


@pytest.mark.slow
async def test_a_second_replica_takes_over_when_the_leader_is_killed(
    bed: Bed, tandem: DevCluster, tandem_process: TandemProcess
) -> None:
    second = TandemProcess.controller(tandem, "tandem-controller-2")
    second.start()
    try:
        await _released_to_step_one(bed)
        tandem_process.kill()
        await bed.approve("shop")
        await bed.until_phase("shop", "Healthy")
        assert images(await bed.items(Kind.POD)) == {V2}
    finally:
        tandem_process.start()
        second.stop()


@pytest.mark.slow
async def test_at_rest_the_controller_only_renews_its_lease(bed: Bed, tandem: DevCluster) -> None:
    await _released_to_step_one(bed)
    await asyncio.sleep(5)  # Events are written behind the release
    offset = tandem.audit_log.stat().st_size
    await asyncio.sleep(REST_SECONDS)  # what is measured is a minute
    requests = _requests(tandem.audit_log, offset, {bed.namespace, "kube-system", None})
    watches = {what: n for (verb, what), n in requests.items() if verb == "watch"}
    others = {what for (verb, what) in requests if verb != "watch"}
    assert others == {"leases"}
    assert all(count <= 1 for count in watches.values()), watches


def _requests(
    audit_log: Path, offset: int, namespaces: set[str | None]
) -> Counter[tuple[str, str]]:
    """Count the controller's requests; other tests' namespaces are still being deleted."""
    with audit_log.open("rb") as log:
        log.seek(offset)
        events = [json.loads(line) for line in log]
    return Counter(
        (event["verb"], event.get("objectRef", {}).get("resource", ""))
        for event in events
        if event["user"]["username"] == CONTROLLER_USER
        and event["userAgent"].startswith(COMPONENT)  # the webhooks have the same account
        and event["stage"] == "ResponseComplete"
        and event.get("objectRef", {}).get("namespace") in namespaces
    )
