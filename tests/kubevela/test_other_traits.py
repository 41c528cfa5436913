"""Traits beside `rollout` that write the same fields, and what KubeVela makes of each."""

from __future__ import annotations

import pytest

from tandem_controller.effect import Kind
from tests.cluster.bed import Obj
from tests.kubevela.bed import VelaBed, phase
from tests.kubevela.test_builtin_components import application, deployment

pytestmark = pytest.mark.kubevela

WEB: Obj = {"type": "webservice", "properties": {"image": "shop:v1"}}


@pytest.mark.parametrize("scaler", ["hpa", "cpuscaler"])
async def test_an_autoscaler_goes_on_in_mid_release_and_the_share_stays(
    bed: VelaBed, scaler: str
) -> None:
    """Without metrics it keeps to its bounds: it scales up when the lower one is raised."""

    def stated(image: str, smallest: int) -> Obj:
        made = {"type": "webservice", "properties": {"image": image}}
        trait = {"type": scaler, "properties": {"min": smallest, "max": 10}}
        return application(made, None, trait)

    bed.up(stated("shop:v1", 4))
    await bed.until_running()
    await _until_ready(bed, 4)
    bed.up(stated("shop:v2", 4))
    await bed.until_paused("shop", 1)
    assert await bed.sizes("shop") == {"shop:v1": 3, "shop:v2": 1}

    bed.up(stated("shop:v2", 8))
    await _until_ready(bed, 8)
    await bed.until(Kind.ROLLOUT, "shop", lambda o: _waits_with(o or {}, 2))
    assert await bed.sizes("shop") == {"shop:v1": 6, "shop:v2": 2}
    bed.vela("workflow", "resume", "shop")
    await bed.until_paused("shop", 2)
    assert await bed.sizes("shop") == {"shop:v1": 4, "shop:v2": 4}
    bed.vela("workflow", "resume", "shop")
    await bed.until_running()
    assert await bed.sizes("shop") == {"shop:v2": 8}


@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
async def test_a_second_trait_that_makes_a_rollout_is_refused_with_the_reason(
    bed: VelaBed, first: bool
) -> None:
    """KubeVela enforces no `conflictsWith`; it need not even know the other trait."""
    found = application(WEB, None, {"type": "kruise-rollout", "properties": {}})
    if first:
        found["spec"]["components"][0]["traits"].reverse()
    bed.up(application(WEB))
    await bed.until_running()
    refused = bed.up(found, fails=True)
    assert "spec.components[shop].traits: " in refused
    assert "each make the Rollout shop and would overwrite each other: keep one" in refused
    found["metadata"]["name"] = "new"
    assert "keep one of them" in bed.up(found, fails=True)


async def test_a_rollout_that_the_component_renders_itself_is_told_in_the_status(
    bed: VelaBed,
) -> None:
    other = {"apiVersion": "rollouts.kruise.io/v1alpha1", "kind": "Rollout"}
    objects = [deployment("shop:v1"), other | {"metadata": {"name": "shop"}, "spec": {}}]
    bed.up(application({"type": "k8s-objects", "properties": {"objects": objects}}))
    found = await bed.until_application(
        lambda o: "something else renders the Rollout shop" in str(o.get("status", {}))
    )
    assert phase(found) != "running"


def _waits_with(rollout: Obj, new: int) -> bool:
    """Whether a step waits again, after the scaling has given it this many new pods."""
    canary: Obj = rollout.get("status", {}).get("canaryStatus", {})
    return canary.get("currentStepState") == "StepPaused" and canary["canaryReadyReplicas"] == new


async def _until_ready(bed: VelaBed, pods: int) -> None:
    await bed.until(
        Kind.DEPLOYMENT,
        "shop",
        lambda o: (o or {}).get("status", {}).get("readyReplicas") == pods,
    )
