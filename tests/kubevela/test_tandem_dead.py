"""With every Tandem process dead KubeVela goes on, and nothing new is exposed.

docs/tandem-dead.md says the same to people.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from demo.processes import TandemProcess
from tandem_controller import keys
from tandem_controller.decide.admission.workload import RESUMING_MANAGER
from tandem_controller.effect import Kind
from tandem_controller.kinds import KNOWN
from tandem_controller.kube.client import PatchType
from tandem_controller.kube.wait import wait_for
from tests.cluster.bed import Obj
from tests.kubevela import shown
from tests.kubevela.bed import VelaBed, application, component
from tests.kubevela.core import APPLICATIONS

pytestmark = pytest.mark.kubevela

DELETED_SECONDS = 60.0
LEFT = (Kind.ROLLOUT, Kind.RELEASE_POLICY, Kind.RELEASE_RECORD, Kind.DEPLOYMENT)


class Tandem:
    """Both processes."""

    def __init__(self, *processes: TandemProcess) -> None:
        self._processes = processes

    def kill(self) -> None:
        for process in self._processes:
            process.kill()

    def start(self) -> None:
        for process in self._processes:
            process.start()


@pytest.fixture
def both(tandem: TandemProcess, tandem_webhook: TandemProcess) -> Iterator[Tandem]:
    """Tandem, alive; it is again when the test has ended."""
    found = Tandem(tandem_webhook, tandem)
    yield found
    found.kill()
    found.start()


async def test_without_tandem_applications_live_on_and_nothing_new_is_exposed(
    bed: VelaBed, both: Tandem
) -> None:
    for name in ("rest", "cart", "desk"):
        bed.up(named(name, "v1"))
        await bed.until_running(name)
    before = (await bed.get(Kind.DEPLOYMENT, "desk"))["spec"]
    for name in ("cart", "desk"):
        bed.up(named(name, "v2"))
        await bed.until_paused(name, 1)
    both.kill()

    # Created: it runs. Changed at rest: the new version is stored, paused, and the old one runs.
    bed.up(named("fresh", "v1"))
    await bed.until_running("fresh")
    bed.up(named("rest", "v2"))
    await bed.until(Kind.DEPLOYMENT, "rest", lambda found: image_of(found) == "rest:v2")
    assert await bed.sizes("rest") == {"rest:v1": 4}

    # Suspended and resumed in mid-release: nothing moves. A newer version: paused.
    for verb in ("suspend", "resume"):
        bed.vela("workflow", verb, "cart")
    bed.up(named("desk", "v3"))
    await bed.until(Kind.DEPLOYMENT, "desk", lambda found: image_of(found) == "desk:v3")
    for name in ("cart", "desk"):
        assert await bed.sizes(name) == {f"{name}:v1": 3, f"{name}:v2": 1}

    # The way back: the old Application, and one command of kubectl.
    bed.up(named("desk", "v1"))
    await bed.until(Kind.DEPLOYMENT, "desk", lambda found: image_of(found) == "desk:v1")
    assert await bed.sizes("desk") == {"desk:v1": 3, "desk:v2": 1}
    await kubectl_rollout_resume(bed, "desk")
    await bed.until(Kind.DEPLOYMENT, "desk", lambda found: serves(found, 4))
    assert await bed.sizes("desk") == {"desk:v1": 4}

    # Deleted at rest: gone.
    await bed.client.delete(APPLICATIONS, "fresh", bed.namespace, uid=None)
    await gone(bed, "fresh")

    both.start()
    # What nobody approved is not approved; what was taken back is healthy, and as it was.
    await bed.until_phase("desk", "Healthy")
    await bed.until_running("desk")
    assert (await bed.get(Kind.DEPLOYMENT, "desk"))["spec"] == before
    await bed.until_paused("rest", 1)
    await bed.until_paused("cart", 1)
    assert await bed.sizes("cart") == {"cart:v1": 3, "cart:v2": 1}

    for name in ("cart", "desk", "rest"):
        await bed.client.delete(APPLICATIONS, name, bed.namespace, uid=None)
    for name in ("cart", "desk", "rest"):
        await gone(bed, name)
    assert [left for kind in LEFT for left in await bed.items(kind)] == []

    # Created again: adopted anew.
    bed.up(named("cart", "v2"))
    await bed.until_running("cart")
    await bed.until_phase("cart", "Healthy")
    assert await bed.sizes("cart") == {"cart:v2": 4}


async def test_a_release_deleted_without_tandem_waits_for_one_finalizer_and_the_shown_command(
    bed: VelaBed, both: Tandem
) -> None:
    bed.up(named("shop", "v1"))
    await bed.until_running()
    bed.up(named("shop", "v2"))
    await bed.until_paused("shop", 1)
    both.kill()
    await bed.client.delete(APPLICATIONS, "shop", bed.namespace, uid=None)
    await bed.until(Kind.DEPLOYMENT, "shop", lambda found: found is None)
    await bed.until(Kind.ROLLOUT, "shop", lambda found: found is not None and deleting(found))
    assert "deleting" in bed.vela("status", "shop")
    let_go = shown.command("tandem-dead.md", "kubectl", "patch")
    shown.kubectl(bed.kubevela.cluster, let_go, bed.namespace)
    await gone(bed, "shop")
    both.start()
    # The garbage collector takes the records when the last of their owners is gone.
    for kind in LEFT:
        for left in await bed.items(kind):
            await bed.until(kind, left["metadata"]["name"], lambda found: found is None)


async def test_break_glass_lets_a_rejected_version_through(bed: VelaBed) -> None:
    bed.up(named("shop", "v1"))
    await bed.until_running()
    bed.up(named("shop", "v2"))
    await bed.until_paused("shop", 1)
    await bed.patch(Kind.ROLLOUT, "shop", {"metadata": {"annotations": {keys.ROLLBACK: ""}}})
    await bed.until_phase("shop", "Healthy")
    await bed.until_application(lambda found: not component(found).get("healthy", True))
    assert await bed.sizes("shop") == {"shop:v1": 4}
    await bed.until_application(lambda found: "is rejected since" in str(component(found)))

    # KubeVela writes nothing where its render hash is still the same, so a person writes.
    label = {"metadata": {"labels": {keys.BREAK_GLASS: "true"}}}
    stated = (await bed.get(Kind.DEPLOYMENT, "shop"))["spec"]["template"]
    stated["spec"]["containers"][0]["image"] = "shop:v2"
    await bed.patch(Kind.DEPLOYMENT, "shop", {**label, "spec": {"template": stated}})
    await bed.until(Kind.DEPLOYMENT, "shop", lambda found: serves(found, 4, "shop:v2"))
    await bed.until_running()
    assert await bed.sizes("shop") == {"shop:v2": 4}
    await bed.until_phase("shop", "Healthy")
    assert "is rejected" not in (await bed.get(Kind.ROLLOUT, "shop"))["status"]["message"]


def named(name: str, version: str) -> Obj:
    """Return an Application of that name, whose business image has it, too."""
    found = application("init:v1", f"{name}:{version}")
    found["metadata"]["name"] = name
    found["spec"]["components"][0]["name"] = name
    return found


async def kubectl_rollout_resume(bed: VelaBed, name: str) -> None:
    """Write what `kubectl rollout resume deployment/NAME` writes."""
    await bed.client.patch(
        KNOWN[Kind.DEPLOYMENT].resource,
        name,
        {"spec": {"paused": None}},
        bed.namespace,
        patch_type=PatchType.MERGE,
        field_manager=RESUMING_MANAGER,
    )


async def gone(bed: VelaBed, name: str) -> None:
    """Wait until an Application is gone."""
    await wait_for(
        bed.client,
        APPLICATIONS,
        name,
        bed.namespace,
        lambda found: found is None,
        seconds=DELETED_SECONDS,
    )


def image_of(found: Obj | None) -> str:
    if found is None:
        return ""
    return str(found["spec"]["template"]["spec"]["containers"][0]["image"])


def serves(found: Obj | None, pods: int, image: str = "") -> bool:
    """Whether all pods are of the stated version and available."""
    if found is None or (image and image_of(found) != image):
        return False
    status = found.get("status", {})
    seen = status.get("observedGeneration") == found["metadata"]["generation"]
    counts = [status.get(f"{k}eplicas") for k in ("r", "updatedR", "availableR")]
    return seen and counts == [pods] * 3


def deleting(found: Obj) -> bool:
    return "deletionTimestamp" in found["metadata"]
