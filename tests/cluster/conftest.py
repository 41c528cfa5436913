"""Fixtures of the tests that run the controller against a real API server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from demo import processes
from demo.processes import TandemProcess
from devcluster.cluster import DevCluster
from tandem_controller.install import install
from tandem_controller.kube.client import Client
from tests.cluster.account import ACCOUNT, restrict
from tests.cluster.bed import Bed
from tests.cluster.namespace import own_namespace
from tests.cluster.rights import refused

CONTROLLER_USER = ACCOUNT


@pytest.fixture(scope="session")
def tandem(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevCluster]:
    """A cluster of its own, with everything installed that the controller needs."""
    folder = tmp_path_factory.mktemp("tandem")
    with DevCluster("tandem", state_dir=folder) as cluster:
        asyncio.run(_install(cluster))
        yield cluster
        missing = refused(cluster.audit_log, CONTROLLER_USER)
    assert missing == set(), "the addon's roles lack what a test made Tandem ask for"


@pytest.fixture(scope="session")
def tandem_webhook(tandem: DevCluster) -> Iterator[TandemProcess]:
    """The webhooks beside that cluster; whoever kills them starts them again."""
    webhook = TandemProcess.webhook(tandem)
    webhook.start()
    asyncio.run(until_webhooks_are_asked(tandem))
    try:
        yield webhook
    finally:
        webhook.stop()


@pytest.fixture(scope="session")
def tandem_process(tandem: DevCluster, tandem_webhook: TandemProcess) -> Iterator[TandemProcess]:
    """The controller beside that cluster; whoever kills it starts it again."""
    del tandem_webhook
    controller = TandemProcess.controller(tandem)
    controller.start()
    try:
        yield controller
    finally:
        controller.stop()


async def _install(cluster: DevCluster) -> None:
    client = await Client.connect(kubeconfig=cluster.kubeconfig, user_agent="test")
    try:
        await install(client, writers=[CONTROLLER_USER])
        await restrict(client, cluster)
    finally:
        await client.close()


async def until_webhooks_are_asked(cluster: DevCluster) -> None:
    client = await Client.connect(kubeconfig=cluster.kubeconfig, user_agent="test")
    try:
        await processes.until_webhooks_are_asked(client)
    finally:
        await client.close()


@pytest.fixture
async def bed(tandem: DevCluster, tandem_process: TandemProcess) -> AsyncIterator[Bed]:
    """A namespace of one test's own, seen by an ordinary user."""
    del tandem_process
    user = tandem.kubeconfig_for("tandem-user")
    async with own_namespace(user) as (client, name):
        yield Bed(client, name)
