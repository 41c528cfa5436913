"""The trait `init-image` on KubeVela's own components, and moving from there to ours."""

from __future__ import annotations

import pytest

from tandem_controller.effect import Kind
from tests.cluster.bed import Obj
from tests.kubevela.bed import VelaBed
from tests.kubevela.test_builtin_components import REPLICAS, application

pytestmark = pytest.mark.kubevela

SCALER = {"type": "scaler", "properties": {"replicas": REPLICAS}}


def with_init(init: str, business: str, *, first: bool) -> Obj:
    """Return a webservice with an init image, its trait before or after the trait `rollout`."""
    mounts = [{"volume": "work", "path": "/work"}]
    trait = {"type": "init-image", "properties": {"image": init, "mounts": mounts}}
    made = application({"type": "webservice", "properties": {"image": business}}, None, SCALER)
    traits = made["spec"]["components"][0]["traits"]
    traits[0]["properties"]["hold"] = {"together": "Release"}
    traits.insert(0 if first else len(traits), trait)
    return made


@pytest.mark.parametrize("first", [True, False], ids=["before rollout", "after rollout"])
async def test_init_image_and_business_image_are_released_and_go_back_together(
    bed: VelaBed, first: bool
) -> None:
    bed.up(with_init("init:v1", "shop:v1", first=first))
    await bed.until_running()
    await bed.until_phase("shop", "Healthy")
    before = (await bed.get(Kind.DEPLOYMENT, "shop"))["spec"]
    assert await bed.images() == ("init:v1", "shop:v1")
    named = (await bed.get(Kind.RELEASE_POLICY, "shop"))["spec"].get("containers")
    # A trait sees what those before it did; an init container is the platform's by itself.
    assert named == ({"platform": ["init"], "business": ["shop"]} if first else None)

    bed.up(with_init("init:v2", "shop:v2", first=first))
    await bed.until_paused("shop", 1)
    assert await bed.images() == ("init:v2", "shop:v2")
    bed.up(with_init("init:v1", "shop:v1", first=first))
    await bed.until_phase("shop", "Healthy")
    await bed.until_running()
    assert (await bed.get(Kind.DEPLOYMENT, "shop"))["spec"] == before


async def test_another_init_image_of_a_webservice_is_held_unless_the_policy_says_otherwise(
    bed: VelaBed,
) -> None:
    """Nothing shows that it came from the Application and not from the component's definition."""

    def stated(init: str, business: str) -> Obj:
        made = with_init(init, business, first=True)
        del made["spec"]["components"][0]["traits"][1]["properties"]["hold"]
        return made

    bed.up(stated("init:v1", "shop:v1"))
    await bed.until_running()
    await bed.until_phase("shop", "Healthy")
    bed.up(stated("init:v2", "shop:v2"))
    await bed.until_paused("shop", 1)
    assert await bed.images() == ("init:v1", "shop:v2")
    await bed.until_message("shop", "platform change held")


async def test_moving_from_webservice_rolls_nothing_but_what_is_stated_anew(bed: VelaBed) -> None:
    """Names, selector, labels and volumes are the same; `drainSeconds: 0` keeps the rest."""
    bed.up(with_init("init:v1", "shop:v1", first=True))
    await bed.until_running()
    await bed.until_phase("shop", "Healthy")
    before = await bed.get(Kind.DEPLOYMENT, "shop")

    properties = {
        "businessImage": "shop:v1",
        "initImage": "init:v1",
        "replicas": REPLICAS,
        "drainSeconds": 0,
    }
    bed.up(application({"type": "canary-ready-component", "properties": properties}))
    await bed.until_running()
    await bed.until_phase("shop", "Healthy")
    after = await bed.get(Kind.DEPLOYMENT, "shop")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["spec"] == before["spec"]
    assert await bed.sizes("shop") == {"shop:v1": REPLICAS}
    assert len(await bed.items(Kind.REPLICA_SET)) == 1
