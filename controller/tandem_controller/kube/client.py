"""The API server, as raw JSON in and out.

The only module that imports ``kubernetes``, and only for what is hard to get
right: kubeconfig merging, exec plugins, OIDC, service account tokens. The
wire is plain aiohttp; docs/decisions/0002-kube-client.md says why.

Nothing here retries. A caller that may repeat its request knows so; this
module does not. The one exception is 401, which the server gives before it
does anything, and after which the credentials are loaded anew.
"""

import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.request import getproxies, proxy_bypass

import msgspec

from tandem_controller.kube.credentials import Access, Credentials
from tandem_controller.kube.errors import NoCredentials, NotFound
from tandem_controller.kube.resource import Resource, group_path
from tandem_controller.kube.transport import JSON, Body, Parameters, Request, Transport
from tandem_controller.kube.watch_stream import WatchEvent, read_events

REQUEST_TIMEOUT_SECONDS = 30.0
WATCH_GRACE_SECONDS = 15.0
"""How much longer than the server's own timeout we wait for it to end a watch."""


class PatchType(StrEnum):
    """How a patch is to be read; the value is the content type.

    Always stated: the official client guesses it from the Python type and
    sends a JSON Patch as a merge patch.
    """

    MERGE = "application/merge-patch+json"
    JSON = "application/json-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    APPLY = "application/apply-patch+yaml"


