"""The runtime against a real API server: what a fake one cannot vouch for."""

import asyncio
import json
from pathlib import Path

import pytest

from devcluster.fixtures import Cluster
from tandem_controller.kube.client import Client, PatchType
from tandem_controller.kube.errors import (
    AlreadyExists,
    ApiError,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
)
from tandem_controller.kube.events import EVENT, EventRecorder, EventType, ObjectReference
from tandem_controller.kube.lease import LeaderElector, LeaseTimes
from tandem_controller.kube.reflector import Reflector
from tandem_controller.kube.resource import Resource
from tandem_controller.kube.store import Store
from tests.cluster.namespace import own_namespace
from tests.runtime.things import Thing, decode_thing
from tests.runtime.virtual import stopped, until

pytestmark = pytest.mark.cluster

CONFIG_MAP = Resource("", "v1", "configmaps", "ConfigMap")
DEPLOYMENT = Resource("apps", "v1", "deployments", "Deployment")
ABSENT = Resource("absent.example.com", "v1", "things", "Thing")


def config_map(name: str, **data: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {"test": "runtime"}},
        "data": data,
    }


async def test_objects_are_made_changed_and_deleted(cluster: Cluster) -> None:
    async with own_namespace(cluster.kubeconfig) as (client, ns):
        made = json.loads(
            await client.create(CONFIG_MAP, config_map("a", x="1"), ns, field_manager="test")
        )
        with pytest.raises(AlreadyExists):
            await client.create(CONFIG_MAP, config_map("a"), ns, field_manager="test")
        patch = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}}
        merge = PatchType.MERGE
        await client.patch(CONFIG_MAP, "a", {**patch, "data": {"x": "2"}}, ns, patch_type=merge)
        with pytest.raises(Conflict):
            await client.patch(CONFIG_MAP, "a", {**patch, "data": {"x": "3"}}, ns, patch_type=merge)
        operations = [{"op": "test", "path": "/data/x", "value": "2"}]
        await client.patch(CONFIG_MAP, "a", operations, ns, patch_type=PatchType.JSON)
        with pytest.raises(Conflict):
            await client.delete(CONFIG_MAP, "a", ns, uid="00000000-0000-0000-0000-000000000000")
        await client.delete(CONFIG_MAP, "a", ns, uid=made["metadata"]["uid"])
        with pytest.raises(NotFound):
            await client.get(CONFIG_MAP, "a", ns)


async def test_a_json_patch_whose_test_fails_and_a_broken_object_are_invalid(
    cluster: Cluster,
) -> None:
    async with own_namespace(cluster.kubeconfig) as (client, ns):
        await client.create(CONFIG_MAP, config_map("a", x="1"), ns, field_manager="test")
        operations = [{"op": "test", "path": "/data/x", "value": "2"}]
        with pytest.raises(Invalid):
            await client.patch(CONFIG_MAP, "a", operations, ns, patch_type=PatchType.JSON)
        with pytest.raises(Invalid):
            await client.create(CONFIG_MAP, config_map("A_B"), ns, field_manager="test")


async def test_server_side_apply_makes_changes_and_conflicts(cluster: Cluster) -> None:
    async with own_namespace(cluster.kubeconfig) as (client, ns):
        apply = PatchType.APPLY
        await client.patch(
            CONFIG_MAP, "a", config_map("a", x="1"), ns, patch_type=apply, field_manager="one"
        )
        with pytest.raises(Conflict, match="one"):
            await client.patch(
                CONFIG_MAP, "a", config_map("a", x="2"), ns, patch_type=apply, field_manager="two"
            )
        taken = await client.patch(
            CONFIG_MAP,
            "a",
            config_map("a", x="2"),
            ns,
            patch_type=apply,
            field_manager="two",
            force=True,
        )
        assert json.loads(taken)["data"] == {"x": "2"}


async def test_discovery_names_what_is_served(cluster: Cluster) -> None:
    async with own_namespace(cluster.kubeconfig) as (client, _):
        assert {"deployments", "statefulsets"} <= await client.server_resources("apps", "v1")
        assert "pods" in await client.server_resources("", "v1")
        assert await client.server_resources("absent.example.com", "v1") == set()


@pytest.mark.parametrize("watch_list", [True, False], ids=["watch-list", "list"])
async def test_the_store_follows_the_server(cluster: Cluster, watch_list: bool) -> None:
    async with own_namespace(cluster.kubeconfig) as (client, ns):
        for number in range(3):
            await client.create(CONFIG_MAP, config_map(f"a{number}"), ns, field_manager="test")
        store = Store[Thing]()
        changes: list[tuple[bool, bool]] = []
        reflector = Reflector(
            client,
            CONFIG_MAP,
            decode=decode_thing,
            store=store,
            on_change=lambda old, new: changes.append((old is not None, new is not None)),
            namespace=ns,
            label_selector="test=runtime",
            watch_list=watch_list,
        )
        task = asyncio.create_task(reflector.run())
        async with asyncio.timeout(10):
            await reflector.has_synced.wait()
        assert len(store) == 3
        assert reflector._watch_list is watch_list, "the server took WatchList, or was not asked"
        made = await client.create(CONFIG_MAP, config_map("b"), ns, field_manager="test")
        assert store.observe_write(decode_thing(made)) or store.get(ns, "b")
        await client.delete(CONFIG_MAP, "a0", ns, uid=None)
        await until(lambda: store.get(ns, "b") and not store.get(ns, "a0"), seconds=10)
        await until(lambda: (True, False) in changes, seconds=10)
        assert reflector.last_error is None
        await stopped(task)


