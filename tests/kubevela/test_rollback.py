"""Rollback through KubeVela ends with init and business image of the old release, each time."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from demo.processes import TANDEM
from tandem_controller import keys
from tandem_controller.effect import Kind
from tandem_controller.kinds import KNOWN
from tandem_controller.kube.wait import StillNotSo, wait_for
from tests.cluster.bed import Obj
from tests.kubevela.bed import VelaBed, application, phase
from tests.kubevela.core import RESYNC_SECONDS
from tests.kubevela.definitions import apply_fixed_init

pytestmark = pytest.mark.kubevela

Way = Callable[[VelaBed, str], object]
STEPS = 2


def old_application(bed: VelaBed, definition: str) -> object:
    """State the old Application again; KubeVela renders it with the newer definition."""
    return bed.up(application("", "shop:v1", version="c", component=definition))


def old_revision(bed: VelaBed, _definition: str) -> object:
    """Publish the old ApplicationRevision, which holds the older definition."""
    return bed.vela("up", "shop", "--revision", "shop-v1", "--publish-version", "c")


def workflow_rollback(bed: VelaBed, _definition: str) -> object:
    """Take an unfinished workflow back."""
    bed.vela("workflow", "suspend", "shop")
    return bed.vela("workflow", "rollback", "shop")


@pytest.mark.parametrize(
    ("way", "completed"),
    [
        (old_application, False),
        (old_revision, False),
        (workflow_rollback, False),
        (old_application, True),
        (old_revision, True),
    ],
)
async def test_every_way_back_brings_the_old_pair_although_the_definition_was_upgraded(
    bed: VelaBed, tmp_path: Path, way: Way, *, completed: bool
) -> None:
    definition = f"fixed-{bed.namespace}"
    apply_fixed_init(bed, tmp_path, definition, "init:v1", "1.0.0")
    bed.up(application("", "shop:v1", version="a", component=definition))
    await bed.until_running()
    before = await bed.get(Kind.DEPLOYMENT, "shop")

    apply_fixed_init(bed, tmp_path, definition, "init:v2", "1.1.0")
    bed.up(application("", "shop:v2", version="b", component=definition))
    await bed.until_paused("shop", 1)
    assert await bed.images() == ("init:v1", "shop:v2")
    await bed.until_message("shop", "platform change held (init=init:v2)")
    if completed:
        await approve_all(bed)
        await bed.until_running()

    way(bed, definition)
    if completed:
        await bed.until_paused("shop", 1)
        await approve_all(bed)
    await bed.until_running()
    await bed.until_phase("shop", "Healthy")
    after = await bed.get(Kind.DEPLOYMENT, "shop")
    assert after["spec"] == before["spec"]
    assert await bed.images() == ("init:v1", "shop:v1")
    assert await bed.sizes("shop") == {"shop:v1": 4}
    assert keys.REJECTED not in after["metadata"]["annotations"]
    await unchanged_over_resyncs(bed)


async def test_old_images_stated_by_the_application_come_back_after_completion(
    bed: VelaBed,
) -> None:
    bed.up(application("init:v1", "shop:v1"))
    await bed.until_running()
    before = (await bed.get(Kind.DEPLOYMENT, "shop"))["spec"]
    bed.up(application("init:v2", "shop:v2"))
    await bed.until_paused("shop", 1)
    await approve_all(bed)
    await bed.until_running()

    bed.up(application("init:v1", "shop:v1"))
    await bed.until_paused("shop", 1)
    await approve_all(bed)
    await bed.until_running()
    assert (await bed.get(Kind.DEPLOYMENT, "shop"))["spec"] == before
    assert await bed.sizes("shop") == {"shop:v1": 4}


async def test_a_definition_upgrade_rolls_nothing_under_auto_update_until_it_is_accepted(
    bed: VelaBed, tmp_path: Path
) -> None:
    definition = f"fixed-{bed.namespace}"
    names = ("shop", "cart", "desk")
    apply_fixed_init(bed, tmp_path, definition, "init:v1", "1.0.0")
    for name in names:
        bed.up(auto_updated(name, definition))
    for name in names:
        await bed.until_running(name)
    before = {name: (await bed.get(Kind.DEPLOYMENT, name))["spec"] for name in names}

    apply_fixed_init(bed, tmp_path, definition, "init:v2", "1.1.0")
    for name in names:
        await bed.until_message(name, "platform change held (init=init:v2)")
        assert (await bed.get(Kind.DEPLOYMENT, name))["spec"] == before[name]
        assert await bed.sizes(name) == {f"{name}:v1": 4}
        # KubeVela asks again at its next resync.
        await bed.until_application(partial(tells, f"tandem accept {name}"), name)
        assert f"tandem accept {name}" in bed.vela("status", name)

    tandem(bed, "accept", "cart")
    # The Application's workflow has ended, so `vela workflow resume` is refused here.
    for step in range(1, STEPS + 1):
        await bed.until_paused("cart", step)
        tandem(bed, "approve", "cart")
    await bed.until_phase("cart", "Healthy")
    assert await bed.images("cart") == ("init:v2", "cart:v1")
    for name in ("shop", "desk"):
        assert (await bed.get(Kind.DEPLOYMENT, name))["spec"] == before[name]


def tells(words: str, found: Obj) -> bool:
    """Whether an Application's status has a message with these words."""
    return words in str(found.get("status", {}).get("services"))


def auto_updated(name: str, definition: str) -> Obj:
    """Return an Application that follows the newest definition."""
    found = application("", f"{name}:v1", component=definition)
    found["metadata"] = {"name": name, "annotations": {"app.oam.dev/autoUpdate": "true"}}
    found["spec"]["components"][0]["name"] = name
    return found


async def approve_all(bed: VelaBed) -> None:
    """Approve both steps by `vela workflow resume`."""
    for step in range(1, STEPS + 1):
        await bed.until_paused("shop", step)
        bed.vela("workflow", "resume", "shop")
    await bed.until_phase("shop", "Healthy")


async def unchanged_over_resyncs(bed: VelaBed) -> None:
    """KubeVela states the Application twice more: nothing is written, and it stays running."""
    generation = (await bed.get(Kind.DEPLOYMENT, "shop"))["metadata"]["generation"]
    with pytest.raises(StillNotSo):
        await wait_for(
            bed.client,
            KNOWN[Kind.DEPLOYMENT].resource,
            "shop",
            bed.namespace,
            lambda found: found is None or found["metadata"]["generation"] != generation,
            seconds=2 * RESYNC_SECONDS,
        )
    assert phase(await bed.application()) == "running"


def tandem(bed: VelaBed, *arguments: str) -> None:
    """Run the command `tandem` as its user does."""
    kubeconfig = str(bed.kubevela.cluster.kubeconfig)
    access = ("-n", bed.namespace, "--kubeconfig", kubeconfig)
    subprocess.run([str(TANDEM), *arguments, *access], check=True, timeout=60)
