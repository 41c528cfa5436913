"""`tandem migrate kruise` against a real API server; in flight, with the real Kruise Rollouts.

With the program `kruise-rollouts-manager` on the PATH and KRUISE_ROLLOUTS_SOURCE naming its
source, releases are put into flight by it. Without, those tests say that they were skipped.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

from demo.processes import TandemProcess
from devcluster.cluster import DevCluster
from tandem_cli import main
from tandem_cli.migration.inventory import DEPLOYMENTS, MUTATING, VALIDATING
from tandem_controller.effect import Kind
from tandem_controller.install import CRD
from tandem_controller.kube.client import Client
from tandem_controller.kube.errors import AlreadyExists, ApiError
from tandem_controller.kube.resource import Resource
from tandem_controller.kube.wait import wait_for
from tests.cluster import bodies, kruise
from tests.cluster.bed import Bed
from tests.cluster.namespace import NAMESPACES, create_namespace

pytestmark = pytest.mark.cluster

OWN = "kube-system"
"""Where Tandem keeps its Lease beside the dev cluster."""
RESOURCES = {
    "Namespace": NAMESPACES,
    "Deployment": DEPLOYMENTS,
    "MutatingWebhookConfiguration": MUTATING,
    "ValidatingWebhookConfiguration": VALIDATING,
    "CustomResourceDefinition": CRD,
}
STEPS = [bodies.step(20), bodies.step(50)]
TOUCHED = (Kind.POD, Kind.REPLICA_SET, Kind.SERVICE, Kind.INGRESS, Kind.HTTP_ROUTE)
needs_kruise = pytest.mark.skipif(
    not (kruise.program() and kruise.source()),
    reason=f"{kruise.PROGRAM} is not on the PATH, or KRUISE_ROLLOUTS_SOURCE is not set",
)


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevCluster]:
    """A cluster with Kruise Rollouts installed, of one test's own: a migration concerns it all."""
    with DevCluster("kruise", state_dir=tmp_path_factory.mktemp("kruise")) as cluster:
        yield cluster


@pytest.fixture
async def client(cluster: DevCluster) -> AsyncIterator[Client]:
    client = await Client.connect(kubeconfig=cluster.kubeconfig, user_agent="test")
    for body in (*kruise.crds(), *kruise.installation()):
        await _create(client, RESOURCES[body["kind"]], body)
    try:
        yield client
    finally:
        await client.close()


@pytest.fixture
async def manager(cluster: DevCluster, client: Client) -> AsyncIterator[kruise.Manager]:
    """The real manager; it lives as long as its Deployment wants replicas."""
    manager = kruise.Manager(cluster)
    kubelet = asyncio.create_task(_as_kubelet(client, manager))
    await asyncio.to_thread(manager.start)
    await wait_for(client, CRD, "rollouts.rollouts.kruise.io", None, _converted, seconds=60)
    try:
        yield manager
    finally:
        kubelet.cancel()
        with suppress(asyncio.CancelledError):
            await kubelet
        manager.stop()


async def _as_kubelet(client: Client, manager: kruise.Manager) -> None:
    """Stop and start the process as its Deployment says."""
    for wanted, act in ((False, manager.stop), (True, manager.start), (False, manager.stop)):
        await wait_for(
            client,
            DEPLOYMENTS,
            kruise.DEPLOYMENT,
            kruise.NAMESPACE,
            _wants_replicas if wanted else _wants_none,
            seconds=300,
        )
        await asyncio.to_thread(act)


def _wants_replicas(deployment: dict[str, Any] | None) -> bool:
    return bool(deployment and deployment["spec"]["replicas"])


def _wants_none(deployment: dict[str, Any] | None) -> bool:
    return not _wants_replicas(deployment)


def _converted(crd: dict[str, Any] | None) -> bool:
    webhook = ((crd or {}).get("spec", {}).get("conversion") or {}).get("webhook") or {}
    return bool((webhook.get("clientConfig") or {}).get("url"))


async def _create(client: Client, resource: Resource, body: dict[str, Any]) -> None:
    with suppress(AlreadyExists):
        namespace = body["metadata"].get("namespace")
        await client.create(resource, body, namespace, field_manager="helm")


async def _bed(client: Client, **rollout: Any) -> Bed:  # noqa: ANN401 - fields of a body
    bed = Bed(client, await create_namespace(client))
    await bed.create(Kind.SERVICE, bodies.service())
    await bed.create(Kind.HTTP_ROUTE, bodies.http_route())
    await bed.create(Kind.INGRESS, bodies.ingress())
    await bed.create(Kind.DEPLOYMENT, bodies.deployment())
    await bed.until(Kind.DEPLOYMENT, "shop", _available)
    await bed.create(Kind.ROLLOUT, bodies.rollout(steps=STEPS, **rollout))
    return bed


def _available(obj: dict[str, Any] | None) -> bool:
    return bool(obj and obj.get("status", {}).get("availableReplicas") == 10)


async def _run(cluster: DevCluster, *words: str) -> Result:
    arguments = ["migrate", "kruise", *words, "-n", OWN, "--kubeconfig", str(cluster.kubeconfig)]
    return await asyncio.to_thread(CliRunner().invoke, main.build(arguments), arguments)


