"""Beside another controller of the Rollout API Tandem takes over nothing (DESIGN §2.1)."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator

import msgspec
import pytest

from demo.processes import NAMESPACE, TandemProcess, until_webhooks_are_asked
from devcluster.api import wait
from devcluster.cluster import DevCluster
from tandem_controller.api.kruise import CONTROL_PLANE, CONTROLLER
from tandem_controller.effect import Kind
from tandem_controller.install import install_crds
from tandem_controller.kube.client import Client, PatchType
from tandem_controller.kube.resource import Resource
from tandem_controller.kube.wait import wait_for
from tandem_controller.standby import CONFIGURATIONS, DEPLOYMENTS
from tests.cluster import bodies
from tests.cluster.account import restrict
from tests.cluster.bed import Bed, images
from tests.cluster.namespace import NAMESPACES

pytestmark = pytest.mark.cluster

HOME = "kruise-rollout"
EVENTS = Resource("events.k8s.io", "v1", "events", "Event")
POLICIES = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingadmissionpolicies",
    "ValidatingAdmissionPolicy",
    namespaced=False,
)


@pytest.fixture(scope="module")
def cluster_with_another(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevCluster]:
    """A cluster in which a Deployment of Kruise Rollouts runs."""
    with DevCluster("standby", state_dir=tmp_path_factory.mktemp("standby")) as cluster:
        asyncio.run(_prepare(cluster))
        yield cluster


@pytest.fixture
async def admin(cluster_with_another: DevCluster) -> AsyncIterator[Client]:
    client = await Client.connect(kubeconfig=cluster_with_another.kubeconfig, user_agent="test")
    yield client
    await client.close()


async def test_it_stands_by_until_the_other_is_gone_and_steps_aside_when_it_comes_back(
    cluster_with_another: DevCluster, admin: Client
) -> None:
    bed = Bed(admin, "shop")
    controller = TandemProcess.controller(cluster_with_another)
    webhook = TandemProcess.webhook(cluster_with_another)
    try:
        webhook.start()
        controller.start()
        health = controller.health_address()
        await _until_standing_by(admin, health)
        await bed.patch(Kind.DEPLOYMENT, "shop", bodies.new_images("init:v2", "shop:v2"))
        await bed.until(Kind.DEPLOYMENT, "shop", _rolled_out)
        assert "status" not in await bed.get(Kind.ROLLOUT, "shop")
        assert await _ours(admin) == []

        await _run_the_other(admin, replicas=0)
        await bed.until_phase("shop", "Healthy")
        assert images(await bed.items(Kind.POD)) == {("init:v2", "shop:v2")}
        await asyncio.to_thread(wait, "readiness", lambda: _readiness(health) == "ok", seconds=30)
        await until_webhooks_are_asked(admin)
        assert await _ours(admin) == ["tandem", "tandem", "tandem-workload"]

        await _run_the_other(admin, replicas=1)
        both = (controller, webhook)
        await asyncio.to_thread(
            wait, "stepping aside", lambda: all(process.died for process in both), seconds=30
        )
        assert await _ours(admin) == []
    finally:
        controller.stop()
        webhook.stop()


async def _until_standing_by(admin: Client, health: str) -> None:
    other = f"Deployment {HOME}/{CONTROLLER} runs 1 replicas"
    await asyncio.to_thread(wait, "standing by", lambda: other in _readiness(health), seconds=30)
    async with asyncio.timeout(30):
        while b"StandingBy" not in await admin.list_page(EVENTS, namespace=NAMESPACE):  # noqa: ASYNC110 - Events of any name
            await asyncio.sleep(0.2)


def _readiness(address: str) -> str:
    try:
        with urllib.request.urlopen(f"http://{address}/readyz", timeout=5) as answer:
            return str(answer.read().decode().strip())
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.read().decode()


def _rolled_out(found: bodies.Obj | None) -> bool:
    status = (found or {}).get("status", {})
    return (status.get("updatedReplicas"), status.get("availableReplicas")) == (10, 10)


async def _ours(admin: Client) -> list[str]:
    """Return the names of what points the API server to Tandem."""
    pages = [await admin.list_page(r) for r in (*CONFIGURATIONS.values(), POLICIES)]
    found = (item["metadata"]["name"] for p in pages for item in msgspec.json.decode(p)["items"])
    return [name for name in found if name.startswith("tandem")]


async def _prepare(cluster: DevCluster) -> None:
    admin = await Client.connect(kubeconfig=cluster.kubeconfig, user_agent="test")
    try:
        await install_crds(admin)
        await restrict(admin, cluster)
        for name in (HOME, "shop"):
            await admin.create(NAMESPACES, {"metadata": {"name": name}}, field_manager="test")
        other = bodies.deployment(CONTROLLER, replicas=1)
        other["metadata"]["labels"] = {CONTROL_PLANE: CONTROLLER}
        await admin.create(DEPLOYMENTS, other, HOME, field_manager="test")
        bed = Bed(admin, "shop")
        await bed.create(Kind.DEPLOYMENT, bodies.deployment())
        await bed.create(Kind.ROLLOUT, bodies.rollout(steps=[bodies.step(20), bodies.step(100)]))
        await bed.until(Kind.DEPLOYMENT, "shop", _rolled_out)
    finally:
        await admin.close()


async def _run_the_other(admin: Client, *, replicas: int) -> None:
    body = {"spec": {"replicas": replicas}}
    await admin.patch(DEPLOYMENTS, CONTROLLER, body, HOME, patch_type=PatchType.MERGE)
    await wait_for(
        admin,
        DEPLOYMENTS,
        CONTROLLER,
        HOME,
        lambda o: o is not None and o.get("status", {}).get("replicas", 0) == replicas,
        seconds=30,
    )
