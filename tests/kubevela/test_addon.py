"""The addon's life on a KubeVela of its own: enabled, in use, disabled, enabled again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tandem_controller.effect import Kind
from tandem_controller.install import CRD
from tests.kubevela import clash, packages
from tests.kubevela.bed import VelaBed, application
from tests.kubevela.core import APPLICATIONS, KubeVela
from tests.kubevela.lifecycle import ADDON, NAME, ROLLOUTS_CRD, Addon, converts, running
from tests.kubevela.programs import DEFINITIONS_NAMESPACE

pytestmark = pytest.mark.kubevela


async def test_enabling_fails_while_no_controller_gets_ready_and_says_what_keeps_it(
    addon: Addon,
) -> None:
    said = addon.enable(ADDON, "image=tandem:unready", "readyWithin=40s", fails=True)
    assert "Enabling failed" in said
    assert "enabled successfully" not in said
    status = addon.kubevela.vela("status", NAME, "-n", DEFINITIONS_NAMESPACE)
    assert "0 of 2 controllers are ready" in status
    assert "kubectl -n vela-system describe pods -l app.kubernetes.io/name=tandem" in status

    said = addon.enable(ADDON, "image=tandem:slow2s")
    assert "enabled successfully" in said
    deployment = await addon.deployment()
    assert deployment is not None
    assert deployment["status"]["availableReplicas"] == 2


async def test_disabling_is_refused_while_a_release_runs_and_keeps_rollouts_and_their_kind(
    addon: Addon, fresh_bed: VelaBed, fresh_kubevela: KubeVela
) -> None:
    addon.enable()
    async with running(fresh_kubevela.cluster, addon.client):
        await addon.until_crd(converts)
        fresh_bed.up(application("init:v1", "shop:v1"))
        await fresh_bed.until_running()
        assert "shop" in addon.disable(fails=True)

        fresh_bed.up(application("init:v1", "shop:v2"))
        await fresh_bed.until_paused("shop", 1)
        said = addon.disable("-f", fails=True)
        assert f"releases run: {fresh_bed.namespace}/shop (step 1)" in said

        fresh_bed.up(application("init:v1", "shop:v1"))
        await fresh_bed.until_phase("shop", "Healthy")
        before = await fresh_bed.get(Kind.ROLLOUT, "shop")
        addon.disable("-f")
        await addon.until_gone()
        await addon.until_run_time_objects_are_gone()

    # The kind no longer points to a webhook that nobody answers, so that its objects can be
    # listed, and namespaces with them be deleted.
    crd = await addon.found(CRD, ROLLOUTS_CRD)
    assert crd is not None
    assert crd["spec"]["conversion"] == {"strategy": "None"}
    after = await fresh_bed.get(Kind.ROLLOUT, "shop")
    assert (after["metadata"]["uid"], after["spec"]) == (before["metadata"]["uid"], before["spec"])
    assert await addon.deployment() is None

    addon.enable()
    async with running(fresh_kubevela.cluster, addon.client):
        await addon.until_crd(converts)
        await fresh_bed.until_running()
        fresh_bed.up(application("init:v1", "shop:v3"))
        await fresh_bed.until_paused("shop", 1)
        assert await fresh_bed.sizes("shop") == {"shop:v1": 3, "shop:v3": 1}


async def test_while_tandem_is_dead_only_the_break_glass_label_lets_the_addon_end(
    addon: Addon, fresh_kubevela: KubeVela
) -> None:
    addon.enable()
    async with running(fresh_kubevela.cluster, addon.client) as (controller, webhook):
        await addon.until_crd(converts)
        controller.kill()
        webhook.kill()
    assert "disable-addon.tandem.oam.dev" in addon.disable(fails=True)
    await addon.break_glass()
    addon.disable()
    await addon.until_gone()
    await addon.until_run_time_objects_are_gone()


async def test_wrong_arguments_are_refused_before_anything_is_changed(addon: Addon) -> None:
    for wrong, named in (
        ("replicas=0", "parameter.replicas"),
        ("readyWithin=soon", "parameter.readyWithin"),
        ("logLevel=loud", "empty disjunction"),
    ):
        assert named in addon.enable(ADDON, wrong, fails=True)
    assert await addon.found(APPLICATIONS, NAME, DEFINITIONS_NAMESPACE) is None


async def test_a_packaged_chart_is_enabled_from_a_helm_repository_with_its_arguments(
    addon: Addon, tmp_path: Path
) -> None:
    """As platform teams get it; there is no fluxcd in this cluster, and none is needed."""
    charts = tmp_path / "charts"
    charts.mkdir()
    addon.kubevela.vela("addon", "package", str(packages.copy(tmp_path)), folder=charts)
    (chart,) = charts.glob("*.tgz")
    version = chart.stem.removeprefix("tandem-")
    entry = {"apiVersion": "v2", "name": "tandem", "version": version, "urls": [chart.name]}
    with packages.repository(charts, {"tandem": [entry]}) as address:
        registry = ("local-charts", "--type=helm", f"--endpoint={address}")
        addon.kubevela.vela("addon", "registry", "add", *registry)
        try:
            said = addon.enable("local-charts/tandem", "replicas=1", "namespace=ops")
        finally:
            addon.kubevela.vela("addon", "registry", "delete", "local-charts")
    assert "enabled successfully" in said
    deployment = await addon.deployment("ops")
    assert deployment is not None
    assert deployment["status"]["availableReplicas"] == 1


async def test_the_older_addon_rollout_is_a_clash_that_is_named_and_has_a_way_out(
    addon: Addon,
) -> None:
    """The catalog's addon `rollout` has a trait of that name; `-y` would take it over unasked."""
    older = await clash.older_addon(addon)
    said = addon.kubevela.vela("addon", "enable", str(ADDON), "-s", fails=True)
    assert "definition: rollout in this addon already exist in rollout" in said
    assert await addon.found(APPLICATIONS, NAME, DEFINITIONS_NAMESPACE) is None

    addon.kubevela.vela("addon", "disable", "rollout")
    await older.until_gone()
    assert "enabled successfully" in addon.kubevela.vela("addon", "enable", str(ADDON), "-s")
