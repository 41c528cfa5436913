"""A few plain HTTPS requests to the API server: all that starting a cluster needs."""

import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from devcluster import credentials

Object = dict[str, Any]

_PLURALS = {
    "Node": "nodes",
    "Namespace": "namespaces",
    "Service": "services",
    "ServiceAccount": "serviceaccounts",
    "Deployment": "deployments",
    "Ingress": "ingresses",
    "IngressClass": "ingressclasses",
    "EndpointSlice": "endpointslices",
    "CustomResourceDefinition": "customresourcedefinitions",
    "GatewayClass": "gatewayclasses",
    "Gateway": "gateways",
    "HTTPRoute": "httproutes",
}
"""The plural that a kind has in a path; one table instead of discovery."""

_NOT_NAMESPACED = {"Node", "Namespace", "IngressClass", "CustomResourceDefinition", "GatewayClass"}


class ApiError(RuntimeError):
    """The API server answered with an error; ``status`` is the HTTP status code."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """Requests as one user."""

    def __init__(self, server: str, ca_file: Path, kubeconfig: Path) -> None:
        self.server = server
        self._tls = ssl.create_default_context(cafile=str(ca_file))
        self._token = credentials.token_of(kubeconfig)

    def call(
        self, method: str, path: str, body: Object | None = None, *, kind: str = "application/json"
    ) -> Object:
        """One request; the decoded answer. Raises ``ApiError``, or ``OSError`` without a server."""
        answer = self._send(method, path, body, kind)
        decoded: Object = json.loads(answer) if answer.startswith("{") else {}
        return decoded

    def read(self, path: str) -> str:
        """Read something that is no object, as a pod's log."""
        return self._send("GET", path, None, "application/json")

    def _send(self, method: str, path: str, body: Object | None, kind: str) -> str:
        request = urllib.request.Request(
            self.server + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": kind},
        )
        try:
            with urllib.request.urlopen(request, context=self._tls, timeout=30) as response:
                answer: bytes = response.read()
        except urllib.error.HTTPError as error:
            with error:
                raise ApiError(error.code, error.read().decode(errors="replace")) from error
        return answer.decode(errors="replace")

    def get(self, path: str) -> Object:
        """Read one path."""
        return self.call("GET", path)

    def apply(self, wanted: Object) -> Object:
        """Server-side apply of one object."""
        path = f"{path_of(wanted)}?fieldManager=devcluster&force=true"
        return self.call("PATCH", path, wanted, kind="application/apply-patch+yaml")

    def delete(self, unwanted: Object) -> None:
        """Delete one object, if it is there."""
        try:
            self.call("DELETE", path_of(unwanted))
        except ApiError as error:
            if error.status != 404:  # noqa: PLR2004 - Not Found
                raise


def path_of(wanted: Object) -> str:
    """The path of one object below the API server's address."""
    version, kind, metadata = wanted["apiVersion"], wanted["kind"], wanted["metadata"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    where = "" if kind in _NOT_NAMESPACED else f"/namespaces/{metadata.get('namespace', 'default')}"
    return f"{root}{where}/{_PLURALS[kind]}/{metadata['name']}"


def condition(answer: Object, wanted: str) -> bool:
    """Whether the object's status has this condition, and it is true."""
    conditions = answer.get("status", {}).get("conditions", [])
    return any(one["type"] == wanted and one["status"] == "True" for one in conditions)


def wait(what: str, done: Callable[[], bool], *, seconds: float, every: float = 0.05) -> None:
    """Wait until ``done``; a server that does not answer yet counts as not done."""
    deadline = time.monotonic() + seconds
    last = "it is not so yet"
    while time.monotonic() < deadline:
        try:
            if done():
                return
        except (ApiError, OSError) as error:
            last = str(error)
        time.sleep(every)
    raise TimeoutError(f"Waited {seconds:.0f} s for {what}: {last}")
