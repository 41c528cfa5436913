"""Config that the Application renders, after Tandem went back to a version that it still states.

KubeVela states ConfigMaps and Secrets again with each state keep of an Application whose workflow
has ended, and with each pass over a component that is not healthy.
"""

from __future__ import annotations

import base64

import pytest

from tandem_controller import keys
from tandem_controller.effect import Kind
from tandem_controller.kinds import KNOWN
from tandem_controller.kube.wait import StillNotSo, wait_for
from tests.cluster.bed import Obj
from tests.kubevela.bed import VelaBed, component
from tests.kubevela.core import RESYNC_SECONDS
from tests.kubevela.test_builtin_components import application as built_in
from tests.kubevela.test_builtin_components import deployment

pytestmark = pytest.mark.kubevela

LEVEL = {"configMapKeyRef": {"name": "settings", "key": "level"}}
PASSWORD = {"secretKeyRef": {"name": "password", "key": "p"}}


def configured(version: str, config: str = "") -> Obj:
    """Return the Application, its config in one component with the Deployment that reads it."""
    level = config or version
    workload = deployment(f"shop:{version}")
    container = workload["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [
        {"name": "LEVEL", "valueFrom": LEVEL},
        {"name": "PASSWORD", "valueFrom": PASSWORD},
    ]
    settings = {"data": {"level": level, f"of-{level}": "1"}, "metadata": {"name": "settings"}}
    password = {"stringData": {"p": level}, "metadata": {"name": "password"}}
    objects = [
        {"apiVersion": "v1", "kind": "ConfigMap", **settings},
        {"apiVersion": "v1", "kind": "Secret", **password},
        workload,
    ]
    return built_in({"type": "k8s-objects", "properties": {"objects": objects}})


async def test_after_a_rollback_the_old_config_stays_until_the_next_version(bed: VelaBed) -> None:
    bed.up(configured("v1"))
    await bed.until_running()
    await bed.until_proven("shop")
    old = await contents(bed)
    assert old == ({"level": "v1", "of-v1": "1"}, {"p": "v1"})

    bed.up(configured("v2"))
    await bed.until_paused("shop", 1)
    new = await contents(bed)
    assert new == ({"level": "v2", "of-v1": "1", "of-v2": "1"}, {"p": "v2"})
    await roll_back(bed)
    await unchanged_over_resyncs(bed)
    assert await contents(bed) == old
    await bed.until_application(lambda found: "is rejected since" in str(component(found)))

    # Version 3 changes the image alone: its config is that of the rejected version.
    bed.up(configured("v3", config="v2"))
    await bed.until_paused("shop", 1)
    assert await contents(bed) == new


async def test_going_back_from_a_completed_version_keeps_the_old_config_under_state_keep(
    bed: VelaBed,
) -> None:
    bed.up(configured("v1"))
    await bed.until_running()
    await bed.until_proven("shop")
    old = await contents(bed)
    bed.up(configured("v2"))
    await approve_all(bed)
    await bed.until_running()

    await bed.patch(Kind.ROLLOUT, "shop", {"metadata": {"annotations": {keys.ROLLBACK: ""}}})
    await approve_all(bed)
    assert await bed.sizes("shop") == {"shop:v1": 4}
    await unchanged_over_resyncs(bed)
    assert await contents(bed) == old


async def roll_back(bed: VelaBed) -> None:
    await bed.patch(Kind.ROLLOUT, "shop", {"metadata": {"annotations": {keys.ROLLBACK: ""}}})
    await bed.until_phase("shop", "Healthy")
    assert await bed.sizes("shop") == {"shop:v1": 4}


async def approve_all(bed: VelaBed) -> None:
    for step in (1, 2):
        await bed.until_paused("shop", step)
        canary = (await bed.get(Kind.ROLLOUT, "shop"))["status"]["canaryStatus"]
        wish = {keys.APPROVE: f"{canary['canaryRevision']}/{step}"}
        await bed.patch(Kind.ROLLOUT, "shop", {"metadata": {"annotations": wish}})
    await bed.until_phase("shop", "Healthy")


async def contents(bed: VelaBed) -> tuple[dict[str, str], dict[str, str]]:
    """Return what the ConfigMap and the Secret hold."""
    settings = (await bed.get(Kind.CONFIG_MAP, "settings"))["data"]
    secret = (await bed.get(Kind.SECRET, "password"))["data"]
    return settings, {key: base64.b64decode(value).decode() for key, value in secret.items()}


async def unchanged_over_resyncs(bed: VelaBed) -> None:
    """KubeVela states the ConfigMap several times more: nobody writes, so nobody fights."""
    before = await bed.get(Kind.CONFIG_MAP, "settings")
    with pytest.raises(StillNotSo):
        await wait_for(
            bed.client,
            KNOWN[Kind.CONFIG_MAP].resource,
            "settings",
            bed.namespace,
            lambda found: found is None or found["data"] != before["data"],
            seconds=3 * RESYNC_SECONDS,
        )
