"""The trait `rollout` on a component `helm`: a chart that Flux' real helm-controller delivers.

Flux corrects drift here (its feature gates DetectDrift and CorrectDrift), and looks every few
seconds: whatever it does not find as the chart states it, it applies again. Helm waits for what
it applies and, where that does not get ready, goes back by itself and tries again (remediation).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import pytest

from demo.processes import TandemProcess
from tandem_controller.effect import Kind
from tests.cluster.bed import Obj
from tests.cluster.namespace import own_namespace
from tests.kubevela import charts, packages
from tests.kubevela.bed import component, phase
from tests.kubevela.core import KubeVela
from tests.kubevela.flux import Flux, catalog_addon
from tests.kubevela.helm import WEB, HelmBed
from tests.kubevela.programs import KubeVelaMissingError

pytestmark = pytest.mark.kubevela

DRIFT = "--feature-gates=DetectDrift=true,CorrectDrift=true"
UNDER_WAY = ("runningWorkflow", "unhealthy")


@pytest.fixture(scope="module")
def flux(kubevela: KubeVela, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flux]:
    """Flux beside the cluster; its kinds and the component `helm` come with KubeVela's addon."""
    try:
        addon = catalog_addon()
        made = Flux(kubevela.cluster, tmp_path_factory.mktemp("artifacts"), DRIFT)
    except KubeVelaMissingError as missing:
        pytest.skip(f"no Flux on this machine: {missing}")
    kubevela.vela("addon", "enable", str(addon), "-y", "onlyHelmComponents=true")
    with made.running():
        yield made


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Helm repository with our chart."""
    folder = tmp_path_factory.mktemp("charts")
    with packages.repository(folder, {charts.NAME: [charts.package(folder)]}) as address:
        yield address


@pytest.fixture
async def bed(
    kubevela: KubeVela, flux: Flux, tandem: TandemProcess, repository: str, tmp_path: Path
) -> AsyncIterator[HelmBed]:
    """A namespace of one test's own."""
    del flux, tandem
    async with own_namespace(kubevela.cluster.kubeconfig) as (client, name):
        yield HelmBed(client, name, kubevela, tmp_path, repository)


async def test_a_value_is_released_in_steps_and_the_application_is_unhealthy_until_the_end(
    bed: HelmBed,
) -> None:
    """Whether the workflow waits is another matter: see the last test."""
    bed.up(bed.stated("init:v1", "shop:v1"))
    await bed.until_at_rest()
    assert await bed.sizes(WEB) == {"shop:v1": 4}

    bed.up(bed.stated("init:v2", "shop:v2"))
    for step, sizes in ((1, {"shop:v1": 3, "shop:v2": 1}), (2, {"shop:v1": 2, "shop:v2": 2})):
        await bed.until_paused("shop", step)
        assert await bed.sizes(WEB) == sizes
        found = await bed.until_application(partial(tells, f"step({step}/3)"))
        assert phase(found) in UNDER_WAY
        assert not component(found)["healthy"]
        await bed.until_helm("Ready", "True")
        await bed.unchanged()
        await bed.approve("shop")
    await bed.until_at_rest()
    assert await bed.images(WEB) == ("init:v2", "shop:v2")
    assert await bed.sizes(WEB) == {"shop:v2": 4}


async def test_old_values_in_mid_release_bring_both_images_back_and_are_healthy(
    bed: HelmBed,
) -> None:
    bed.up(bed.stated("init:v1", "shop:v1"))
    before = await bed.until_at_rest()
    bed.up(bed.stated("init:v2", "shop:v2"))
    await bed.until_paused("shop", 1)

    bed.up(bed.stated("init:v1", "shop:v1"))
    assert await bed.until_at_rest() == before
    assert await bed.sizes(WEB) == {"shop:v1": 4}
    await bed.until_message("shop", "the manifest states another one")
    assert component(await bed.application())["healthy"]


