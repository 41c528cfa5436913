"""From `vela addon enable` to a release in steps, as a user of KubeVela sees it."""

from __future__ import annotations

import pytest

from tandem_controller.effect import Kind
from tests.kubevela.bed import VelaBed, application, component, phase

pytestmark = pytest.mark.kubevela


async def test_an_application_is_released_in_steps_that_vela_resume_approves(bed: VelaBed) -> None:
    bed.up(application("init:v1", "shop:v1"))
    await bed.until_running()

    bed.up(application("init:v1", "shop:v2"))
    await bed.until_paused("shop", 1)
    assert await bed.sizes("shop") == {"shop:v1": 3, "shop:v2": 1}
    waiting = await bed.until_application(lambda found: not component(found).get("healthy", True))
    assert phase(waiting) == "runningWorkflow"

    bed.vela("workflow", "resume", "shop")
    await bed.until_paused("shop", 2)
    bed.vela("workflow", "resume", "shop")
    await bed.until_phase("shop", "Healthy")
    await bed.until_running()
    assert await bed.sizes("shop") == {"shop:v2": 4}
    assert await bed.images() == ("init:v1", "shop:v2")


async def test_the_old_application_brings_the_old_init_image_back_in_mid_release(
    bed: VelaBed,
) -> None:
    bed.up(application("init:v1", "shop:v1"))
    await bed.until_running()
    before = (await bed.get(Kind.DEPLOYMENT, "shop"))["spec"]

    bed.up(application("init:v2", "shop:v2"))
    await bed.until_paused("shop", 1)
    bed.up(application("init:v1", "shop:v1"))
    await bed.until_phase("shop", "Healthy")
    await bed.until_running()
    assert (await bed.get(Kind.DEPLOYMENT, "shop"))["spec"] == before
    assert await bed.sizes("shop") == {"shop:v1": 4}
