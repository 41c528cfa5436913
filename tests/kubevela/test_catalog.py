"""The definitions of KubeVela's catalog for OpenKruise Rollouts, on Tandem's controller.

They are input and no part of this project: KUBEVELA_CATALOG names a checkout of the catalog.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cluster.bed import Obj
from tests.kubevela.bed import VelaBed, application

pytestmark = pytest.mark.kubevela

CATALOG_VARIABLE = "KUBEVELA_CATALOG"


@pytest.fixture
def catalog(bed: VelaBed) -> None:
    """The addon's three definitions, applied; its controller is ours."""
    named = os.environ.get(CATALOG_VARIABLE)
    if not named:
        pytest.skip(f"{CATALOG_VARIABLE} is not set: name a checkout of KubeVela's catalog")
    for name in ("kruise-rollout", "rolling-release", "canary-deploy"):
        path = Path(named) / "addons/kruise-rollout/definitions" / f"{name}.cue"
        bed.kubevela.vela("def", "apply", str(path))


@pytest.mark.usefixtures("catalog")
async def test_the_trait_kruise_rollout_releases_in_steps(bed: VelaBed) -> None:
    bed.up(with_trait("shop:v1"))
    await bed.until_running()
    await bed.until_phase("shop", "Healthy")

    bed.up(with_trait("shop:v2"))
    await bed.until_paused("shop", 1)
    # The trait's default is the canary style: new pods stand in a Deployment of their own.
    assert await bed.sizes("shop") == {"shop:v1": 4}
    assert await bed.sizes("shop-canary") == {"shop:v2": 2}
    bed.vela("workflow", "resume", "shop")
    await bed.until_phase("shop", "Healthy")
    await bed.until_running()
    assert await bed.sizes("shop") == {"shop:v2": 4}


@pytest.mark.usefixtures("catalog")
async def test_the_step_canary_deploy_drives_a_release_by_its_weights(bed: VelaBed) -> None:
    # Its trait is healthy only once the workload exists, which is applied after it: the first
    # deployment has to go without it (with OpenKruise's controller, too).
    bed.up(shop("shop:v1", traits=[]))
    await bed.until_running()

    bed.up(by_weights("shop:v2"))
    await bed.until_paused("shop", 1)
    await bed.until_application(lambda o: suspended_in(o, 2))
    assert await bed.sizes("shop") == {"shop:v1": 2, "shop:v2": 2}
    bed.vela("workflow", "resume", "shop")
    await bed.until_running()
    assert await bed.sizes("shop") == {"shop:v2": 4}


def with_trait(business: str) -> Obj:
    steps: list[Obj] = [
        {"weight": 50, "replicas": "50%"},
        {"weight": 100, "replicas": "100%", "duration": 0},
    ]
    return shop(business, traits=[{"type": "kruise-rollout", "canary": {"steps": steps}}])


def by_weights(business: str) -> Obj:
    workflow: list[Obj] = [
        {"name": "half", "type": "canary-deploy", "properties": {"weight": 50}},
        {"name": "look", "type": "suspend"},
        {"name": "all", "type": "canary-deploy", "properties": {"weight": 100}},
    ]
    return shop(business, traits=[], workflow=workflow)


def shop(business: str, *, traits: list[Obj], workflow: list[Obj] | None = None) -> Obj:
    """Return an Application of KubeVela's own `webservice` with four replicas."""
    found = application("", business, workflow=workflow)
    stated: Obj = {"type": "scaler", "properties": {"replicas": 4}}
    given = [{"type": t.pop("type"), "properties": t} for t in traits]
    found["spec"]["components"] = [
        {
            "name": "shop",
            "type": "webservice",
            "properties": {"image": business},
            "traits": [stated, *given],
        }
    ]
    return found


def suspended_in(found: Obj, revision: int) -> bool:
    """Whether the workflow of one revision of the Application is suspended."""
    workflow: Obj = found.get("status", {}).get("workflow", {})
    current = workflow.get("appRevision") == f"shop-v{revision}"
    return current and bool(workflow.get("suspend"))
