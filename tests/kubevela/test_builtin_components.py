"""The trait `rollout` on components of others: KubeVela's own, and what a chart delivers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tandem_controller.effect import Kind
from tests.cluster.bed import Obj
from tests.kubevela.bed import VelaBed, component, phase
from tests.kubevela.core import APPLICATIONS

pytestmark = pytest.mark.kubevela

REPLICAS = 4
Made = Callable[[str], Obj]
DONE = ("running", "unhealthy")
"""Phases of an Application whose workflow has ended."""

# All pods are new while step 2 waits: the component's own health policy is content then.
ALL_PODS: list[Any] = [50, {"weight": 80, "replicas": "100%"}]


def _webservice(image: str) -> Obj:
    return {"type": "webservice", "properties": {"image": image}}


def _worker(image: str) -> Obj:
    return {"type": "worker", "properties": {"image": image}}


def deployment(image: str, name: str = "shop") -> Obj:
    labels = {"made-by": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": REPLICAS,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "web", "image": image}]},
            },
        },
    }


def _objects(image: str) -> Obj:
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}
    return {
        "type": "k8s-objects",
        "properties": {"objects": [settings, deployment(image, "shop-back")]},
    }


def application(made: Obj, steps: list[Any] | None = None, *more: Obj, **trait: str) -> Obj:
    """Return the Application `shop` with one component and the trait `rollout` on it."""
    rollout = {"type": "rollout", "properties": {"steps": steps or [25, 50], **trait}}
    return {
        "apiVersion": APPLICATIONS.api_version,
        "kind": APPLICATIONS.kind,
        "metadata": {"name": "shop"},
        "spec": {"components": [{"name": "shop", **made, "traits": [rollout, *more]}]},
    }


def scaled(made: Obj, steps: list[Any] | None = None) -> Obj:
    """Return the Application with pods enough to be released in steps."""
    return application(made, steps, {"type": "scaler", "properties": {"replicas": REPLICAS}})


def finished(seen: list[Obj], generation: int) -> list[Obj]:
    """Return the states in which KubeVela called a generation of the Application healthy or done.

    While it renders a new generation, an Application still shows what it said of the last one.
    """
    judged = [
        found
        for found in seen
        if found["metadata"]["generation"] == generation
        and phase(found) not in ("unseen", "starting", "rendering")
    ]
    return [f for f in judged if phase(f) in DONE or component(f).get("healthy")]


@pytest.mark.parametrize("made", [_webservice, _worker], ids=["webservice", "worker"])
async def test_a_builtin_component_is_released_in_steps_and_never_healthy_before_the_end(
    bed: VelaBed, made: Made
) -> None:
    bed.up(scaled(made("shop:v1"), ALL_PODS))
    await bed.until_running()

    async with bed.watched() as seen:
        bed.up(scaled(made("shop:v2"), ALL_PODS))
        await bed.until_paused("shop", 1)
        assert await bed.sizes("shop") == {"shop:v1": 2, "shop:v2": 2}
        generation = (await bed.application())["metadata"]["generation"]
        bed.vela("workflow", "resume", "shop")
        await bed.until_paused("shop", 2)
        assert await bed.sizes("shop") == {"shop:v2": REPLICAS}
        await bed.until_application(lambda found: "step(2/3)" in _said(found))
        assert finished(seen, generation) == []
        bed.vela("workflow", "resume", "shop")
        await bed.until_phase("shop", "Healthy")
        await bed.until_running()
    assert finished([await bed.application()], generation)


@pytest.mark.parametrize("made", [_webservice, _worker], ids=["webservice", "worker"])
async def test_the_old_application_brings_a_builtin_component_back(
    bed: VelaBed, made: Made
) -> None:
    bed.up(scaled(made("shop:v1")))
    await bed.until_running()
    before = (await bed.get(Kind.DEPLOYMENT, "shop"))["spec"]

    bed.up(scaled(made("shop:v2")))
    await bed.until_paused("shop", 1)
    bed.up(scaled(made("shop:v1")))
    await bed.until_phase("shop", "Healthy")
    await bed.until_running()
    assert (await bed.get(Kind.DEPLOYMENT, "shop"))["spec"] == before
    assert await bed.sizes("shop") == {"shop:v1": REPLICAS}


def _said(found: Obj) -> str:
    return "".join(t.get("message", "") for t in component(found).get("traits", ()))


async def test_objects_are_released_though_their_workflow_does_not_wait(bed: VelaBed) -> None:
    """KubeVela calls `k8s-objects` healthy whatever they are, so a workflow goes on at once."""
    bed.up(application(_objects("shop:v1")))
    await bed.until_running()
    before = (await bed.get(Kind.DEPLOYMENT, "shop-back"))["spec"]

    bed.up(application(_objects("shop:v2")))
    await bed.until_paused("shop", 1)
    assert await bed.sizes("shop-back") == {"shop:v1": 3, "shop:v2": 1}
    await bed.until_application(lambda f: phase(f) == "unhealthy" and "step(1/3)" in _said(f))

    await bed.approve("shop")
    await bed.until_paused("shop", 2)
    bed.up(application(_objects("shop:v1")))
    await bed.until_phase("shop", "Healthy")
    await bed.until_running()
    assert (await bed.get(Kind.DEPLOYMENT, "shop-back"))["spec"] == before


async def test_steps_behind_it_make_a_workflow_wait_for_the_release_of_objects(
    bed: VelaBed,
) -> None:
    """`rollout-approve` asks, `rollout-step` waits: neither needs the component to be unhealthy."""
    step = {"components": ["shop"]}
    workflow = [
        {"name": "state", "type": "apply-component", "properties": {"component": "shop"}},
        {"name": "ask", "type": "rollout-approve", "properties": {**step, "step": 1}},
        {"name": "whole", "type": "rollout-step", "properties": {**step, "step": 3}},
    ]

    def stated(image: str) -> Obj:
        found = application(_objects(image), approval="workflow")
        found["spec"]["workflow"] = {"steps": workflow}
        return found

    bed.up(stated("shop:v1"))
    await bed.until_running()
    async with bed.watched() as seen:
        bed.up(stated("shop:v2"))
        await bed.until_paused("shop", 1)
        await bed.until_application(lambda f: phase(f) == "workflowSuspending")
        assert await bed.sizes("shop-back") == {"shop:v1": 3, "shop:v2": 1}
        bed.vela("workflow", "resume", "shop")
        await bed.until_running()
        generation = (await bed.application())["metadata"]["generation"]
    assert await bed.sizes("shop-back") == {"shop:v2": REPLICAS}
    (rollout,) = await bed.items(Kind.ROLLOUT)
    assert rollout["status"]["phase"] == "Healthy"
    assert [f for f in seen[:-1] if phase(f) in DONE and _of(f, generation)] == []


def _of(found: Obj, generation: int) -> bool:
    return bool(found["metadata"]["generation"] == generation)


async def test_a_deployment_that_something_else_delivers_is_named(bed: VelaBed) -> None:
    """As with a chart: the component renders no Deployment, the trait names it."""
    await bed.create(Kind.DEPLOYMENT, deployment("shop:v1", "shop-web"))
    release = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "chart"}}
    chart = {"type": "k8s-objects", "properties": {"objects": [release]}}

    refused = bed.up(application(chart))
    found = await bed.until_application(lambda f: "workloadName" in str(f.get("status", {})))
    assert phase(found) != "running", refused

    bed.up(application(chart, workloadName="shop-web"))
    await bed.until_running()
    await bed.until_phase("shop", "Healthy")
    template = {"spec": {"containers": [{"name": "web", "image": "shop:v2"}]}}
    await bed.patch(Kind.DEPLOYMENT, "shop-web", {"spec": {"template": template}})
    await bed.until_paused("shop", 1)
    assert await bed.sizes("shop-web") == {"shop:v1": 3, "shop:v2": 1}
