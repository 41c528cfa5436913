"""Releases that a workflow approves step by step, as `vela` shows and drives them."""

from __future__ import annotations

from typing import Any

import pytest

from tandem_controller.effect import Kind
from tests.cluster.bed import Obj
from tests.kubevela.bed import VelaBed, application

pytestmark = pytest.mark.kubevela


async def test_one_resume_approves_exactly_the_step_that_the_workflow_asks_for(
    bed: VelaBed,
) -> None:
    bed.up(released_by_workflow("shop:v1"))
    await bed.until_running()

    bed.up(released_by_workflow("shop:v2"))
    first = await until_suspended(bed, "approve-1")
    revision = (await standing(bed))["canaryRevision"]
    assert first["message"] == f"Suspended by field approve_step_1_of_shop_{revision}"
    assert await bed.sizes("shop") == {"shop:v1": 3, "shop:v2": 1}

    bed.resume()
    await until_suspended(bed, "approve-2")
    assert await bed.sizes("shop") == {"shop:v1": 2, "shop:v2": 2}
    approvals = await bed.items(Kind.RELEASE_APPROVAL)
    assert [
        (a["spec"]["step"], a["spec"]["revision"], a["status"]["phase"]) for a in approvals
    ] == [(1, revision, "Used")]

    bed.resume()
    await bed.until_phase("shop", "Healthy")
    await bed.until_running()
    assert await bed.sizes("shop") == {"shop:v2": 4}


async def test_a_resume_that_meets_another_revision_approves_nothing(bed: VelaBed) -> None:
    bed.up(released_by_workflow("shop:v1"))
    await bed.until_running()
    bed.up(released_by_workflow("shop:v2"))
    await until_suspended(bed, "approve-1")
    asked_for = (await standing(bed))["canaryRevision"]

    by_hand: Obj = {"spec": {"template": {"metadata": {"annotations": {"by": "hand"}}}}}
    await bed.patch(Kind.DEPLOYMENT, "shop", by_hand)
    await bed.until(
        Kind.ROLLOUT,
        "shop",
        lambda o: (
            o is not None
            and paused(o)
            and o["status"]["canaryStatus"]["canaryRevision"] != asked_for
        ),
    )
    if suspended(await bed.application()):
        bed.resume()
    now = (await standing(bed))["canaryRevision"]
    question = f"Suspended by field approve_step_1_of_shop_{now}"
    await bed.until_application(lambda o: step(o, "approve-1").get("message") == question)
    assert await bed.items(Kind.RELEASE_APPROVAL) == []
    assert (await standing(bed))["currentStepIndex"] == 1


async def test_a_release_that_is_rolled_back_fails_the_step_with_the_reason(bed: VelaBed) -> None:
    bed.up(released_by_workflow("shop:v1"))
    await bed.until_running()
    bed.up(released_by_workflow("shop:v2"))
    await until_suspended(bed, "approve-1")

    wish: Obj = {"metadata": {"annotations": {"tandem.oam.dev/rollback": ""}}}
    await bed.patch(Kind.ROLLOUT, "shop", wish)
    failed = await bed.until_application(lambda o: step(o, "approve-1")["phase"] == "failed")
    assert "rejected" in step(failed, "approve-1")["message"] or (
        "rolling back" in step(failed, "approve-1")["message"]
    )
    assert await bed.items(Kind.RELEASE_APPROVAL) == []
    await bed.until_phase("shop", "Healthy")
    assert await bed.sizes("shop") == {"shop:v1": 4}

    # What the status said of the rejected version is no answer to the Application without it.
    bed.up(released_by_workflow("shop:v1"))
    await bed.until_running()


async def test_the_old_application_goes_back_and_nobody_is_asked(bed: VelaBed) -> None:
    bed.up(released_by_workflow("shop:v1"))
    await bed.until_running()
    bed.up(released_by_workflow("shop:v2"))
    await until_suspended(bed, "approve-1")

    bed.up(released_by_workflow("shop:v1"))
    await bed.until_running()
    assert await bed.sizes("shop") == {"shop:v1": 4}
    assert await bed.items(Kind.RELEASE_APPROVAL) == []


async def test_rollout_step_approves_what_lies_before_and_stops_there(bed: VelaBed) -> None:
    to_two = {"components": ["shop"], "step": 2}
    bed.up(in_step_group("shop:v1", [{"name": "to-2", "type": "rollout-step", **props(to_two)}]))
    await bed.until_running()
    bed.up(in_step_group("shop:v2", [{"name": "to-2", "type": "rollout-step", **props(to_two)}]))
    await bed.until_application(
        lambda o: of_release(o, 2) and step(o, "to-2").get("phase") == "succeeded"
    )
    there = await standing(bed)
    assert (there["currentStepIndex"], there["currentStepState"]) == (2, "StepPaused")
    assert await bed.sizes("shop") == {"shop:v1": 2, "shop:v2": 2}
    given = await bed.items(Kind.RELEASE_APPROVAL)
    assert [a["spec"]["step"] for a in given] == [1]


def released_by_workflow(business: str) -> Obj:
    """An approval of its own for each of the two steps, while the component is applied."""
    approvals: list[Obj] = [
        {
            "name": f"approve-{number}",
            "type": "rollout-approve",
            **props({"components": ["shop"], "step": number}),
            **({"dependsOn": ["approve-1"]} if number == 2 else {}),
        }
        for number in (1, 2)
    ]
    return in_step_group(business, approvals)


def in_step_group(business: str, steps: list[Obj]) -> Obj:
    """Steps of a group run side by side: the first waits for the whole release to end."""
    apply = {"name": "apply", "type": "apply-component", **props({"component": "shop"})}
    group = {"name": "release", "type": "step-group", "subSteps": [apply, *steps]}
    found = application("init:v1", business, workflow=[group])
    found["spec"]["components"][0]["traits"][0]["properties"]["approval"] = "workflow"
    return found


def props(properties: Obj) -> Obj:
    return {"properties": properties}


async def standing(bed: VelaBed) -> Obj:
    found: Obj = (await bed.get(Kind.ROLLOUT, "shop"))["status"]["canaryStatus"]
    return found


def paused(rollout: Obj) -> bool:
    state: Any = rollout.get("status", {}).get("canaryStatus", {}).get("currentStepState")
    return bool(state == "StepPaused")


def step(found: Obj, name: str) -> Obj:
    """Return the status of a step inside the group; empty before it has one."""
    steps = found.get("status", {}).get("workflow", {}).get("steps", [])
    inner = [sub for each in steps for sub in each.get("subSteps", [])]
    return next((each for each in inner if each["name"] == name), {})


def of_release(found: Obj, number: int) -> bool:
    """Whether the workflow's status is that of the Application's n-th revision."""
    workflow: Obj = found.get("status", {}).get("workflow", {})
    return bool(workflow.get("appRevision") == f"shop-v{number}")


def suspended(found: Obj) -> bool:
    return bool(found["status"]["workflow"].get("suspend"))


async def until_suspended(bed: VelaBed, name: str) -> Obj:
    found = await bed.until_application(lambda o: step(o, name).get("phase") == "suspending")
    return step(found, name)
