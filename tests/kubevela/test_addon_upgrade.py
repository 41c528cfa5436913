"""From one version of the addon to the next, with a release in progress."""

from __future__ import annotations

from pathlib import Path

import pytest

from tandem_controller.effect import Kind
from tandem_controller.kube.resource import Resource
from tests.cluster.bed import Obj
from tests.kubevela import packages
from tests.kubevela.bed import VelaBed, application
from tests.kubevela.core import APPLICATIONS, DEFINITIONS, KubeVela
from tests.kubevela.lifecycle import ADDON, NAME, Addon, converts, running
from tests.kubevela.programs import DEFINITIONS_NAMESPACE

pytestmark = pytest.mark.kubevela

CONFIG_MAPS = DEFINITIONS["ConfigMap"]
POLICIES = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingadmissionpolicies",
    "ValidatingAdmissionPolicy",
    namespaced=False,
)
VELA_SYSTEM = DEFINITIONS_NAMESPACE


async def exposed(bed: VelaBed) -> Obj:
    """Return what runs: the Deployment's spec, its ReplicaSets and its pods."""
    deployment = await bed.get(Kind.DEPLOYMENT, "shop")
    pods = await bed.items(Kind.POD)
    return {
        "spec": deployment["spec"],
        "sizes": await bed.sizes("shop"),
        "pods": sorted(pod["metadata"]["uid"] for pod in pods),
    }


async def test_an_upgrade_leaves_a_paused_release_where_it_is_and_it_ends_afterwards(
    addon: Addon, fresh_bed: VelaBed, fresh_kubevela: KubeVela, tmp_path: Path
) -> None:
    bed = fresh_bed
    addon.enable(packages.earlier(tmp_path), "replicas=1")
    assert await addon.found(CONFIG_MAPS, "tandem-earlier", VELA_SYSTEM)
    async with running(fresh_kubevela.cluster, addon.client) as (controller, webhook):
        await addon.until_crd(converts)
        bed.up(application("init:v1", "shop:v1"))
        await bed.until_running()
        bed.up(application("init:v1", "shop:v2"))
        await bed.until_paused("shop", 1)
        before = await exposed(bed)

        said = addon.kubevela.vela("addon", "upgrade", str(ADDON), "-s")
        assert "enabled successfully" in said
        await addon.until_crd(converts)
        await upgraded(addon)
        await bed.until_paused("shop", 1)
        assert await exposed(bed) == before

        for process in (webhook, controller):
            process.kill()
            process.start()
        await addon.until_crd(converts)
        assert await exposed(bed) == before
        bed.vela("workflow", "resume", "shop")
        await bed.until_paused("shop", 2)
        bed.vela("workflow", "resume", "shop")
        await bed.until_phase("shop", "Healthy")
        await bed.until_running()
        assert await bed.sizes("shop") == {"shop:v2": 4}


async def upgraded(addon: Addon) -> None:
    """Check that what only the earlier package had is gone and the rest is of this version."""
    application = await addon.found(APPLICATIONS, NAME, VELA_SYSTEM)
    assert application is not None
    assert application["metadata"]["labels"]["addons.oam.dev/version"] != packages.EARLIER
    assert await addon.found(CONFIG_MAPS, "tandem-earlier", VELA_SYSTEM) is None
    for policy in ("tandem-hold", "tandem-take-over"):
        assert await addon.found(POLICIES, policy) is None
    assert await addon.found(POLICIES, "tandem-workload") is not None
    trait = await addon.found(DEFINITIONS["TraitDefinition"], "rollout", VELA_SYSTEM)
    assert trait is not None
    assert not trait["spec"].get("podDisruptive", False)
    deployment = await addon.deployment()
    assert deployment is not None
    assert deployment["spec"]["replicas"] == 1
