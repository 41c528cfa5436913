"""Fixtures of the tests that run Tandem on the real node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from demo.processes import USER, TandemProcess, until_webhooks_are_asked
from devcluster.cluster import DevCluster
from tandem_controller.install import install
from tandem_controller.kube.client import Client
from tests.cluster.namespace import own_namespace
from tests.e2e.shop import ShopBed


@dataclass(frozen=True)
class Installed:
    """A cluster with a real node, and the controller beside it."""

    cluster: DevCluster
    controller: TandemProcess


@pytest.fixture(scope="session")
def installed(real_cluster: DevCluster) -> Iterator[Installed]:
    """Tandem on the real node; whoever kills the controller starts it again."""
    webhook, controller = (
        TandemProcess.webhook(real_cluster),
        TandemProcess.controller(real_cluster),
    )
    asyncio.run(_prepare(real_cluster, webhook))
    controller.start()
    try:
        yield Installed(real_cluster, controller)
    finally:
        controller.stop()
        webhook.stop()


async def _prepare(cluster: DevCluster, webhook: TandemProcess) -> None:
    client = await Client.connect(kubeconfig=cluster.kubeconfig, user_agent="test")
    try:
        await install(client, writers=[USER])
        webhook.start()
        await until_webhooks_are_asked(client)
    finally:
        await client.close()


@pytest.fixture
async def bed(installed: Installed, tmp_path: Path) -> AsyncIterator[ShopBed]:
    """A namespace of one test's own, seen by an ordinary user."""
    user = installed.cluster.kubeconfig_for("tandem-user")
    async with own_namespace(user) as (client, name):
        yield ShopBed(client, name, url=installed.cluster.gateway_url, folder=tmp_path)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what needs the machine's only place for a node before the session's cluster takes it."""
    own = ("test_controller_image", "test_real_node")
    items.sort(key=lambda item: next((n for n, f in enumerate(own) if f in item.nodeid), len(own)))
