"""The client over TLS: inside a pod, with client certificates, and where it must refuse."""

import asyncio
import base64
import json
import ssl
from collections.abc import Mapping
from pathlib import Path

import pytest
import trustme
from aiohttp import web
from kubernetes.aio.config import incluster_config

from tandem_controller.kube.client import Client
from tandem_controller.kube.errors import Unavailable
from tests.runtime.fault_server import FaultServer
from tests.runtime.things import THING
from tests.runtime.virtual import in_virtual_time


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_tls(authority: trustme.CA, *, asks_certificate: bool = False) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    if asks_certificate:
        context.verify_mode = ssl.CERT_REQUIRED
        authority.configure_trust(context)
    return context


def write_kubeconfig(
    folder: Path, cluster: Mapping[str, str | bool], user: Mapping[str, str]
) -> Path:
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return path


def test_in_a_pod_the_rotated_token_is_used(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, ca = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text("first\n")
    authority.cert_pem.write_to_path(str(ca))
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(ca))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    server = FaultServer()
    valid = ["bearer first"]

    async def checks(request: web.Request) -> web.StreamResponse:
        known = request.headers["Authorization"] in valid
        return web.json_response({}, status=200 if known else 401)

    async def scenario() -> None:
        server.fail_next("GET", *[checks] * 9)
        await server.start(server_tls(authority))
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.port))
        client = await Client.connect(kubeconfig=None, user_agent="test")
        await client.get(THING, "a", "ns")
        token.write_text("second")
        valid[:] = ["bearer second"]
        await asyncio.sleep(60)
        await client.get(THING, "a", "ns")
        await client.close()
        await server.stop()

    in_virtual_time(scenario())


def test_a_client_certificate_is_shown(authority: trustme.CA, tmp_path: Path) -> None:
    async def scenario() -> None:
        server = FaultServer()
        await server.start(server_tls(authority, asks_certificate=True))
        mine = authority.issue_cert("me@example.com")
        data = {
            "client-certificate-data": mine.cert_chain_pems[0].bytes(),
            "client-key-data": mine.private_key_pem.bytes(),
        }
        user = {key: base64.b64encode(value).decode() for key, value in data.items()}
        ca = base64.b64encode(authority.cert_pem.bytes()).decode()
        address = f"https://127.0.0.1:{server.port}"
        path = write_kubeconfig(
            tmp_path, {"server": address, "certificate-authority-data": ca}, user
        )
        client = await Client.connect(kubeconfig=path, user_agent="test")
        assert await client.list_page(THING)
        await client.close()
        await server.stop()

    in_virtual_time(scenario())


def test_a_server_of_another_authority_is_refused(authority: trustme.CA, tmp_path: Path) -> None:
    async def scenario() -> None:
        server = FaultServer()
        await server.start(server_tls(authority))
        other = base64.b64encode(trustme.CA().cert_pem.bytes()).decode()
        address = f"https://127.0.0.1:{server.port}"
        path = write_kubeconfig(
            tmp_path,
            {"server": address, "certificate-authority-data": other},
            {"token": "must not be sent"},
        )
        client = await Client.connect(kubeconfig=path, user_agent="test")
        with pytest.raises(Unavailable, match="certificate verify failed"):
            await client.list_page(THING)
        assert server.seen == []
        await client.close()
        await server.stop()

    in_virtual_time(scenario())


def test_verification_is_off_only_where_the_kubeconfig_says_so(
    authority: trustme.CA, tmp_path: Path
) -> None:
    async def scenario() -> None:
        server = FaultServer()
        await server.start(server_tls(authority))
        cluster: dict[str, str | bool] = {
            "server": f"https://127.0.0.1:{server.port}",
            "insecure-skip-tls-verify": True,
        }
        path = write_kubeconfig(tmp_path, cluster, {"token": "t"})
        client = await Client.connect(kubeconfig=path, user_agent="test")
        assert await client.list_page(THING)
        await client.close()
        await server.stop()

    in_virtual_time(scenario())
