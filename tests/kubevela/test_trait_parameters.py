"""What reaches the Rollout and the workload when an Application changes around a release."""

from __future__ import annotations

from typing import Any

import pytest

from tandem_controller.effect import Kind
from tests.cluster.bed import Obj
from tests.kubevela.bed import VelaBed, application
from tests.kubevela.test_builtin_components import application as with_traits
from tests.kubevela.test_builtin_components import finished, scaled

pytestmark = pytest.mark.kubevela


async def test_our_component_is_never_healthy_before_its_release_has_ended(bed: VelaBed) -> None:
    bed.up(application("init:v1", "shop:v1"))
    await bed.until_running()
    async with bed.watched() as seen:
        bed.up(application("init:v2", "shop:v2"))
        for step in (1, 2):
            await bed.until_paused("shop", step)
            bed.vela("workflow", "resume", "shop")
        await bed.until_phase("shop", "Healthy")
        generation = (await bed.application())["metadata"]["generation"]
        released = (await bed.get(Kind.DEPLOYMENT, "shop"))["metadata"]["resourceVersion"]
        await bed.until_running()
    early = [f for f in finished(seen, generation) if _version(f) < int(released)]
    assert early == []
    assert len(seen) > 3


async def test_a_rejected_version_keeps_the_application_from_running(bed: VelaBed) -> None:
    bed.up(application("init:v1", "shop:v1"))
    await bed.until_running()
    async with bed.watched() as seen:
        bed.up(application("init:v1", "shop:v2"))
        await bed.until_paused("shop", 1)
        asked = {"metadata": {"annotations": {"tandem.oam.dev/rollback": ""}}}
        await bed.patch(Kind.ROLLOUT, "shop", asked)
        await bed.until_phase("shop", "Healthy")
        told = await bed.until_application(lambda found: "is rejected" in _services(found))
    generation = told["metadata"]["generation"]
    assert finished(seen, generation) == []
    assert "the manifest still states it" in _services(told)
    assert "shop=shop:v2" in _services(told)


@pytest.mark.parametrize("component", ["ours", "webservice"])
async def test_steps_alone_reach_the_rollout_at_rest_and_in_mid_release(
    bed: VelaBed, component: str
) -> None:
    def stated(image: str, steps: list[Any]) -> Obj:
        if component == "ours":
            return application("init:v1", image, steps=steps)
        return scaled({"type": "webservice", "properties": {"image": image}}, steps)

    bed.up(stated("shop:v1", [25]))
    await bed.until_running()
    bed.up(stated("shop:v1", [25, 50]))
    await _until_steps(bed, ["25%", "50%", "100%"])
    await bed.until_running()

    bed.up(stated("shop:v2", [25, 50]))
    await bed.until_paused("shop", 1)
    bed.up(stated("shop:v2", [25, 75]))
    await _until_steps(bed, ["25%", "75%", "100%"])
    await bed.until_paused("shop", 1)
    bed.vela("workflow", "resume", "shop")
    await bed.until_paused("shop", 2)
    assert await bed.sizes("shop") == {"shop:v1": 1, "shop:v2": 3}
    bed.vela("workflow", "resume", "shop")
    await bed.until_running()
    assert await bed.sizes("shop") == {"shop:v2": 4}


async def test_an_update_strategy_of_kubevela_does_not_release_anything(bed: VelaBed) -> None:
    """`k8s-update-strategy` states the fields that steer a release: they count at its end."""
    strategy = {"type": "RollingUpdate", "rollingStrategy": {"maxSurge": "50%"}}
    trait = {"type": "k8s-update-strategy", "properties": {"strategy": strategy}}
    ours = {"initImage": "init:v1", "replicas": 4, "drainSeconds": 0}

    def stated(image: str) -> Obj:
        made = {"type": "canary-ready-component", "properties": ours | {"businessImage": image}}
        return with_traits(made, None, trait)

    bed.up(stated("shop:v1"))
    await bed.until_running()
    before = (await bed.get(Kind.DEPLOYMENT, "shop"))["spec"]["strategy"]
    assert before["rollingUpdate"]["maxSurge"] == "50%"

    bed.up(stated("shop:v2"))
    await bed.until_paused("shop", 1)
    await bed.until_application(lambda found: "step(1/3)" in _services(found))
    assert await bed.sizes("shop") == {"shop:v1": 3, "shop:v2": 1}
    bed.vela("workflow", "resume", "shop")
    await bed.until_paused("shop", 2)
    assert await bed.sizes("shop") == {"shop:v1": 2, "shop:v2": 2}
    bed.vela("workflow", "resume", "shop")
    await bed.until_running()
    assert (await bed.get(Kind.DEPLOYMENT, "shop"))["spec"]["strategy"] == before


async def test_a_scaler_in_mid_release_keeps_the_share_of_the_new_version(bed: VelaBed) -> None:
    def stated(image: str, replicas: int) -> Obj:
        made = {"type": "webservice", "properties": {"image": image}}
        return with_traits(made, None, {"type": "scaler", "properties": {"replicas": replicas}})

    bed.up(stated("shop:v1", 4))
    await bed.until_running()
    bed.up(stated("shop:v2", 4))
    await bed.until_paused("shop", 1)
    bed.up(stated("shop:v2", 8))

    async def grown() -> dict[str, int]:
        await bed.until(
            Kind.DEPLOYMENT, "shop", lambda o: (o or {}).get("status", {}).get("readyReplicas") == 8
        )
        return await bed.sizes("shop")

    assert await grown() == {"shop:v1": 6, "shop:v2": 2}


async def _until_steps(bed: VelaBed, replicas: list[str]) -> None:
    def stated(found: Obj | None) -> bool:
        steps = (found or {})["spec"]["strategy"]["canary"]["steps"]
        return [step["replicas"] for step in steps] == replicas

    await bed.until(Kind.ROLLOUT, "shop", stated)


def _services(found: Obj) -> str:
    services = found.get("status", {}).get("services", ())
    said = [f"{s.get('message', '')} {t.get('message', '')}" for s in services for t in s["traits"]]
    return " ".join(said)


def _version(found: Obj) -> int:
    return int(found["metadata"]["resourceVersion"])
