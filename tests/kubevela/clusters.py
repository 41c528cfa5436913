"""Two clusters: the hub with KubeVela, and one that was joined to it; Tandem in both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from demo.processes import TandemProcess
from devcluster.cluster import DevCluster
from tandem_controller.kube.client import Client
from tandem_controller.kube.wait import wait_for
from tests.cluster.administrator import as_admin
from tests.cluster.bed import Bed
from tests.cluster.conftest import until_webhooks_are_asked
from tests.cluster.namespace import NAMESPACES, create_namespace
from tests.kubevela.bed import VelaBed
from tests.kubevela.conftest import ADDON
from tests.kubevela.core import KubeVela
from tests.kubevela.gateway import ClusterGateway, joinable
from tests.kubevela.programs import Programs

EDGE = "edge"
"""The name by which the second cluster was joined."""


@dataclass(frozen=True)
class Clusters:
    """The hub's KubeVela and the cluster that was joined."""

    kubevela: KubeVela
    edge: DevCluster


@dataclass(frozen=True)
class Beds:
    """One namespace of the same name in both clusters."""

    hub: VelaBed
    edge: Bed


@contextmanager
def two_clusters(programs: Programs, gateway: Path, folder: Path) -> Iterator[Clusters]:
    """Start both, join them, and enable Tandem in both by one `vela addon enable`.

    Its pods are fake in both clusters; its processes run beside them.
    """
    with ExitStack() as stack:
        hub = stack.enter_context(DevCluster("hub", state_dir=folder / "hub"))
        edge = stack.enter_context(DevCluster(EDGE, state_dir=folder / EDGE))
        kubevela = KubeVela(hub, programs, folder, "--enable-cluster-gateway")
        as_admin(hub, kubevela.install)
        beside = stack.enter_context(ClusterGateway(hub, gateway, folder))
        as_admin(hub, beside.register)
        stack.enter_context(kubevela)
        kubevela.vela("cluster", "join", str(joinable(edge, folder)), "--name", EDGE)
        kubevela.vela("addon", "enable", str(ADDON), "-y", f"clusters={{local,{EDGE}}}")
        for cluster in (hub, edge):
            stack.enter_context(_tandem(cluster))
        yield Clusters(kubevela, edge)


@asynccontextmanager
async def beds(clusters: Clusters, folder: Path) -> AsyncIterator[Beds]:
    """Make a namespace of one test's own in both clusters."""
    hub = await Client.connect(kubeconfig=clusters.kubevela.cluster.kubeconfig, user_agent="test")
    edge = await Client.connect(kubeconfig=clusters.edge.kubeconfig, user_agent="test")
    try:
        name = await create_namespace(hub)
        await create_namespace(edge, name)
        yield Beds(VelaBed(hub, name, clusters.kubevela, folder), Bed(edge, name))
        # KubeVela deletes what it deployed elsewhere with the Application.
        await hub.delete(NAMESPACES, name, uid=None)
        await wait_for(hub, NAMESPACES, name, None, lambda o: o is None, seconds=120)
        await edge.delete(NAMESPACES, name, uid=None)
    finally:
        await hub.close()
        await edge.close()


@contextmanager
def _tandem(cluster: DevCluster) -> Iterator[None]:
    webhook, controller = TandemProcess.webhook(cluster), TandemProcess.controller(cluster)
    webhook.start()
    try:
        asyncio.run(until_webhooks_are_asked(cluster))
        controller.start()
        yield
    finally:
        controller.stop()
        webhook.stop()