async def test_flux_does_not_bring_a_version_back_that_was_rolled_back(
    bed: HelmBed, flux: Flux
) -> None:
    bed.up(bed.stated("init:v1", "shop:v1"))
    before = await bed.until_at_rest()
    bed.up(bed.stated("init:v2", "shop:v2"))
    await bed.until_paused("shop", 1)
    bed.tandem("rollback", "shop")
    await bed.until_phase("shop", "Healthy")
    await bed.unchanged()
    assert "no diff in cluster resources compared to release" in flux.said(bed.namespace)

    bed.up(bed.stated("init:v2", "shop:v2", replicas=5))
    await bed.until(Kind.DEPLOYMENT, WEB, lambda o: bool(o and o["spec"]["replicas"] == 5))
    found = await bed.until_application(partial(tells, "the manifest still states it"))
    assert not component(found)["healthy"]
    await bed.unchanged()
    assert await bed.sizes(WEB) == {"shop:v1": 5}
    assert not [text for text in flux.said(bed.namespace) if text.startswith("diff in cluster")]

    bed.up(bed.stated("init:v1", "shop:v1"))
    assert await bed.until_at_rest() == before


async def test_helms_own_way_back_is_a_rollback_and_its_next_try_brings_nothing(
    bed: HelmBed,
) -> None:
    """Something else of the chart does not get ready: Helm takes all of it back, and tries again.

    A paused Deployment counts as ready for Helm, so a release in steps itself fails no upgrade.
    """
    bed.up(bed.stated("init:v1", "shop:v1"))
    before = await bed.until_at_rest()
    bed.up(bed.stated("init:v2", "shop:v2", companion="companion:unready"))
    await bed.until_paused("shop", 1)
    await bed.until_helm("Remediated", "True")
    await bed.until_message("shop", "the stable version was stated again")
    await bed.until_phase("shop", "Healthy")
    await bed.unchanged()
    assert (await bed.get(Kind.DEPLOYMENT, WEB))["spec"] == before
    assert await bed.sizes(WEB) == {"shop:v1": 4}

    bed.up(bed.stated("init:v2", "shop:v2", companion="companion:v1"))
    await bed.until_helm("Ready", "True")
    await bed.until_message("shop", "the manifest still states it")
    assert await bed.sizes(WEB) == {"shop:v1": 4}
    bed.tandem("retry", "shop")
    await bed.until_paused("shop", 1)
    assert await bed.sizes(WEB) == {"shop:v1": 3, "shop:v2": 1}


async def test_helm_is_done_at_once_and_the_application_waits_for_pods_all_the_same(
    bed: HelmBed,
) -> None:
    bed.up(bed.stated("init:v1", "shop:v1"))
    before = await bed.until_at_rest()
    bed.up(bed.stated("init:v2", "shop:unready"))
    await bed.until_message("shop", "waiting for pods, 0 of 1 new ones ready")
    await bed.until_helm("Ready", "True")
    found = await bed.until_application(partial(tells, "waiting for pods"))
    assert phase(found) in UNDER_WAY
    assert not component(found)["healthy"]
    await bed.unchanged()

    bed.up(bed.stated("init:v1", "shop:v1"))
    assert await bed.until_at_rest() == before


async def test_steps_of_a_workflow_ask_for_a_chart_and_wait_for_its_end(bed: HelmBed) -> None:
    """The component is healthy until helm-controller has seen what changed; these steps know."""
    step = {"components": ["shop"]}
    workflow = [
        {"name": "state", "type": "apply-component", "properties": {"component": "shop"}},
        {"name": "ask", "type": "rollout-approve", "properties": {**step, "step": 1}},
        {"name": "whole", "type": "rollout-step", "properties": {**step, "step": 3}},
    ]
    bed.up(bed.stated("init:v1", "shop:v1", group(workflow)))
    await bed.until_at_rest()
    bed.up(bed.stated("init:v2", "shop:v2", group(workflow)))
    await bed.until_paused("shop", 1)
    await bed.until_application(lambda found: phase(found) == "workflowSuspending")
    assert await bed.sizes(WEB) == {"shop:v1": 3, "shop:v2": 1}
    bed.resume()
    await bed.until_running()
    assert await bed.sizes(WEB) == {"shop:v2": 4}
    (rollout,) = await bed.items(Kind.ROLLOUT)
    assert rollout["status"]["phase"] == "Healthy"


def tells(words: str, found: Obj) -> bool:
    """Whether an Application's status says this of the trait."""
    return any(words in trait.get("message", "") for trait in component(found).get("traits", ()))


def group(steps: list[Obj]) -> list[Obj]:
    """Return a workflow in which they run side by side, where the first one may wait."""
    after = [{**step, "dependsOn": ["ask"]} if step["name"] == "whole" else step for step in steps]
    return [{"name": "release", "type": "step-group", "subSteps": after}]
