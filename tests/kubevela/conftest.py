"""Fixtures: KubeVela beside a dev cluster, Tandem enabled in it as an addon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest

from demo.processes import TandemProcess
from devcluster.cluster import DevCluster
from tandem_controller.kube.client import Client, PatchType
from tandem_controller.kube.errors import NotFound
from tandem_controller.kube.wait import wait_for
from tests.cluster.administrator import as_admin
from tests.cluster.admission.place import ALPHA
from tests.cluster.conftest import until_webhooks_are_asked
from tests.cluster.namespace import NAMESPACES, create_namespace, own_namespace
from tests.kubevela.bed import VelaBed
from tests.kubevela.core import APPLICATIONS, KubeVela
from tests.kubevela.lifecycle import NAME, Addon
from tests.kubevela.programs import DEFINITIONS_NAMESPACE, KubeVelaMissingError, Programs

ADDON = Path(__file__).parents[2] / "addon" / "tandem"


@pytest.fixture(scope="session")
def programs() -> Programs:
    """KubeVela's programs, or a skip that says what is missing."""
    try:
        return Programs.find()
    except KubeVelaMissingError as missing:
        pytest.skip(f"no KubeVela on this machine: {missing}")


@pytest.fixture(scope="session")
def kubevela(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeVela]:
    """KubeVela on a cluster with fake nodes, without Tandem."""
    folder = tmp_path_factory.mktemp("kubevela")
    with DevCluster("kubevela", state_dir=folder / "cluster") as cluster:
        found = KubeVela(cluster, programs, folder)
        as_admin(cluster, found.install)
        with found:
            yield found


@pytest.fixture(scope="session")
def tandem_webhook(kubevela: KubeVela) -> Iterator[TandemProcess]:
    """Tandem enabled as an addon, and its webhooks beside the cluster.

    Yields the webhooks; whoever kills them starts them again.
    """
    kubevela.vela("addon", "enable", str(ADDON), "-y")
    webhook = TandemProcess.webhook(kubevela.cluster)
    webhook.start()
    try:
        asyncio.run(until_webhooks_are_asked(kubevela.cluster))
        yield webhook
    finally:
        webhook.stop()


@pytest.fixture(scope="session")
def tandem(kubevela: KubeVela, tandem_webhook: TandemProcess) -> Iterator[TandemProcess]:
    """Tandem enabled as an addon; its pods are fake, its processes run beside the cluster.

    Yields the controller; whoever kills it starts it again.
    """
    del tandem_webhook
    controller = TandemProcess.controller(kubevela.cluster)
    controller.start()
    try:
        yield controller
    finally:
        controller.stop()


@pytest.fixture
async def bed(kubevela: KubeVela, tandem: TandemProcess, tmp_path: Path) -> AsyncIterator[VelaBed]:
    """A namespace of one test's own."""
    del tandem
    async with own_namespace(kubevela.cluster.kubeconfig) as (client, name):
        yield VelaBed(client, name, kubevela, tmp_path)


@pytest.fixture(scope="module")
def fresh_kubevela(
    programs: Programs, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KubeVela]:
    """A KubeVela in which nothing is enabled."""
    folder = tmp_path_factory.mktemp("lifecycle")
    with DevCluster("lifecycle", state_dir=folder / "cluster") as cluster:
        found = KubeVela(cluster, programs, folder)
        as_admin(cluster, found.install)
        with found:
            yield found


@pytest.fixture
async def fresh_bed(fresh_kubevela: KubeVela, tmp_path: Path) -> AsyncIterator[VelaBed]:
    """A namespace of one test's own."""
    client = await Client.connect(kubeconfig=fresh_kubevela.cluster.kubeconfig, user_agent="test")
    name = await create_namespace(client)
    try:
        yield VelaBed(client, name, fresh_kubevela, tmp_path)
    finally:
        await _let_go(client, name)
        await client.delete(NAMESPACES, name, uid=None)
        # The addon cannot be disabled while an Application of it is there.
        await wait_for(client, NAMESPACES, name, None, lambda o: o is None, seconds=120)
        await client.close()


async def _let_go(client: Client, namespace: str) -> None:
    """Take the finalizers away that nobody will, where the test has ended all of Tandem."""
    try:
        page = msgspec.json.decode(await client.list_page(ALPHA, namespace=namespace))
    except NotFound:
        return
    for rollout in page["items"]:
        metadata = rollout["metadata"]
        free = {"metadata": {"finalizers": None}}
        await client.patch(ALPHA, metadata["name"], free, namespace, patch_type=PatchType.MERGE)


@pytest.fixture
async def addon(fresh_kubevela: KubeVela, fresh_bed: VelaBed) -> AsyncIterator[Addon]:
    """The addon, not enabled, and taken away after the test."""
    made = Addon(fresh_kubevela, fresh_bed.client)
    yield made
    if await made.found(APPLICATIONS, NAME, DEFINITIONS_NAMESPACE):
        await made.break_glass()
        made.disable("-f")
        await made.until_gone()