async def test_a_list_of_several_pages_is_read_whole(cluster: Cluster) -> None:
    async with own_namespace(cluster.kubeconfig) as (client, ns):
        for number in range(7):
            await client.create(CONFIG_MAP, config_map(f"a{number}"), ns, field_manager="test")
        names, token = [], None
        while True:
            page = json.loads(
                await client.list_page(CONFIG_MAP, namespace=ns, limit=3, continue_token=token)
            )
            names += [item["metadata"]["name"] for item in page["items"]]
            token = page["metadata"].get("continue")
            if not token:
                break
        assert {f"a{number}" for number in range(7)} <= set(names)


async def test_a_kind_without_its_crd_is_absent(cluster: Cluster) -> None:
    async with own_namespace(cluster.kubeconfig) as (client, _):
        reflector = Reflector(
            client, ABSENT, decode=decode_thing, store=Store[Thing](), on_change=lambda _o, _n: None
        )
        task = asyncio.create_task(reflector.run())
        async with asyncio.timeout(10):
            await reflector.has_synced.wait()
        assert reflector.absent
        await stopped(task)


async def test_versions_of_a_kind_compare_as_numbers(cluster: Cluster) -> None:
    """What ``Store`` relies on (KEP-5504): each write's version is greater than those before."""
    async with own_namespace(cluster.kubeconfig) as (client, ns):
        await client.create(CONFIG_MAP, config_map("a"), ns, field_manager="test")
        versions = []
        for number in range(20):
            patch = {"data": {"n": str(number)}}
            raw = await client.patch(CONFIG_MAP, "a", patch, ns, patch_type=PatchType.MERGE)
            versions.append(int(json.loads(raw)["metadata"]["resourceVersion"]))
        assert versions == sorted(set(versions))


@pytest.mark.slow
async def test_the_server_sends_a_bookmark_a_minute_to_a_quiet_watch(cluster: Cluster) -> None:
    """What the silence limit of 75 seconds relies on."""
    async with own_namespace(cluster.kubeconfig) as (client, ns):
        page = json.loads(await client.list_page(DEPLOYMENT, namespace=ns))
        at = asyncio.get_running_loop().time()
        gaps = []
        async for event in client.watch(
            DEPLOYMENT,
            namespace=ns,
            resource_version=page["metadata"]["resourceVersion"],
            timeout_seconds=150,
        ):
            now = asyncio.get_running_loop().time()
            gaps.append((event.type, now - at))
            at = now
        assert len(gaps) >= 2
        assert all(seconds < 70 for _, seconds in gaps), gaps


async def test_leadership_passes_at_once_when_it_is_released(cluster: Cluster) -> None:
    async with own_namespace(cluster.kubeconfig) as (client, ns):
        acting: list[str] = []
        times = LeaseTimes(lease_seconds=6, renew_deadline_seconds=4, retry_seconds=0.5)

        async def lead(name: str) -> None:
            acting.append(name)
            try:
                await asyncio.sleep(1e6)
            finally:
                acting.remove(name)

        def replica(name: str) -> "asyncio.Task[None]":
            elector = LeaderElector(client, namespace=ns, name="l", identity=name, times=times)
            return asyncio.create_task(elector.run(lambda: lead(name)))

        first = replica("one")
        await until(lambda: acting == ["one"], seconds=5)
        second = replica("two")
        await asyncio.sleep(8)
        assert acting == ["one"]
        await stopped(first)
        await until(lambda: acting == ["two"], seconds=1)
        await stopped(second)


async def test_events_are_taken_and_counted(cluster: Cluster) -> None:
    async with own_namespace(cluster.kubeconfig) as (client, ns):
        recorder = EventRecorder(
            client, controller="tandem-controller", instance="test", series_write_seconds=0.2
        )
        task = asyncio.create_task(recorder.run())
        dropped: list[str] = []
        recorder._on_drop = dropped.append
        about = ObjectReference("apps/v1", "Deployment", ns, "web")
        for _ in range(5):
            recorder.record(
                about, type=EventType.NORMAL, reason="Tested", action="Test", note="ü" * 2000
            )
            await asyncio.sleep(0.1)
        await asyncio.sleep(1)
        await stopped(task)
        (event,) = json.loads(await client.list_page(EVENT, namespace=ns))["items"]
        assert dropped == []
        assert event["series"]["count"] == 5
        assert event["regarding"]["name"] == "web"


async def test_a_stranger_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "nobody"}}],
        "clusters": [
            {
                "name": "c",
                "cluster": {
                    "server": cluster.server,
                    "certificate-authority": str(cluster.ca_file),
                },
            }
        ],
        "users": [{"name": "nobody", "user": {}}],
    }
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config))
    client = await Client.connect(kubeconfig=path, user_agent="tandem-test")
    with pytest.raises(ApiError) as caught:
        await client.list_page(Resource("", "v1", "secrets", "Secret"))
    await client.close()
    assert isinstance(caught.value, Forbidden) or caught.value.status == 401
