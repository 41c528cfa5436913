"""The workflow step `release-checkpoint` where KubeVela runs it."""

from __future__ import annotations

import pytest

from tests.cluster.bed import Obj
from tests.kubevela.bed import VelaBed, application

pytestmark = pytest.mark.kubevela

TOGETHER = "tandem.oam.dev/together"


async def test_both_at_once_fail_the_step_and_a_reason_lets_them_pass(bed: VelaBed) -> None:
    bed.up(checked("init:v1", "shop:v1"))
    await bed.until_running()

    bed.up(checked("init:v2", "shop:v2"))
    failed = await bed.until_application(lambda o: check(o, 2).get("phase") == "failed")
    assert "would go out together in shop" in check(failed, 2)["message"]
    assert await bed.images() == ("init:v1", "shop:v1")

    # An annotation alone is no new revision: KubeVela would not run the workflow again.
    waived = checked("init:v2", "shop:v3")
    waived["metadata"]["annotations"] = {TOGETHER: "CVE-1"}
    bed.up(waived)
    await bed.until_application(lambda o: check(o, 3).get("phase") == "succeeded")
    await bed.until_running()
    assert await bed.images() == ("init:v2", "shop:v3")


async def test_on_request_both_wait_until_the_workflow_is_resumed(bed: VelaBed) -> None:
    bed.up(checked("init:v1", "shop:v1", onBoth="suspend"))
    await bed.until_running()

    bed.up(checked("init:v2", "shop:v2", onBoth="suspend"))
    waiting = await bed.until_application(lambda o: check(o, 2).get("phase") == "suspending")
    assert "component_update_and_business_release_together" in check(waiting, 2)["message"]
    assert await bed.images() == ("init:v1", "shop:v1")

    bed.vela("workflow", "resume", "shop")
    await bed.until_running()
    assert await bed.images() == ("init:v2", "shop:v2")


def checked(init: str, business: str, **properties: str) -> Obj:
    """An Application whose workflow judges it first; its release asks for no approval."""
    apply: Obj = {"component": "shop"}
    steps: list[Obj] = [
        {"name": "check", "type": "release-checkpoint", "properties": properties},
        {"name": "apply", "type": "apply-component", "properties": apply},
    ]
    return application(init, business, steps=[100], workflow=steps)


def check(found: Obj, revision: int) -> Obj:
    """Return the step's status in the workflow of one revision; empty before."""
    workflow: Obj = found.get("status", {}).get("workflow", {})
    if workflow.get("appRevision") != f"shop-v{revision}":
        return {}
    return next((s for s in workflow.get("steps", []) if s["name"] == "check"), {})
