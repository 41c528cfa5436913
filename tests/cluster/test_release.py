"""Releases on a real API server with fake nodes, by the controller as a process."""

from __future__ import annotations

import pytest

from tandem_controller import keys
from tandem_controller.effect import Kind
from tandem_controller.kube.errors import ApiError
from tests.cluster import bodies
from tests.cluster.bed import Bed, images, user_fields

pytestmark = pytest.mark.cluster

STEPS = [bodies.step(20), bodies.step(50), bodies.step(100)]
V1, V2, V3 = (("init:v1", "shop:v1"), ("init:v2", "shop:v2"), ("init:v3", "shop:v3"))


async def _stand(bed: Bed, *, routing: bodies.Obj | None, style: str = "partition") -> None:
    """Create everything and wait until v1 is the stable version."""
    await bed.create(Kind.SERVICE, bodies.service())
    await bed.create(Kind.HTTP_ROUTE, bodies.http_route())
    await bed.create(Kind.INGRESS, bodies.ingress())
    await bed.create(Kind.DEPLOYMENT, bodies.deployment())
    await bed.until(
        Kind.DEPLOYMENT, "shop", lambda o: o is not None and o["status"].get("readyReplicas") == 10
    )
    await bed.create(Kind.ROLLOUT, bodies.rollout(steps=STEPS, routing=routing, style=style))
    await bed.until_phase("shop", "Healthy")


async def _users_objects(bed: Bed) -> dict[str, bodies.Obj]:
    kinds = (Kind.DEPLOYMENT, Kind.SERVICE, Kind.HTTP_ROUTE, Kind.INGRESS)
    return {
        f"{kind} {obj['metadata']['name']}": user_fields(obj)
        for kind in kinds
        for obj in await bed.items(kind)
    }


async def _running(bed: Bed) -> set[tuple[str, str]]:
    return images(await bed.items(Kind.POD))


async def test_a_release_goes_step_by_step_and_leaves_no_trace(bed: Bed) -> None:
    await _stand(bed, routing=bodies.BY_ROUTE)
    before = await _users_objects(bed)
    await bed.patch(Kind.DEPLOYMENT, "shop", bodies.new_images(*V2))

    await bed.until_paused("shop", 1)
    assert await bed.sizes("shop") == {"shop:v1": 8, "shop:v2": 2}
    route = await bed.get(Kind.HTTP_ROUTE, "shop")
    shares = {r["name"]: r["weight"] for r in route["spec"]["rules"][0]["backendRefs"]}
    assert shares == {"shop": 80, "shop-canary": 20}

    await bed.approve("shop")
    await bed.until_paused("shop", 2)
    assert await bed.sizes("shop") == {"shop:v1": 5, "shop:v2": 5}

    await bed.approve("shop")
    await bed.until_phase("shop", "Healthy")
    assert await _running(bed) == {V2}
    after = await _users_objects(bed)
    before["Deployment shop"]["spec"]["template"] = after["Deployment shop"]["spec"]["template"]
    assert after == before


@pytest.mark.parametrize("steps_before", [1, 2])
async def test_the_old_template_brings_init_and_business_image_back(
    bed: Bed, steps_before: int
) -> None:
    await _stand(bed, routing=bodies.BY_ROUTE)
    before = await _users_objects(bed)
    await bed.patch(Kind.DEPLOYMENT, "shop", bodies.new_images(*V2))
    await bed.until_paused("shop", 1)
    for step in range(1, steps_before):
        await bed.approve("shop")
        await bed.until_paused("shop", step + 1)

    await bed.patch(Kind.DEPLOYMENT, "shop", bodies.new_images(*V1))
    await bed.until_phase("shop", "Healthy")
    assert await _running(bed) == {V1}
    assert await _users_objects(bed) == before
    note = (await bed.get(Kind.DEPLOYMENT, "shop"))["metadata"]["annotations"][keys.REJECTED]
    assert "business=shop:v2" in note


async def test_canary_style_by_ingress_annotations_releases_and_leaves_no_trace(bed: Bed) -> None:
    await _stand(bed, routing=bodies.BY_INGRESS, style="canary")
    before = await _users_objects(bed)
    await bed.patch(Kind.DEPLOYMENT, "shop", bodies.new_images(*V2))

    await bed.until_paused("shop", 1)
    assert await bed.sizes("shop") == {"shop:v1": 10}
    assert await bed.sizes("shop-canary") == {"shop:v2": 2}
    canary = await bed.get(Kind.INGRESS, "shop-canary")
    assert canary["metadata"]["annotations"] == {
        "nginx.ingress.kubernetes.io/canary": "true",
        "nginx.ingress.kubernetes.io/canary-weight": "20",
    }

    await bed.approve("shop")
    await bed.until_paused("shop", 2)
    assert await bed.sizes("shop-canary") == {"shop:v2": 5}
    await bed.approve("shop")
    await bed.until_phase("shop", "Healthy")
    assert await _running(bed) == {V2}
    after = await _users_objects(bed)
    before["Deployment shop"]["spec"]["template"] = after["Deployment shop"]["spec"]["template"]
    assert after == before