async def _versions(bed: Bed) -> dict[str, str]:
    """Return the uid and content of everything that carries traffic, without bookkeeping."""
    out = {}
    for kind in TOUCHED:
        for obj in await bed.items(kind):
            metadata = obj["metadata"]
            if kind is Kind.REPLICA_SET and not obj["spec"].get("replicas"):
                continue
            spec = {k: v for k, v in obj.get("spec", {}).items() if k != "minReadySeconds"}
            key = f"{kind} {metadata['name']}"
            labels = metadata.get("labels") or {}
            chosen = {k: v for k, v in labels.items() if not k.startswith("rollouts.kruise.io/")}
            chosen.pop("controller-revision-hash", None)  # Kruise writes it when it gets to it
            content = msgspec.json.encode([metadata["uid"], chosen, spec])
            out[key] = content.decode()
    return out


@pytest.fixture
async def beds(client: Client, manager: kruise.Manager) -> dict[str, Bed]:
    """Three releases that the real Kruise Rollouts has paused at their first step; one at rest."""
    del manager
    beds = {
        "partition": await _bed(client, routing=bodies.BY_ROUTE),
        "canary": await _bed(client, style="canary", routing=bodies.BY_ROUTE),
        "ingress": await _bed(client, routing=bodies.BY_INGRESS),
        "rest": await _bed(client, routing=bodies.BY_ROUTE),
    }
    for bed in beds.values():
        await bed.until_phase("shop", "Healthy")
    for bed in _flying(beds):
        await bed.until(Kind.DEPLOYMENT, "shop", _marked)
        await bed.patch(Kind.DEPLOYMENT, "shop", bodies.new_images("init:v2", "shop:v2"))
    for bed in _flying(beds):
        await bed.until_paused("shop", 1)
    return beds


def _flying(beds: dict[str, Bed]) -> list[Bed]:
    return [bed for name, bed in beds.items() if name != "rest"]


async def _traffic_of(beds: dict[str, Bed]) -> set[tuple[str, str, str]]:
    return {
        (name, what, content)
        for name, bed in beds.items()
        for what, content in (await _versions(bed)).items()
    }


@needs_kruise
async def test_releases_in_flight_go_on_in_tandem_exactly_where_they_were(
    cluster: DevCluster, beds: dict[str, Bed]
) -> None:
    before = await _traffic_of(beds)
    planned = await _run(cluster, "--plan")
    assert planned.exit_code == 0, planned.output
    assert planned.output.count("paused at step 1/2") == 3
    assert await _traffic_of(beds) ^ before == set()
    applied = await _run(cluster, "--apply", "--yes")
    assert applied.exit_code == 0, applied.output
    assert await _traffic_of(beds) ^ before == set()
    webhook, controller = TandemProcess.webhook(cluster), TandemProcess.controller(cluster)
    webhook.start()
    controller.start()
    try:
        await beds["rest"].until(Kind.ROLLOUT, "shop", _healthy)
        for bed in _flying(beds):
            # The place was Kruise's until then; what is approved before Tandem has looked is lost.
            await bed.until_message("shop", "tandem approve shop")
            await bed.until_paused("shop", 1)
        assert await _traffic_of(beds) ^ before == set()
        for bed in _flying(beds):
            await bed.approve("shop")
        for bed in _flying(beds):
            await bed.until_paused("shop", 2)
            assert await _new_pods(bed) == 5
        for bed in _flying(beds):
            await bed.patch(Kind.DEPLOYMENT, "shop", bodies.new_images("init:v1", "shop:v1"))
            await bed.until_phase("shop", "Healthy")
            assert await _new_pods(bed) == 0
            spec = (await bed.get(Kind.DEPLOYMENT, "shop"))["spec"]
            assert spec["strategy"] == bodies.deployment()["spec"]["strategy"]
            service = await bed.get(Kind.SERVICE, "shop")
            assert service["spec"]["selector"] == {"app": "shop"}
    finally:
        controller.stop()
        webhook.stop()


@needs_kruise
async def test_a_revert_gives_releases_in_flight_back_to_kruise(
    cluster: DevCluster, beds: dict[str, Bed]
) -> None:
    before = await _traffic_of(beds)
    applied = await _run(cluster, "--apply", "--yes")
    assert applied.exit_code == 0, applied.output
    reverted = await _run(cluster, "--revert", "--yes")
    assert reverted.exit_code == 0, reverted.output
    assert await _traffic_of(beds) ^ before == set()
    for bed in _flying(beds):
        await _until_kruise_goes_on(bed)
    for bed in _flying(beds):
        await bed.until_paused("shop", 2)
        assert await _new_pods(bed) == 5, await _sizes(bed)


async def _sizes(bed: Bed) -> list[tuple[str, str, int]]:
    return [
        (
            rs["metadata"]["name"],
            rs["metadata"]["ownerReferences"][0]["name"],
            rs["spec"]["replicas"],
        )
        for rs in await bed.items(Kind.REPLICA_SET)
    ]


async def _until_kruise_goes_on(bed: Bed) -> None:
    """Approve until it is seen: its webhook starts, and it may overwrite an approval."""
    async with asyncio.timeout(90):
        while True:
            with suppress(ApiError):
                place = (await bed.get(Kind.ROLLOUT, "shop"))["status"]["canaryStatus"]
                if place["currentStepIndex"] == 2:
                    return
                if place["currentStepState"] == "StepPaused":
                    await bed.approve("shop")
            await asyncio.sleep(2)


def _healthy(obj: dict[str, Any] | None) -> bool:
    return bool(obj and obj.get("status", {}).get("phase") == "Healthy")


async def _new_pods(bed: Bed) -> int:
    pods = await bed.items(Kind.POD)
    return sum(p["spec"]["containers"][0]["image"] == "shop:v2" for p in pods)


def _marked(obj: dict[str, Any] | None) -> bool:
    labels = (obj or {}).get("metadata", {}).get("labels") or {}
    return "rollouts.kruise.io/workload-type" in labels
