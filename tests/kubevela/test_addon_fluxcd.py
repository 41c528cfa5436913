"""Tandem's addon on a cluster that has KubeVela's addon fluxcd, and Applications that use it.

Tandem neither needs it nor knows it; in which order the two come and go is the user's affair.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tandem_controller.install import CRD
from tests.cluster.bed import Obj
from tests.kubevela import charts, packages
from tests.kubevela.bed import VelaBed, phase
from tests.kubevela.core import APPLICATIONS, DEFINITIONS, KubeVela
from tests.kubevela.flux import FLUXCD, HELM_RELEASES, Flux, catalog_addon
from tests.kubevela.helm import WEB, HelmBed
from tests.kubevela.lifecycle import NAME, Addon, converts, running
from tests.kubevela.programs import DEFINITIONS_NAMESPACE, KubeVelaMissingError

pytestmark = pytest.mark.kubevela

_HELM_KIND = f"{HELM_RELEASES.plural}.{HELM_RELEASES.group}"


@pytest.fixture(scope="module")
def fluxcd(fresh_kubevela: KubeVela, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the addon fluxcd; it is enabled, and Flux runs beside the cluster.

    It outlives the namespaces of tests: the finalizers of what it makes are its own.
    """
    try:
        folder = catalog_addon()
        flux = Flux(fresh_kubevela.cluster, tmp_path_factory.mktemp("artifacts"))
    except KubeVelaMissingError as missing:
        pytest.skip(f"no Flux on this machine: {missing}")
    enable_fluxcd(fresh_kubevela, folder)
    with flux.running():
        yield folder


def enable_fluxcd(kubevela: KubeVela, folder: Path) -> None:
    said = kubevela.vela("addon", "enable", str(folder), "-y", "onlyHelmComponents=true")
    assert "enabled successfully" in said


@pytest.fixture
def bed(fluxcd: Path, fresh_bed: VelaBed, tmp_path: Path) -> Iterator[HelmBed]:
    """A namespace in which a chart can be delivered."""
    del fluxcd
    with packages.repository(tmp_path, {charts.NAME: [charts.package(tmp_path)]}) as address:
        yield HelmBed(fresh_bed.client, fresh_bed.namespace, fresh_bed.kubevela, tmp_path, address)


async def test_tandem_is_enabled_beside_fluxcd_and_refuses_to_go_while_a_chart_is_released(
    bed: HelmBed, addon: Addon
) -> None:
    before = await of_fluxcd(addon)
    assert "enabled successfully" in addon.enable()
    assert await of_fluxcd(addon) == before
    status = addon.kubevela.vela("status", NAME, "-n", DEFINITIONS_NAMESPACE)
    assert "2 of 2 controllers are ready" in status

    async with running(addon.kubevela.cluster, addon.client):
        await addon.until_crd(converts)
        bed.up(bed.stated("init:v1", "shop:v1"))
        stable = await bed.until_at_rest()
        bed.up(bed.stated("init:v2", "shop:v2"))
        await bed.until_paused("shop", 1)
        assert f"releases run: {bed.namespace}/shop (step 1)" in addon.disable("-f", fails=True)
        assert "shop" in addon.kubevela.vela("addon", "disable", "fluxcd", fails=True)

        bed.up(bed.stated("init:v1", "shop:v1"))
        assert await bed.until_at_rest() == stable
        addon.disable("-f")
        await addon.until_gone()
        await addon.until_run_time_objects_are_gone()
    await bed.until_helm("Ready", "True")
    await bed.unchanged()

    addon.enable()
    async with running(addon.kubevela.cluster, addon.client):
        await addon.until_crd(converts)
        bed.up(bed.stated("init:v2", "shop:v3"))
        await bed.until_paused("shop", 1)
        assert await bed.sizes(WEB) == {"shop:v1": 3, "shop:v3": 1}
        bed.up(bed.stated("init:v1", "shop:v1"))
        await bed.until_at_rest()


async def test_fluxcd_goes_and_comes_while_tandem_stays(fluxcd: Path, addon: Addon) -> None:
    addon.enable()
    addon.kubevela.vela("addon", "disable", "fluxcd")
    await addon.until(APPLICATIONS, FLUXCD, DEFINITIONS_NAMESPACE, lambda o: o is None)
    assert phase(await found(addon, NAME)) == "running"
    enable_fluxcd(addon.kubevela, fluxcd)
    assert [phase(await found(addon, name)) for name in (FLUXCD, NAME)] == ["running", "running"]
    assert "enabled successfully" in addon.enable()


async def of_fluxcd(addon: Addon) -> tuple[str, Obj, str]:
    """Return what another addon must not touch: kind, definition and state of fluxcd."""
    kind = await addon.found(CRD, _HELM_KIND)
    helm = await addon.found(DEFINITIONS["ComponentDefinition"], "helm", DEFINITIONS_NAMESPACE)
    assert kind is not None
    assert helm is not None
    return kind["metadata"]["uid"], helm["spec"], phase(await found(addon, FLUXCD))


async def found(addon: Addon, name: str) -> Obj:
    application = await addon.found(APPLICATIONS, name, DEFINITIONS_NAMESPACE)
    assert application is not None
    return application