async def test_canary_style_rolls_back(bed: Bed) -> None:
    await _stand(bed, routing=bodies.BY_INGRESS, style="canary")
    before = await _users_objects(bed)
    await bed.patch(Kind.DEPLOYMENT, "shop", bodies.new_images(*V2))
    await bed.until_paused("shop", 1)
    await bed.patch(Kind.DEPLOYMENT, "shop", bodies.new_images(*V1))
    await bed.until_phase("shop", "Healthy")
    assert await _running(bed) == {V1}
    assert await _users_objects(bed) == before
    note = (await bed.get(Kind.DEPLOYMENT, "shop"))["metadata"]["annotations"][keys.REJECTED]
    assert "business=shop:v2" in note


async def test_a_newer_version_replaces_a_release_in_progress(bed: Bed) -> None:
    await _stand(bed, routing=bodies.BY_ROUTE)
    await bed.patch(Kind.DEPLOYMENT, "shop", bodies.new_images(*V2))
    await bed.until_paused("shop", 1)
    second = _revision(await bed.get(Kind.ROLLOUT, "shop"))
    await bed.patch(Kind.DEPLOYMENT, "shop", bodies.new_images(*V3))
    await bed.until(Kind.ROLLOUT, "shop", lambda o: o is not None and _revision(o) != second)
    await bed.until_paused("shop", 1)
    assert await bed.sizes("shop") == {"shop:v1": 8, "shop:v3": 2}
    outcomes = sorted(
        (r["spec"]["images"][1]["image"], a.get("outcome", "open"))
        for r in await bed.items(Kind.RELEASE_RECORD)
        for a in r["status"]["attempts"]
    )
    assert outcomes == [("shop:v1", "Baseline"), ("shop:v2", "Superseded"), ("shop:v3", "open")]


def _revision(rollout: bodies.Obj) -> str:
    return str(rollout["status"]["canaryStatus"]["canaryRevision"])


async def test_scaling_to_zero_and_back_keeps_the_release_at_its_step(bed: Bed) -> None:
    await _stand(bed, routing=None)
    await bed.patch(Kind.DEPLOYMENT, "shop", bodies.new_images(*V2))
    await bed.until_paused("shop", 1)
    await bed.patch(Kind.DEPLOYMENT, "shop", {"spec": {"replicas": 0}})
    await bed.until_message("shop", "scaled to zero")
    await bed.patch(Kind.DEPLOYMENT, "shop", {"spec": {"replicas": 5}})
    await bed.until(
        Kind.DEPLOYMENT, "shop", lambda o: o is not None and o["status"].get("readyReplicas") == 5
    )
    await bed.until_paused("shop", 1)
    assert await bed.sizes("shop") == {"shop:v1": 4, "shop:v2": 1}


async def test_deleting_the_rollout_without_a_policy_completes_the_release(bed: Bed) -> None:
    await _stand(bed, routing=bodies.BY_ROUTE)
    await bed.patch(Kind.DEPLOYMENT, "shop", bodies.new_images(*V2))
    await bed.until_paused("shop", 1)
    await bed.delete(Kind.ROLLOUT, "shop")
    await bed.until(Kind.ROLLOUT, "shop", lambda o: o is None)
    await bed.until(
        Kind.DEPLOYMENT,
        "shop",
        lambda o: o is not None and o["status"].get("updatedReplicas") == 10,
    )
    deployment = await bed.get(Kind.DEPLOYMENT, "shop")
    assert not deployment["spec"].get("paused")
    assert [s["metadata"]["name"] for s in await bed.items(Kind.SERVICE)] == ["shop"]


async def test_what_a_rollout_names_wrongly_is_said_and_the_workload_runs_on(bed: Bed) -> None:
    await bed.create(Kind.DEPLOYMENT, bodies.deployment())
    await bed.create(Kind.ROLLOUT, bodies.rollout(steps=STEPS, routing=bodies.BY_ROUTE))
    await bed.until_message("shop", "Service 'shop' does not exist")
    await bed.create(Kind.SERVICE, bodies.service())
    await bed.until_message("shop", "HTTPRoute 'shop' does not exist")
    await bed.create(Kind.ROLLOUT, bodies.rollout("ghost", steps=STEPS))
    await bed.until_message("ghost", "Workload Not Found: Deployment 'ghost'")
    assert await bed.sizes("shop") == {"shop:v1": 10}


async def test_whoever_approves_a_step_is_recorded(bed: Bed) -> None:
    await _stand(bed, routing=None)
    await bed.patch(Kind.DEPLOYMENT, "shop", bodies.new_images(*V2))
    await bed.until_paused("shop", 1)
    await bed.approve("shop")
    await bed.until_paused("shop", 2)
    approvals = [
        (a["step"], a["by"])
        for r in await bed.items(Kind.RELEASE_RECORD)
        for attempt in r["status"]["attempts"]
        for a in attempt.get("approvals", ())
    ]
    assert approvals == [(1, "tandem-user")]


async def test_an_approval_of_a_step_that_does_not_wait_is_refused(bed: Bed) -> None:
    await _stand(bed, routing=None)
    with pytest.raises(ApiError, match="StepPaused"):
        await bed.approve("shop")
