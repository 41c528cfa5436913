"""What is done to a cluster of admission tests by its administrator."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from devcluster.cluster import DevCluster
from tandem_controller.kube.client import Client
from tests.cluster.admission.place import Place
from tests.cluster.namespace import own_namespace

WRITER = "tandem-controller"


def run(cluster: DevCluster, action: Callable[[Client], Awaitable[object]]) -> None:
    """Do something as the administrator."""

    async def connected() -> None:
        client = await Client.connect(kubeconfig=cluster.kubeconfig, user_agent="test")
        try:
            await action(client)
        finally:
            await client.close()

    asyncio.run(connected())


async def until_guarded(plane: DevCluster, admin: Client, guarded: str) -> None:
    """Wait until policies are compiled and bound, which nothing in the API tells."""
    async with own_namespace(plane.kubeconfig_for("tandem-user")) as (user, name):
        await Place(user, admin, name, guarded).stand()
