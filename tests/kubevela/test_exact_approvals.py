"""An approval by `vela` is for one step, given once, and loses nothing of the Rollout."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tandem_controller.effect import Kind
from tests.cluster.bed import Obj
from tests.kubevela.bed import VelaBed, application, phase

pytestmark = pytest.mark.kubevela

SKIP_RESUME = "controller.core.oam.dev/skip-resume"
NEWER_FIELD = {"disableGenerateCanaryService": True}
"""Of v1alpha1, but unknown to the struct of 2023 through which KubeVela writes."""


async def test_a_resumption_that_follows_a_suspension_at_once_approves_and_loses_nothing(
    bed: VelaBed,
) -> None:
    bed.up(application("init:v1", "shop:v1"))
    await bed.until_running()
    newer = {"spec": {"strategy": {"canary": NEWER_FIELD}}}
    await bed.patch(Kind.ROLLOUT, "shop", newer)
    bed.up(application("init:v1", "shop:v2"))
    await bed.until_paused("shop", 1)
    before = await bed.get(Kind.ROLLOUT, "shop")

    for verb in ("suspend", "resume"):
        await said(bed, verb)
    await bed.until_paused("shop", 1)
    after = await bed.get(Kind.ROLLOUT, "shop")
    assert lasting(after) == lasting(before)
    assert after["spec"]["strategy"]["canary"]["disableGenerateCanaryService"] is True
    assert await approved(bed) == []
    assert await bed.sizes("shop") == {"shop:v1": 3, "shop:v2": 1}


async def test_an_approval_changes_nothing_else_of_the_rollout(bed: VelaBed) -> None:
    await release(bed)
    before = await bed.get(Kind.ROLLOUT, "shop")
    assert "resumed" in await said(bed, "resume")
    await bed.until_paused("shop", 2)
    after = await bed.get(Kind.ROLLOUT, "shop")
    assert after["spec"] == before["spec"]
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert (await approved(bed))[0]["by"]


async def test_as_many_steps_are_approved_as_resumptions_were_given(bed: VelaBed) -> None:
    await release(bed)
    answers = await asyncio.gather(*(said(bed, "resume") for _ in range(3)))
    await bed.until(Kind.ROLLOUT, "shop", settled)
    given = sum("shop in cluster  resumed" in answer for answer in answers)
    steps = [approval["step"] for approval in await approved(bed)]
    assert steps == list(range(1, given + 1))


async def test_a_resumption_leaves_the_release_alone_where_the_rollout_is_exempt(
    bed: VelaBed,
) -> None:
    await release(bed)
    exempt = {"metadata": {"annotations": {SKIP_RESUME: "true"}}}
    await bed.patch(Kind.ROLLOUT, "shop", exempt)
    await said(bed, "suspend")
    await bed.until_application(lambda found: phase(found) == "workflowSuspending")

    answer = await said(bed, "resume")
    assert "Successfully resume workflow" in answer
    assert "in cluster" not in answer
    await bed.until_application(lambda found: phase(found) == "runningWorkflow")
    assert await approved(bed) == []
    await bed.until_paused("shop", 1)


async def release(bed: VelaBed) -> None:
    """Bring a release to its first step."""
    bed.up(application("init:v1", "shop:v1"))
    await bed.until_running()
    bed.up(application("init:v1", "shop:v2"))
    await bed.until_paused("shop", 1)


async def said(bed: VelaBed, verb: str) -> str:
    """Run a verb of `vela workflow`; one that crosses a write of vela-core may fail."""
    try:
        return await asyncio.to_thread(bed.vela, "workflow", verb, "shop")
    except AssertionError as failed:
        return str(failed)


async def approved(bed: VelaBed) -> list[Obj]:
    """Return the approvals that the records tell of."""
    found = []
    for record in await bed.items(Kind.RELEASE_RECORD):
        for attempt in record.get("status", {}).get("attempts", ()):
            found += attempt.get("approvals", ())
    return sorted(found, key=lambda approval: int(approval["step"]))


def settled(rollout: Obj | None) -> bool:
    """Whether a release waits or has ended."""
    status = (rollout or {}).get("status", {})
    waits = status.get("canaryStatus", {}).get("currentStepState") == "StepPaused"
    return bool(waits or status.get("phase") == "Healthy")


def lasting(rollout: Obj) -> dict[str, Any]:
    """Return what a suspension that is over must not have changed."""
    spec = rollout["spec"]
    strategy = {k: v for k, v in spec["strategy"].items() if k != "paused"}
    status = rollout["status"]
    canary = {k: v for k, v in status["canaryStatus"].items() if k != "lastUpdateTime"}
    metadata = rollout["metadata"]
    return {
        "spec": {**spec, "strategy": strategy},
        "canaryStatus": canary,
        "phase": status["phase"],
        "labels": metadata["labels"],
        "annotations": metadata["annotations"],
        "finalizers": metadata["finalizers"],
    }