class Client:
    """One API server and one identity; make it with :meth:`connect`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @classmethod
    async def connect(
        cls, *, kubeconfig: Path | None, context: str | None = None, user_agent: str
    ) -> "Client":
        """Load credentials and prepare connections; no request is sent.

        Without a kubeconfig: the ``KUBECONFIG`` variable, else the pod's
        service account, else ``~/.kube/config``.
        """

        async def load() -> Access:
            return await _load_access(kubeconfig, context)

        return cls(Transport(Credentials(load, await load()), user_agent))

    async def close(self) -> None:
        """Close all connections; call it when everything that uses this client has ended."""
        await self._transport.close()

    async def get(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        subresource: str | None = None,
    ) -> bytes:
        """One object; raises :class:`NotFound` where there is none."""
        return await self.request("GET", resource.path(namespace, name, subresource))

    async def list_page(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        limit: int | None = 500,
        continue_token: str | None = None,
        resource_version: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> bytes:
        """One page of a list; the next one's token is in its metadata.

        Objects of built-in kinds carry no ``kind`` and ``apiVersion`` inside
        a list.
        """
        parameters: Parameters = {
            "limit": limit,
            "continue": continue_token,
            "resourceVersion": resource_version,
            "labelSelector": label_selector,
            "fieldSelector": field_selector,
        }
        return await self.request("GET", resource.path(namespace), params=parameters)

    async def create(
        self,
        resource: Resource,
        body: Mapping[str, Any],
        namespace: str | None = None,
        *,
        field_manager: str,
    ) -> bytes:
        """Make an object; raises :class:`AlreadyExists` where one of that name is."""
        parameters = {"fieldManager": field_manager}
        return await self.request("POST", resource.path(namespace), body, parameters)

    async def patch(
        self,
        resource: Resource,
        name: str,
        body: Body,
        namespace: str | None = None,
        *,
        subresource: str | None = None,
        patch_type: PatchType,
        field_manager: str | None = None,
        force: bool = False,
    ) -> bytes:
        """Change an object. ``force`` takes fields over from other appliers.

        A precondition belongs in the body (``metadata.resourceVersion``,
        ``metadata.uid``): the server answers 409 when it does not hold.
        """
        path = resource.path(namespace, name, subresource)
        parameters: Parameters = {"fieldManager": field_manager, "force": force or None}
        return await self.request("PATCH", path, body, parameters, patch_type)

    async def replace(
        self,
        resource: Resource,
        name: str,
        body: Body,
        namespace: str | None = None,
        *,
        subresource: str | None = None,
        field_manager: str | None = None,
    ) -> bytes:
        """Put the whole object. Only for raw JSON: a partial struct would drop fields."""
        path = resource.path(namespace, name, subresource)
        return await self.request("PUT", path, body, {"fieldManager": field_manager})

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None,
        resource_version: str | None = None,
        propagation: str | None = None,
    ) -> None:
        """Delete an object, if it still is the one meant.

        With the uid a re-created object of the same name survives (409).
        """
        preconditions = {"uid": uid, "resourceVersion": resource_version}
        options = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "preconditions": {key: value for key, value in preconditions.items() if value},
        }
        if propagation:
            options["propagationPolicy"] = propagation
        await self.request("DELETE", resource.path(namespace, name), options)

    async def watch(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        resource_version: str | None,
        timeout_seconds: int,
        label_selector: str | None = None,
        field_selector: str | None = None,
        send_initial_events: bool = False,
        silence_seconds: float = 75.0,
        silence_counts_at_once: bool = False,
    ) -> AsyncGenerator[WatchEvent, None]:
        """Changes since a version, until the server ends the stream.

        With ``send_initial_events`` the present objects come first, up to a
        bookmark annotated ``k8s.io/initial-events-end`` (KEP-3157).

        Ends normally at the server's timeout. Raises what an ERROR event
        says, and :class:`Unavailable` for a torn line, a lost connection, or
        one that went silent: see :func:`read_events`.

        Close it (``contextlib.aclosing``) when leaving early: that is what
        closes the connection.
        """
        parameters: Parameters = {
            "watch": True,
            "allowWatchBookmarks": True,
            "resourceVersion": resource_version,
            "timeoutSeconds": timeout_seconds,
            "labelSelector": label_selector,
            "fieldSelector": field_selector,
            "sendInitialEvents": send_initial_events or None,
            "resourceVersionMatch": "NotOlderThan" if send_initial_events else None,
        }
        asked = Request("GET", resource.path(namespace), None, parameters)
        total_seconds = timeout_seconds + WATCH_GRACE_SECONDS
        counts_at_once = silence_counts_at_once or send_initial_events
        async with (
            self._transport.answer(asked, total_seconds=total_seconds) as answer,
            aclosing(
                read_events(answer.content, silence_seconds, counts_at_once=counts_at_once)
            ) as events,
        ):
            async for event in events:
                yield event

    async def server_resources(self, group: str, version: str) -> set[str]:
        """The plurals served in a group and version; empty where the group is absent."""
        try:
            answer = await self.request("GET", group_path(group, version))
        except NotFound:
            return set()
        served = msgspec.json.decode(answer, type=_ResourceList).resources
        return {resource.name for resource in served if "/" not in resource.name}

    async def request(
        self,
        method: str,
        path: str,
        body: Body | None = None,
        params: Parameters | None = None,
        content_type: str = JSON,
        *,
        timeout_seconds: float = REQUEST_TIMEOUT_SECONDS,
    ) -> bytes:
        """Any request; raises an :class:`ApiError` for every answer that is no success."""
        asked = Request(method, path, body, params or {}, content_type)
        async with self._transport.answer(asked, total_seconds=timeout_seconds) as answer:
            return await answer.read()


class _ServedResource(msgspec.Struct):
    name: str


class _ResourceList(msgspec.Struct):
    resources: list[_ServedResource]


async def _load_access(kubeconfig: Path | None, context: str | None) -> Access:
    """Credentials as kubectl would find them.

    Imported here, for ``kubernetes`` costs 1.3 s and 22 MB: the command's
    ``--help`` must not pay it.
    """
    from kubernetes.aio import config  # noqa: PLC0415
    from kubernetes.aio.client import Configuration  # noqa: PLC0415

    found = Configuration()
    source = str(kubeconfig) if kubeconfig else os.environ.get("KUBECONFIG")
    try:
        if source is None and os.environ.get("KUBERNETES_SERVICE_HOST"):
            config.load_incluster_config(found)
            return _access(found, proxy=None)
        source = _existing(source or "~/.kube/config")
        loader = await config.load_kube_config(
            source, context=context, client_configuration=found, persist_config=False
        )
    except config.ConfigException as error:
        raise NoCredentials(f"The credentials cannot be loaded: {error}") from error
    _check_exec_plugin(loader, found)
    return _access(found, proxy=found.proxy or _environment_proxy(found.host))


def _existing(paths: str) -> str:
    """``KUBECONFIG`` may name several files, of which some may be missing."""
    found = [path for path in paths.split(os.pathsep) if path and Path(path).expanduser().exists()]
    if not found:
        raise NoCredentials(f"There is no kubeconfig at {paths}, and this is no pod.")
    return os.pathsep.join(found)


def _check_exec_plugin(loader: Any, found: Any) -> None:  # noqa: ANN401  untyped library
    """Fail where the loader only logs: it would go on as an anonymous user."""
    user = loader._user  # noqa: SLF001  no public way to ask
    if user and "exec" in user and not found.api_key and not found.cert_file:
        raise NoCredentials(
            f"The kubeconfig's exec plugin {user['exec']['command']!r} gave no credentials; "
            "its error is in the log above."
        )


def _access(found: Any, *, proxy: str | None) -> Access:  # noqa: ANN401  untyped library
    from kubernetes.aio.config import ConfigException  # noqa: PLC0415

    async def authorization() -> str | None:
        # Runs the library's hook, which reads the pod's token file each minute.
        try:
            header = await found.get_api_key_with_prefix("BearerToken", alias="authorization")
        except ConfigException as error:  # the token file, empty while it is replaced
            raise NoCredentials(f"The service account token cannot be read: {error}") from error
        return header.strip() if header else None

    return Access(
        host=found.host,
        authorization=authorization,
        ca_file=found.ssl_ca_cert,
        certificate_file=found.cert_file,
        key_file=found.key_file,
        verify=found.verify_ssl,
        server_name=found.tls_server_name,
        proxy=proxy,
    )


def _environment_proxy(host: str) -> str | None:
    """``HTTPS_PROXY`` and ``NO_PROXY``, as kubectl takes them.

    Not inside a pod: there ``NO_PROXY`` names networks (10.0.0.0/8), which
    Python's matching does not know, and the Service network has no proxy.
    """
    scheme, _, rest = host.partition("://")
    if proxy_bypass(rest.split("/")[0]):
        return None
    return getproxies().get(scheme)
