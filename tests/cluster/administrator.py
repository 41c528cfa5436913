"""What a cluster's administrator does before any test runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from devcluster.cluster import DevCluster
from tandem_controller.kube.client import Client


def as_admin(cluster: DevCluster, action: Callable[[Client], Awaitable[object]]) -> None:
    """Do something as the administrator."""

    async def connected() -> None:
        client = await Client.connect(kubeconfig=cluster.kubeconfig, user_agent="test")
        try:
            await action(client)
        finally:
            await client.close()

    asyncio.run(connected())
