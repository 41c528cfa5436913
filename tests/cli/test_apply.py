"""`tandem apply` sends each object by server-side apply to where the server serves it."""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, cast

import msgspec
import pytest
import typer

from tandem_cli import apply
from tandem_controller.kube.client import Client
from tandem_controller.kube.errors import NotFound

KINDS = {
    "/api/v1": [{"name": "namespaces", "kind": "Namespace", "namespaced": False}],
    "/apis/apps/v1": [
        {"name": "deployments/scale", "kind": "Scale", "namespaced": True},
        {"name": "deployments", "kind": "Deployment", "namespaced": True},
        {"name": "deployments/status", "kind": "Deployment", "namespaced": True},
    ],
}
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"}}


def deployment(name: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "demo"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}


def finish(work: Coroutine[None, None, None]) -> None:
    """Run in a loop of our own: `asyncio.run` would drop pytest-asyncio's without closing it."""
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(work)
    finally:
        loop.close()


class Server:
    """Answers discovery and remembers what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.applied: list[tuple[str, Any, Any, str]] = []

    async def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> bytes:
        if method == "PATCH":
            self.applied.append((path, body, params, content_type))
            return b"{}"
        self.asked.append(path)
        if path not in KINDS:
            raise NotFound(404, "NotFound", path)
        return msgspec.json.encode({"resources": KINDS[path]})


def test_objects_are_applied_in_order() -> None:
    server = Server()
    objects = [NAMESPACE, deployment("one"), deployment("two")]
    finish(apply.apply(cast("Client", server), objects))
    assert [path for path, *_ in server.applied] == [
        "/api/v1/namespaces/demo",
        "/apis/apps/v1/namespaces/demo/deployments/one",
        "/apis/apps/v1/namespaces/demo/deployments/two",
    ]
    assert [body for _, body, *_ in server.applied] == objects
    for _, _, params, content_type in server.applied:
        assert params == {"fieldManager": "tandem", "force": "true"}
        assert content_type == "application/apply-patch+yaml"
    assert server.asked == ["/api/v1", "/apis/apps/v1"]


@pytest.mark.parametrize("api_version", ["apps/v1", "none.example/v1"])
def test_a_kind_that_is_not_served_is_one_line(
    api_version: str, capsys: pytest.CaptureFixture[str]
) -> None:
    item = {"apiVersion": api_version, "kind": "Thing", "metadata": {"name": "x"}}
    with pytest.raises(typer.Exit):
        finish(apply.apply(cast("Client", Server()), [item]))
    assert capsys.readouterr().err == f"tandem: the cluster does not serve Thing of {api_version}\n"
