"""A user's first minutes: from `vela addon enable` to a canary that real requests see."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from demo.traffic import until_served
from devcluster import controller_image
from devcluster.cluster import DevCluster
from devcluster.fixtures import need_real_node
from tandem_controller.effect import Kind
from tandem_controller.kube.client import Client
from tests.cluster.administrator import as_admin
from tests.cluster.bed import images
from tests.cluster.namespace import NAMESPACES
from tests.e2e.shop import http_route
from tests.kubevela.bed import VelaBed, application
from tests.kubevela.conftest import ADDON
from tests.kubevela.core import KubeVela
from tests.kubevela.programs import Programs

pytestmark = [
    pytest.mark.kubevela,
    # Debian is fetched and the image is built, where neither is in the cache.
    pytest.mark.timeout(900),
]

IMAGE = (f"image={controller_image.REFERENCE}", "imagePullPolicy=Never")
NAMESPACE = "demo"


@pytest.fixture(scope="module")
def node_with_kubevela(
    programs: Programs, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KubeVela]:
    """A real node with the controller's image, and KubeVela; Tandem is not enabled."""
    need_real_node()
    controller_image.archive()
    folder = tmp_path_factory.mktemp("path")
    with DevCluster("path", real_node=True, state_dir=folder / "cluster") as cluster:
        controller_image.load(cluster.layout)
        found = KubeVela(cluster, programs, folder)
        as_admin(cluster, found.install)
        with found:
            yield found


@pytest.fixture
async def bed(node_with_kubevela: KubeVela, tmp_path: Path) -> AsyncIterator[VelaBed]:
    cluster = node_with_kubevela.cluster
    client = await Client.connect(kubeconfig=cluster.kubeconfig, user_agent="test")
    await client.create(NAMESPACES, {"metadata": {"name": NAMESPACE}}, field_manager="test")
    yield VelaBed(client, NAMESPACE, node_with_kubevela, tmp_path)
    await client.close()


def shop(version: str) -> dict[str, object]:
    """Return the Application with images that the node has."""
    ready = {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1}
    stated = application(f"init:{version}", f"shop:{version}", port=8080, readinessProbe=ready)
    (component,) = stated["spec"]["components"]
    component["properties"]["imagePullPolicy"] = "Never"
    component["traits"][0]["properties"]["traffic"] = {"httpRoute": "shop"}
    return stated


async def test_from_enabling_the_addon_to_the_first_canary_and_back(
    node_with_kubevela: KubeVela, bed: VelaBed, capsys: pytest.CaptureFixture[str]
) -> None:
    url, host = node_with_kubevela.cluster.gateway_url, "shop.example"
    began = time.monotonic()
    said = node_with_kubevela.vela("addon", "enable", str(ADDON), *IMAGE, "-y")
    enabled = time.monotonic()
    assert "enabled successfully" in said

    route = http_route(host) | {"metadata": {"name": "shop"}}
    route["spec"]["rules"][0]["backendRefs"][0]["port"] = 8080
    await bed.create(Kind.HTTP_ROUTE, route)
    bed.up(shop("v1"))
    await bed.until_running()
    await until_served(url, host=host)
    first = time.monotonic()
    bed.up(shop("v2"))
    await bed.until_paused("shop", 1)
    canary = time.monotonic()
    figures = (
        f"\nenabled after {enabled - began:.0f} s, first version serves after "
        f"{first - began:.0f} s, first canary waits after {canary - began:.0f} s\n"
    )
    with capsys.disabled():
        sys.stdout.write(figures)  # to be read, never compared
    assert await bed.sizes("shop") == {"shop:v1": 3, "shop:v2": 1}

    bed.up(shop("v1"))
    await bed.until_phase("shop", "Healthy")
    await bed.until_running()
    assert images(await bed.items(Kind.POD)) == {("init:v1", "shop:v1")}
