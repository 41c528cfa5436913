"""The client: what it sends, and what it makes of the answers."""

import asyncio
import json
from pathlib import Path

import pytest
from aiohttp import web

from tandem_controller.kube.client import Client, PatchType
from tandem_controller.kube.errors import (
    AlreadyExists,
    ApiError,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NoCredentials,
    NotFound,
    TooManyRequests,
    Unavailable,
)
from tandem_controller.kube.resource import Resource
from tests.runtime.fault_server import FaultServer, answer, body, hang, kubeconfig, running
from tests.runtime.things import THING
from tests.runtime.virtual import in_virtual_time, now


@pytest.mark.parametrize(
    ("code", "reason", "error"),
    [
        (400, "", ApiError),
        (401, "", ApiError),
        (403, "", Forbidden),
        (404, "", NotFound),
        (408, "", Unavailable),
        (409, "", Conflict),
        (409, "AlreadyExists", AlreadyExists),
        (410, "Expired", Gone),
        (422, "", Invalid),
        (429, "", TooManyRequests),
        (500, "", Unavailable),
        (503, "", Unavailable),
        (504, "", Unavailable),
        (302, "", ApiError),
    ],
)
def test_every_refusal_is_an_error_of_its_kind(
    code: int, reason: str, error: type[ApiError], tmp_path: Path
) -> None:
    async def scenario() -> None:
        server = FaultServer()
        server.fail_next("GET", answer(code, reason=reason), answer(code, reason=reason))
        async with running(server, tmp_path) as client:
            with pytest.raises(error) as caught:
                await client.get(THING, "a", "ns")
            assert type(caught.value) is error
            assert caught.value.status == code

    in_virtual_time(scenario())


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("soon", 1.0), ("", 1.0)])
def test_retry_after_is_read(header: str, seconds: float, tmp_path: Path) -> None:
    async def scenario() -> None:
        server = FaultServer()
        server.fail_next("GET", answer(429, headers={"Retry-After": header}))
        async with running(server, tmp_path) as client:
            with pytest.raises(TooManyRequests) as caught:
                await client.get(THING, "a", "ns")
            assert caught.value.retry_after_seconds == seconds

    in_virtual_time(scenario())


def test_a_refusal_that_is_no_status_object_still_tells_something(tmp_path: Path) -> None:
    async def scenario() -> None:
        async def proxy(_: web.Request) -> web.StreamResponse:
            return web.Response(status=502, body=b"<html>\xff bad gateway</html>")

        server = FaultServer()
        server.fail_next("GET", proxy)
        async with running(server, tmp_path) as client:
            with pytest.raises(Unavailable, match="bad gateway"):
                await client.get(THING, "a", "ns")

    in_virtual_time(scenario())


def test_a_server_that_hangs_is_given_up(tmp_path: Path) -> None:
    async def scenario() -> None:
        server = FaultServer()
        server.fail_next("GET", hang())
        async with running(server, tmp_path) as client:
            with pytest.raises(Unavailable, match="no answer"):
                await client.get(THING, "a", "ns")
            assert now() == pytest.approx(30, abs=0.1)

    in_virtual_time(scenario())


def test_a_server_that_is_gone_is_unavailable(tmp_path: Path) -> None:
    async def scenario() -> None:
        server = FaultServer()
        async with running(server, tmp_path) as client:
            await server.stop()
            with pytest.raises(Unavailable) as caught:
                await client.get(THING, "a", "ns")
            assert caught.value.status == 0
            assert caught.value.retry_after_seconds is None

    in_virtual_time(scenario())


