"""The controller's image on the real node: built here, started by the addon, releasing a shop."""

from __future__ import annotations

import asyncio
import json
import tarfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from devcluster import controller_image
from devcluster.cluster import DevCluster
from devcluster.fixtures import need_real_node
from tandem_controller.effect import Kind
from tandem_controller.kube.client import Client
from tandem_controller.kube.wait import wait_for
from tests.cluster import addon
from tests.cluster.bed import images
from tests.cluster.namespace import own_namespace
from tests.e2e.shop import BY_ROUTE, SHOP, ShopBed

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    # Debian is fetched and the image is built, where neither is in the cache.
    pytest.mark.timeout(900),
]

USER_ID = 10001
REPLICAS = 2
PROGRAM = b"/opt/tandem/bin/tandem-controller\0"
FORBIDDEN_PROGRAMS = {"cc", "gcc", "g++", "clang", "make", "pip", "pip3", "uv", "easy_install"}
FORBIDDEN_PACKAGES = {
    *("jinja2", "pip", "rich", "ruamel", "setuptools", "tandem_cli", "tandem_generator", "typer"),
}


@pytest.fixture(scope="module")
def own_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevCluster]:
    """A real node of this module's own, with the image: nothing of Tandem runs beside it."""
    need_real_node()
    controller_image.archive()
    with DevCluster("image", real_node=True, state_dir=tmp_path_factory.mktemp("i")) as cluster:
        controller_image.load(cluster.layout)
        asyncio.run(_enable(cluster))
        yield cluster


async def _enable(cluster: DevCluster) -> None:
    client = await Client.connect(kubeconfig=cluster.kubeconfig, user_agent="test")
    image = {"image": controller_image.REFERENCE, "imagePullPolicy": "Never"}
    try:
        await addon.enable(client, replicas=REPLICAS, **image)
        await addon.until_available(client, REPLICAS)
    finally:
        await client.close()


@pytest.fixture
async def bed(own_node: DevCluster, tmp_path: Path) -> AsyncIterator[ShopBed]:
    user = own_node.kubeconfig_for("tandem-user")
    async with own_namespace(user) as (client, name):
        yield ShopBed(client, name, url=own_node.gateway_url, folder=tmp_path)


async def test_a_canary_release_runs_with_controller_and_webhook_in_the_cluster(
    bed: ShopBed,
) -> None:
    await bed.stand(BY_ROUTE)
    await bed.release("v2")
    for step in (1, 2):
        await bed.until_paused(SHOP, step)
        await bed.approve(SHOP)
    await bed.until_at_rest()
    assert images(await bed.items(Kind.POD)) == {("init:v2", "shop:v2")}
    # Admission alone knows who approved: the API server reached it through the Service.
    approvals = [
        (approval["step"], approval["by"])
        for record in await bed.items(Kind.RELEASE_RECORD)
        for attempt in record["status"]["attempts"]
        for approval in attempt.get("approvals", ())
    ]
    assert approvals == [(1, "tandem-user"), (2, "tandem-user")]


async def test_an_evicted_replica_is_replaced_and_the_others_go_on(bed: ShopBed) -> None:
    first, *_ = await addon.pods(bed.client)
    name = first["metadata"]["name"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    path = addon.PODS.path(addon.NAMESPACE, name, "eviction")
    await bed.client.request("POST", path, eviction)
    await bed.stand(BY_ROUTE)
    await addon.until_available(bed.client, REPLICAS)
    await wait_for(bed.client, addon.PODS, name, addon.NAMESPACE, lambda o: o is None, seconds=60)


async def test_no_container_was_restarted(bed: ShopBed) -> None:
    counts = {
        (pod["metadata"]["name"], status["name"]): status["restartCount"]
        for pod in await addon.pods(bed.client)
        for status in pod["status"]["containerStatuses"]
    }
    assert len(counts) == 2 * REPLICAS
    assert set(counts.values()) == {0}, counts


@pytest.mark.usefixtures("own_node")
def test_the_processes_have_no_rights_and_cannot_write_their_root() -> None:
    """As the kernel tells it, whatever the pod's manifest says."""
    found = [process for process in Path("/proc").glob("[0-9]*") if _is_in_a_pod(process)]
    assert len(found) == 2 * REPLICAS
    for process in found:
        status = dict(
            line.split(":\t", 1) for line in (process / "status").read_text().splitlines()
        )
        told = {key: status[key].split()[0] for key in ("Uid", "CapEff", "NoNewPrivs", "Seccomp")}
        assert told == {
            "Uid": str(USER_ID),
            "CapEff": "0" * 16,
            "NoNewPrivs": "1",
            "Seccomp": "2",  # SECCOMP_MODE_FILTER
        }
        assert _root_options(process) & {"ro", "rw"} == {"ro"}


def _is_in_a_pod(process: Path) -> bool:
    """Whether it is a process of Tandem in a container; beside a cluster there may be others."""
    own = _mounts(Path("/proc/self"))
    return PROGRAM in _command(process) and _mounts(process) not in {own, ""}


def _mounts(process: Path) -> str:
    """Return the mount namespace (namespaces(7)); empty where the process is gone."""
    try:
        return str((process / "ns" / "mnt").readlink())
    except OSError:
        return ""


def _command(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


def _root_options(process: Path) -> set[str]:
    """Return how `/` is mounted (proc(5), mountinfo: the fifth field is the place)."""
    rows = [line.split() for line in (process / "mountinfo").read_text().splitlines()]
    return next(set(row[5].split(",")) for row in rows if row[4] == "/")


def test_the_image_holds_nothing_to_build_or_install_with() -> None:
    need_real_node()
    names, config = _contents(controller_image.archive())
    programs = {Path(name).name for name in names if Path(name).parent.name in {"bin", "sbin"}}
    packages = {Path(name).name for name in names if Path(name).parent.name == "site-packages"}
    assert "tandem-controller" in programs
    assert programs & FORBIDDEN_PROGRAMS == set()
    assert packages & FORBIDDEN_PACKAGES == set()
    assert config["User"] == f"{USER_ID}:{USER_ID}"


def _contents(archive: Path) -> tuple[set[str], dict[str, Any]]:
    """Return the paths in all layers, hidden ones too, and how the image is run."""
    with tarfile.open(archive) as whole:
        (manifest,) = json.load(_member(whole, "manifest.json"))
        config = json.load(_member(whole, manifest["Config"]))["config"]
        names: set[str] = set()
        for layer in manifest["Layers"]:
            with tarfile.open(fileobj=_member(whole, layer)) as one:
                names.update(one.getnames())
    return names, config


def _member(archive: tarfile.TarFile, name: str) -> Any:  # noqa: ANN401 - a binary file
    found = archive.extractfile(name)
    assert found is not None
    return found
