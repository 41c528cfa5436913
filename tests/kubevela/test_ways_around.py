"""What people do around a release: break the glass, disable it, take the trait away."""

from __future__ import annotations

import subprocess

import pytest

from demo.processes import TANDEM
from tandem_controller import keys
from tandem_controller.effect import Kind
from tests.cluster.bed import Obj
from tests.kubevela.bed import VelaBed, application, phase
from tests.kubevela.test_builtin_components import REPLICAS, deployment
from tests.kubevela.test_builtin_components import application as built_in

pytestmark = pytest.mark.kubevela

MARKS = {keys.IN_PROGRESSING, keys.REJECTED, keys.FROZEN}


async def test_break_glass_lets_a_held_version_through(bed: VelaBed) -> None:
    await held(bed)
    label = {"metadata": {"labels": {keys.BREAK_GLASS: "true"}}}
    stated = (await bed.get(Kind.DEPLOYMENT, "shop"))["spec"]["template"]
    stated["spec"]["initContainers"][0]["image"] = "init:v2"
    await bed.patch(Kind.DEPLOYMENT, "shop", {**label, "spec": {"template": stated}})
    await bed.until_running()
    await bed.until(Kind.ROLLOUT, "shop", lambda found: not is_held(found))
    await bed.until_phase("shop", "Healthy")
    assert await bed.images() == ("init:v2", "shop:v1")
    assert {pod_init(pod) for pod in await bed.items(Kind.POD)} == {"init:v2"}


async def test_what_is_accepted_while_the_rollout_is_disabled_stays_held(bed: VelaBed) -> None:
    """The wish is taken away unmet, and the hold is in force again with the Rollout."""
    before = await held(bed)
    await bed.patch(Kind.ROLLOUT, "shop", {"spec": {"disabled": True}})
    await bed.until_phase("shop", "Disabled")
    await bed.patch(Kind.ROLLOUT, "shop", {"metadata": {"annotations": {keys.ACCEPT: ""}}})
    await bed.until(Kind.ROLLOUT, "shop", lambda found: keys.ACCEPT not in annotations_of(found))
    assert (await bed.get(Kind.DEPLOYMENT, "shop"))["spec"] == before

    await bed.patch(Kind.ROLLOUT, "shop", {"spec": {"disabled": False}})
    await bed.until_message("shop", "platform change held (init=init:v2)")
    await bed.patch(Kind.ROLLOUT, "shop", {"metadata": {"annotations": {keys.ACCEPT: ""}}})
    await bed.until_paused("shop", 1)
    assert await bed.images() == ("init:v2", "shop:v1")


async def test_without_its_trait_a_release_keeps_its_rollout_until_it_has_ended(
    bed: VelaBed,
) -> None:
    """KubeVela takes the Rollout away once the workflow has ended, which waits for the pods."""
    bed.up(application("init:v1", "shop:v1"))
    await bed.until_running()
    before = (await bed.get(Kind.DEPLOYMENT, "shop"))["spec"]
    bed.up(application("init:v1", "shop:v2"))
    await bed.until_paused("shop", 1)

    bare = application("init:v1", "shop:v2")
    del bare["spec"]["components"][0]["traits"]
    bed.up(bare)
    await bed.until_application(lambda found: phase(found) == "runningWorkflow")
    assert await bed.sizes("shop") == {"shop:v1": 3, "shop:v2": 1}
    for step in (1, 2):
        await bed.until_paused("shop", step)
        tandem(bed, "approve", "shop")
    await bed.until_running()
    await bed.until(Kind.ROLLOUT, "shop", lambda found: found is None)
    assert await bed.sizes("shop") == {"shop:v2": 4}
    assert knobs((await bed.get(Kind.DEPLOYMENT, "shop"))["spec"]) == knobs(before)
    assert not MARKS & set(annotations_of(await bed.get(Kind.DEPLOYMENT, "shop")))


async def test_where_kubevela_does_not_wait_the_release_is_frozen_and_doctor_lets_it_go(
    bed: VelaBed,
) -> None:
    """`k8s-objects` are healthy as soon as they are applied, so the Rollout goes at once."""
    bed.up(built_in({"type": "k8s-objects", "properties": {"objects": [deployment("shop:v1")]}}))
    await bed.until_running()
    before = (await bed.get(Kind.DEPLOYMENT, "shop"))["spec"]
    stated = built_in({"type": "k8s-objects", "properties": {"objects": [deployment("shop:v2")]}})
    bed.up(stated)
    await bed.until_paused("shop", 1)

    del stated["spec"]["components"][0]["traits"]
    bed.up(stated)
    await bed.until_running()
    await bed.until(Kind.ROLLOUT, "shop", lambda found: found is None)
    frozen = await bed.get(Kind.DEPLOYMENT, "shop")
    assert frozen["spec"]["paused"]
    assert len(await bed.sizes("shop")) == 2

    tandem(bed, "doctor", "--fix", "--yes", everywhere=True)
    await bed.until(Kind.DEPLOYMENT, "shop", lambda found: not (found or {})["spec"].get("paused"))
    await bed.until(Kind.DEPLOYMENT, "shop", all_available)
    assert await bed.sizes("shop") == {"shop:v2": REPLICAS}
    ended = await bed.get(Kind.DEPLOYMENT, "shop")
    assert knobs(ended["spec"]) == knobs(before)
    assert not MARKS & set(annotations_of(ended))


async def held(bed: VelaBed) -> Obj:
    """Bring an Application to rest with init:v2 held; return the Deployment's spec."""
    bed.up(application("init:v1", "shop:v1"))
    await bed.until_running()
    await bed.until_proven("shop")
    before: Obj = (await bed.get(Kind.DEPLOYMENT, "shop"))["spec"]
    bed.up(application("init:v2", "shop:v1"))
    await bed.until_message("shop", "platform change held (init=init:v2)")
    assert (await bed.get(Kind.DEPLOYMENT, "shop"))["spec"] == before
    return before


def knobs(spec: Obj) -> Obj:
    """Return what a release changes besides the template."""
    return {key: value for key, value in spec.items() if key != "template"}


def pod_init(pod: Obj) -> str:
    return str(pod["spec"]["initContainers"][0]["image"])


def is_held(found: Obj | None) -> bool:
    conditions = (found or {}).get("status", {}).get("conditions", ())
    return any(c["type"] == "Held" and c["status"] == "True" for c in conditions)


def annotations_of(found: Obj | None) -> Obj:
    wanted: Obj = (found or {}).get("metadata", {}).get("annotations", {})
    return wanted


def all_available(found: Obj | None) -> bool:
    status = (found or {}).get("status", {})
    wanted = (found or {})["spec"]["replicas"]
    return bool(status.get("updatedReplicas") == status.get("availableReplicas") == wanted)


def tandem(bed: VelaBed, *arguments: str, everywhere: bool = False) -> str:
    """Run the command `tandem` as its user does; doctor finds other things, too."""
    access = ["--kubeconfig", str(bed.kubevela.cluster.kubeconfig)]
    access += [] if everywhere else ["-n", bed.namespace]
    done = subprocess.run(
        [str(TANDEM), *arguments, *access], check=False, timeout=60, capture_output=True, text=True
    )
    assert everywhere or done.returncode == 0, done.stderr
    return done.stdout