def test_being_cancelled_is_not_an_error_of_the_server(tmp_path: Path) -> None:
    async def scenario() -> None:
        server = FaultServer()
        server.fail_next("GET", hang(), hang())
        async with running(server, tmp_path) as client:
            task = asyncio.create_task(client.get(THING, "a", "ns"))
            await asyncio.sleep(1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(2):
                    await client.get(THING, "a", "ns")

    in_virtual_time(scenario())


def test_objects_are_made_changed_and_deleted_with_preconditions(tmp_path: Path) -> None:
    async def scenario() -> None:
        server = FaultServer()
        async with running(server, tmp_path) as client:
            thing = {"metadata": {"name": "a"}, "spec": {"color": "red"}}
            made = json.loads(await client.create(THING, thing, "ns", field_manager="me"))
            with pytest.raises(AlreadyExists):
                await client.create(THING, thing, "ns", field_manager="me")
            patch = {"metadata": made["metadata"], "spec": {"size": 1}}
            merge = PatchType.MERGE
            changed = json.loads(await client.patch(THING, "a", patch, "ns", patch_type=merge))
            assert changed["spec"] == {"color": "red", "size": 1}
            with pytest.raises(Conflict):
                await client.patch(THING, "a", patch, "ns", patch_type=merge)
            with pytest.raises(Conflict):
                await client.delete(THING, "a", "ns", uid="of-another")
            await client.delete(THING, "a", "ns", uid=made["metadata"]["uid"])
            with pytest.raises(NotFound):
                await client.get(THING, "a", "ns")

    in_virtual_time(scenario())


@pytest.mark.parametrize(
    ("patch_type", "content_type", "sent"),
    [
        (PatchType.MERGE, "application/merge-patch+json", {"spec": {}}),
        (PatchType.JSON, "application/json-patch+json", [{"op": "remove", "path": "/spec"}]),
        (PatchType.STRATEGIC, "application/strategic-merge-patch+json", {"spec": {}}),
        (PatchType.APPLY, "application/apply-patch+yaml", {"spec": {}}),
    ],
)
def test_a_patch_states_how_it_is_to_be_read(
    patch_type: PatchType, content_type: str, sent: dict[str, object], tmp_path: Path
) -> None:
    async def scenario() -> None:
        got: list[tuple[str, str, object]] = []

        async def look(request: web.Request) -> web.StreamResponse:
            got.append((request.headers["Content-Type"], request.path_qs, await request.json()))
            return web.json_response({})

        server = FaultServer()
        server.fail_next("PATCH", look)
        async with running(server, tmp_path) as client:
            await client.patch(
                THING,
                "a",
                sent,
                "ns",
                subresource="status",
                patch_type=patch_type,
                field_manager="t x",
                force=True,
            )
        path = "/apis/t/v1/namespaces/ns/things/a/status?fieldManager=t%20x&force=true"
        assert got == [(content_type, path, sent)]

    in_virtual_time(scenario())


def test_discovery_names_what_is_served_and_nothing_where_the_group_is_absent(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with running(FaultServer(), tmp_path) as client:
            assert await client.server_resources("t", "v1") == {"things", "leases", "events"}
            assert await client.server_resources("other.io", "v1") == set()

    in_virtual_time(scenario())


def test_expired_credentials_are_loaded_anew_and_the_request_repeated(tmp_path: Path) -> None:
    async def scenario() -> None:
        tokens: list[str] = []

        async def only_the_new(request: web.Request) -> web.StreamResponse:
            tokens.append(request.headers["Authorization"])
            return web.json_response({}, status=200 if tokens[-1] == "Bearer new" else 401)

        server = FaultServer()
        server.fail_next("ANY", *[only_the_new] * 9)
        async with running(server, tmp_path) as client:
            await asyncio.sleep(60)
            kubeconfig(server, tmp_path, {"token": "new"})
            await client.create(THING, {}, "ns", field_manager="me")
            assert tokens == ["Bearer secret", "Bearer new"]

    in_virtual_time(scenario())


def test_credentials_that_stay_wrong_are_not_loaded_at_each_request(tmp_path: Path) -> None:
    """A login plugin may open a browser."""

    async def scenario() -> None:
        calls = tmp_path / "calls"
        plugin = tmp_path / "plugin"
        credential = {
            "apiVersion": "client.authentication.k8s.io/v1",
            "kind": "ExecCredential",
            "status": {"token": "t"},
        }
        plugin.write_text(f"#!/bin/sh\necho x >> {calls}\necho '{json.dumps(credential)}'\n")
        plugin.chmod(0o755)
        user = {"exec": {"apiVersion": credential["apiVersion"], "command": str(plugin)}}
        server = FaultServer()
        await server.start()
        client = await Client.connect(
            kubeconfig=kubeconfig(server, tmp_path, user), user_agent="test"
        )
        server.fail_next("GET", *[answer(401)] * 40)
        for _ in range(10):
            with pytest.raises(ApiError):
                await client.get(THING, "a", "ns")
        assert calls.read_text().count("x") == 1
        await client.close()
        await server.stop()

    asyncio.run(scenario())


def test_a_login_plugin_that_fails_is_told_instead_of_going_on_as_nobody(tmp_path: Path) -> None:
    async def scenario() -> None:
        user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/false"}}
        path = kubeconfig(FaultServer(), tmp_path, user)
        with pytest.raises(NoCredentials, match="/bin/false"):
            await Client.connect(kubeconfig=path, user_agent="test")

    asyncio.run(scenario())


def test_no_kubeconfig_is_told_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(NoCredentials, match="nowhere"):
        asyncio.run(Client.connect(kubeconfig=tmp_path / "nowhere", user_agent="test"))


def test_an_unknown_context_is_told(tmp_path: Path) -> None:
    path = kubeconfig(FaultServer(), tmp_path)
    with pytest.raises(NoCredentials, match="other"):
        asyncio.run(Client.connect(kubeconfig=path, context="other", user_agent="test"))


def test_paths_of_resources() -> None:
    pods = Resource("", "v1", "pods", "Pod")
    nodes = Resource("", "v1", "nodes", "Node", namespaced=False)
    assert pods.path() == "/api/v1/pods"
    assert pods.path("ns") == "/api/v1/namespaces/ns/pods"
    assert THING.path("ns", "a", "status") == "/apis/t/v1/namespaces/ns/things/a/status"
    assert nodes.path("ignored", "n/1") == "/api/v1/nodes/n%2F1"
    assert (pods.api_version, THING.api_version) == ("v1", "t/v1")
    with pytest.raises(ValueError, match="namespace"):
        pods.path(None, "a")
    with pytest.raises(ValueError, match="name"):
        pods.path("ns", None, "status")


def test_a_list_that_is_garbage_is_left_to_the_caller(tmp_path: Path) -> None:
    """The client moves bytes; it does not judge them."""

    async def scenario() -> None:
        server = FaultServer()
        server.fail_next("LIST", body(b"garbage"))
        async with running(server, tmp_path) as client:
            assert await client.list_page(THING) == b"garbage"

    in_virtual_time(scenario())
