"""Less usual ways to enable and to end the addon, each as docs/install.md describes it."""

from __future__ import annotations

import pytest

from tandem_controller.api.crd import ROLLOUT_CRD, crds
from tandem_controller.effect import Kind
from tandem_controller.install import CRD, install_crds
from tandem_controller.kube.wait import wait_for
from tests.cluster import kruise
from tests.cluster.bed import Obj
from tests.kubevela import clash, shown
from tests.kubevela.bed import VelaBed, application
from tests.kubevela.core import DEFINITIONS, KubeVela
from tests.kubevela.lifecycle import ADDON, Addon, converts, running
from tests.kubevela.programs import DEFINITIONS_NAMESPACE

pytestmark = pytest.mark.kubevela

PAGE = "install.md"
GONE_SECONDS = 60.0
OWNED = "app.oam.dev/name"


async def without_kinds(addon: Addon) -> None:
    """Take the kinds away that earlier tests have left, with the command that the page shows."""
    if await addon.found(CRD, ROLLOUT_CRD):
        patch = shown.command(PAGE, "kubectl", "patch", "crd")
        shown.kubectl(addon.kubevela.cluster, patch)
        remove = shown.command(PAGE, "kubectl", "delete", "crd")
        shown.kubectl(addon.kubevela.cluster, remove)
    for name in crds():
        await wait_for(
            addon.client, CRD, name, None, lambda found: found is None, seconds=GONE_SECONDS
        )


async def test_kinds_that_are_there_are_left_alone_with_install_crds_false(
    addon: Addon, fresh_bed: VelaBed, fresh_kubevela: KubeVela
) -> None:
    await install_crds(addon.client)
    before = {name: await identity(addon, name) for name in crds()}
    assert "enabled successfully" in addon.enable(ADDON, "installCRDs=false")
    assert {name: await identity(addon, name) for name in crds()} == before
    async with running(fresh_kubevela.cluster, addon.client):
        await addon.until_crd(converts)
        await released(fresh_bed)
        addon.disable("-f")
        await addon.until_gone()
        await addon.until_run_time_objects_are_gone()
    assert {name: await identity(addon, name) for name in crds()} == before


async def identity(addon: Addon, name: str) -> Obj | None:
    """Return who a kind is and who says to own it."""
    found = await addon.found(CRD, name)
    if found is None:
        return None
    metadata = found["metadata"]
    return {"uid": metadata["uid"], "owner": metadata.get("labels", {}).get(OWNED)}


async def released(bed: VelaBed) -> None:
    """Release a second version whole."""
    bed.up(application("init:v1", "shop:v1"))
    await bed.until_running()
    bed.up(application("init:v1", "shop:v2"))
    for step in (1, 2):
        await bed.until_paused("shop", step)
        bed.vela("workflow", "resume", "shop")
    await bed.until_phase("shop", "Healthy")
    await bed.until_running()


async def test_kinds_that_helm_installed_for_kruise_are_taken_over_with_their_owner_kept_out(
    addon: Addon, fresh_bed: VelaBed, fresh_kubevela: KubeVela
) -> None:
    """Their fields belong to Helm's field manager; ours are in force afterwards all the same."""
    await without_kinds(addon)
    await addon.client.create(CRD, kruise.stand_in("Rollout"), field_manager="helm")
    uid = (await identity(addon, ROLLOUT_CRD) or {})["uid"]
    assert "enabled successfully" in addon.enable()
    assert await identity(addon, ROLLOUT_CRD) == {"uid": uid, "owner": "addon-tandem"}
    async with running(fresh_kubevela.cluster, addon.client):
        await addon.until_crd(converts)
        await released(fresh_bed)


async def test_override_definitions_takes_an_older_trait_over(addon: Addon) -> None:
    await clash.older_addon(addon)
    said = addon.kubevela.vela("addon", "enable", str(ADDON), "-s", "--override-definitions")
    assert "enabled successfully" in said
    found = await addon.found(DEFINITIONS["TraitDefinition"], "rollout", DEFINITIONS_NAMESPACE)
    assert found is not None
    assert "rollouts.kruise.io" in found["spec"]["schematic"]["cue"]["template"]
    owners = [owner["name"] for owner in found["metadata"]["ownerReferences"]]
    assert owners == ["addon-tandem"]


async def test_after_break_glass_a_release_is_frozen_and_the_shown_commands_end_everything(
    addon: Addon, fresh_bed: VelaBed, fresh_kubevela: KubeVela
) -> None:
    cluster = fresh_kubevela.cluster
    addon.enable()
    async with running(cluster, addon.client):
        await addon.until_crd(converts)
        fresh_bed.up(application("init:v1", "shop:v1"))
        await fresh_bed.until_running()
        fresh_bed.up(application("init:v1", "shop:v2"))
        await fresh_bed.until_paused("shop", 1)
        shown.kubectl(cluster, shown.command(PAGE, "kubectl", "label", "application"))
        addon.disable("-f")
        await addon.until_gone()
        await addon.until_run_time_objects_are_gone()
    frozen = await fresh_bed.get(Kind.DEPLOYMENT, "shop")
    assert frozen["spec"]["paused"]
    assert await fresh_bed.sizes("shop") == {"shop:v1": 3, "shop:v2": 1}

    resume = ["kubectl", "rollout", "resume", "deployment/shop"]
    shown.kubectl(cluster, resume, fresh_bed.namespace)
    await fresh_bed.until(Kind.DEPLOYMENT, "shop", lambda found: available(found) == 4)
    assert await fresh_bed.sizes("shop") == {"shop:v2": 4}
    release = shown.command("tandem-dead.md", "kubectl", "patch")
    shown.kubectl(cluster, release, fresh_bed.namespace)
    await without_kinds(addon)
    assert await fresh_bed.sizes("shop") == {"shop:v2": 4}


def available(found: Obj | None) -> int:
    """Return how many pods of the stated version are available."""
    status = (found or {}).get("status", {})
    if status.get("updatedReplicas") != status.get("replicas"):
        return 0
    return int(status.get("availableReplicas", 0))
