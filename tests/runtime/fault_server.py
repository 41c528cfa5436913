"""An API server for one process, which fails as it is told.

It lists in pages, watches from any version it has not compacted, sends
bookmarks, patches with preconditions, and keeps a log of all requests. Faults
are scripted: ``server.fail_next(ANY, answer(500))``.
"""

import asyncio
import json
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from tandem_controller.kube.client import Client

Fault = Callable[[web.Request], Awaitable[web.StreamResponse]]
Json = dict[str, Any]


@dataclass(frozen=True)
class Seen:
    at: float
    method: str
    path: str
    query: Mapping[str, str]

    @property
    def verb(self) -> str:
        if self.method == "GET" and self.query.get("watch") == "true":
            return "WATCH"
        return "LIST" if self.method == "GET" and "limit" in self.query else self.method


@dataclass
class Stream:
    """One open watch."""

    request: web.Request
    response: web.StreamResponse
    frozen: bool = False

    async def send(self, kind: str, obj: Json) -> None:
        await self.send_raw(json.dumps({"type": kind, "object": obj}).encode() + b"\n")

    async def send_raw(self, raw: bytes) -> None:
        await self.response.write(raw)

    def cut(self) -> None:
        if self.request.transport is not None:
            self.request.transport.abort()


@dataclass
class FaultServer:
    served: set[str] = field(default_factory=lambda: {"things", "leases", "events"})
    objects: dict[tuple[str, str, str], Json] = field(default_factory=dict)
    version: int = 100
    compacted: int = 0
    watch_list: bool = True
    bookmarks: bool = True
    seen: list[Seen] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)
    port: int = 0
    _history: list[tuple[int, str, tuple[str, str, str], Json]] = field(default_factory=list)
    _faults: dict[str, deque[Fault]] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _runner: web.AppRunner | None = None

    # --- what tests do -----------------------------------------------------------

    def put(
        self, name: str, plural: str = "things", namespace: str = "ns", **spec: str | float
    ) -> Json:
        """Create or change an object, as some other client would."""
        key = (plural, namespace, name)
        old = self.objects.get(key)
        self.version += 1
        metadata = {"namespace": namespace, "name": name, "resourceVersion": str(self.version)}
        metadata["uid"] = old["metadata"]["uid"] if old else f"uid-{self.version}"
        obj = {"apiVersion": "t/v1", "kind": "Thing", "metadata": metadata, "spec": spec}
        self._record("MODIFIED" if old else "ADDED", key, obj)
        self.objects[key] = obj
        return obj

    def remove(self, name: str, plural: str = "things", namespace: str = "ns") -> None:
        key = (plural, namespace, name)
        self.version += 1
        last = json.loads(json.dumps(self.objects.pop(key)))
        last["metadata"]["resourceVersion"] = str(self.version)
        self._record("DELETED", key, last)

    def compact(self) -> None:
        """Forget history: watching from before now is answered with 410."""
        self.compacted = self.version

    def restore(self, version: int) -> None:
        """Go back to an earlier version, as etcd does from a backup."""
        self.version = version
        self._history.clear()

    def fail_next(self, verb: str, *faults: Fault) -> None:
        """The next requests of that verb (LIST, WATCH, GET, ...) get these, one each."""
        self._faults.setdefault(verb, deque()).extend(faults)

    def requests(self, *verbs: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.verb in verbs]

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{tail:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await self._runner.setup()
        site = web.TCPSite(
            self._runner, "127.0.0.1", self.port, reuse_address=True, ssl_context=tls
        )
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close the port and every connection: refused from now on."""
        for stream in list(self.streams):
            stream.cut()
        if self._runner:
            await self._runner.cleanup()
            self._runner = None

    # --- what the API server does ------------------------------------------------

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        at = asyncio.get_running_loop().time()
        seen = Seen(at, request.method, request.path, dict(request.query))
        self.seen.append(seen)
        if faults := self._faults.get(seen.verb) or self._faults.get("ANY"):
            return await faults.popleft()(request)
        group, plural, namespace, name = _parse(request.path)
        if not plural:
            names = [{"name": each} for each in (*sorted(self.served), "things/status")]
            return web.json_response({"resources": names}) if group == "t" else status(404)
        if plural not in self.served:
            return status(404, message=f"{plural} are not served")
        if seen.verb == "WATCH":
            return await self._watch(request, plural)
        if request.method == "GET" and not name:
            return self._list(request, plural)
        body = await request.json() if request.can_read_body else {}
        return self._object(request.method, (plural, namespace, name), body)

    def _list(self, request: web.Request, plural: str) -> web.Response:
        """Pages carry the version of the first one, as a consistent list does."""
        start, version = 0, self.version
        if token := request.query.get("continue"):
            start, version = (int(part) for part in token.split("-"))
            if version < self.compacted:
                return status(410, reason="Expired")
        items = [obj for key, obj in sorted(self.objects.items()) if key[0] == plural]
        end = start + int(request.query["limit"])
        metadata = {"resourceVersion": str(version)}
        if end < len(items):
            metadata["continue"] = f"{end}-{version}"
        return web.json_response({"metadata": metadata, "items": items[start:end]})

    async def _watch(self, request: web.Request, plural: str) -> web.StreamResponse:
        initial = request.query.get("sendInitialEvents") == "true"
        if initial and not self.watch_list:
            return status(422, reason="Invalid", message="sendInitialEvents is forbidden")
        since = int(request.query.get("resourceVersion", self.version))
        response = web.StreamResponse()
        await response.prepare(request)
        stream = Stream(request, response)
        self.streams.append(stream)
        try:
            if not initial and since < self.compacted:
                await stream.send("ERROR", status_object(410, "Expired", "too old version"))
                return response
            if initial:
                since = await self._send_initial(stream, plural)
            async with asyncio.timeout(int(request.query["timeoutSeconds"])):
                await self._send_changes(stream, plural, since)
        except (TimeoutError, ConnectionError):
            pass
        finally:
            self.streams.remove(stream)
        return response

    async def _send_initial(self, stream: Stream, plural: str) -> int:
        version = self.version
        for key, obj in sorted(self.objects.items()):
            if key[0] == plural:
                await stream.send("ADDED", obj)
        ending = {"k8s.io/initial-events-end": "true"}
        await stream.send("BOOKMARK", {"metadata": _at(version) | {"annotations": ending}})
        return version

    async def _send_changes(self, stream: Stream, plural: str, since: int) -> None:
        bookmark_at = asyncio.get_running_loop().time() + 60
        while True:
            for version, kind, key, obj in list(self._history):
                if version > since and key[0] == plural and not stream.frozen:
                    await stream.send(kind, obj)
            since = self.version
            changed = self._changed
            try:
                async with asyncio.timeout_at(bookmark_at):
                    await changed.wait()
            except TimeoutError:
                bookmark_at += 60
                if self.bookmarks and not stream.frozen:
                    await stream.send("BOOKMARK", {"metadata": _at(since)})

    def _object(self, method: str, key: tuple[str, str, str], body: Json) -> web.Response:
        if method == "POST":
            return self._create((key[0], key[1], body["metadata"]["name"]), body)
        old = self.objects.get(key)
        if old is None:
            return status(404)
        wanted = body.get("preconditions") or body.get("metadata") or {}
        if any(wanted.get(f, old["metadata"][f]) != old["metadata"][f] for f in _PRECONDITIONS):
            return status(409, reason="Conflict", message="the object has been modified")
        if method == "DELETE":
            self.remove(key[2], key[0], key[1])
        elif method != "GET":
            old = self._write(key, old if method == "PATCH" else {}, body)
        return web.json_response(old)

    def _create(self, key: tuple[str, str, str], body: Json) -> web.Response:
        if key in self.objects:
            return status(409, reason="AlreadyExists")
        return web.json_response(self._write(key, {}, body), status=201)

    def _write(self, key: tuple[str, str, str], old: Json, body: Json) -> Json:
        spec = {**old.get("spec", {}), **body.get("spec", {})}
        written = self.put(key[2], key[0], key[1], **spec)
        written.update({k: v for k, v in body.items() if k not in {"metadata", "spec"}})
        return written

    def _record(self, kind: str, key: tuple[str, str, str], obj: Json) -> None:
        self._history.append((self.version, kind, key, obj))
        self._changed.set()
        self._changed = asyncio.Event()


_PRECONDITIONS = {"resourceVersion", "uid"}


@asynccontextmanager
async def running(server: FaultServer, folder: Path) -> AsyncIterator[Client]:
    """The server on a loopback port, and a client that found it in a kubeconfig."""
    await server.start()
    client = await Client.connect(kubeconfig=kubeconfig(server, folder), user_agent="test")
    try:
        yield client
    finally:
        await client.close()
        await server.stop()


def kubeconfig(server: FaultServer, folder: Path, user: Json | None = None) -> Path:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.port}"}}],
        "users": [{"name": "u", "user": user if user is not None else {"token": "secret"}}],
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return path


def answer(code: int, *, reason: str = "", headers: Mapping[str, str] | None = None) -> Fault:
    async def fault(_: web.Request) -> web.StreamResponse:
        return status(code, reason=reason, headers=headers)

    return fault


def hang(seconds: float = 1e6) -> Fault:
    async def fault(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return status(500)

    return fault


def hang_in_stream() -> Fault:
    """Headers, and then nothing for ever."""

    async def fault(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.sleep(1e6)
        return response

    return fault


def stream(*lines: bytes, then_cut: bool = False) -> Fault:
    """A watch that sends exactly this and ends."""

    async def fault(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for line in lines:
            await response.write(line)
        if then_cut and request.transport:
            request.transport.abort()
        return response

    return fault


def body(raw: bytes) -> Fault:
    async def fault(_: web.Request) -> web.StreamResponse:
        return web.Response(body=raw)

    return fault


def error_line(code: int, reason: str = "", *, cause: str = "") -> bytes:
    error = status_object(code, reason) | {"details": {"causes": [{"reason": cause}]}}
    return json.dumps({"type": "ERROR", "object": error}).encode() + b"\n"


def status(
    code: int, *, reason: str = "", message: str = "", headers: Mapping[str, str] | None = None
) -> web.Response:
    return web.json_response(status_object(code, reason, message), status=code, headers=headers)


def status_object(code: int, reason: str = "", message: str = "") -> Json:
    return {"kind": "Status", "code": code, "reason": reason, "message": message}


def _at(version: int) -> Json:
    return {"resourceVersion": str(version)}


def _parse(path: str) -> tuple[str, str, str, str]:
    """Group, plural, namespace and name of a URL path."""
    parts = path.strip("/").split("/")
    group = parts[1] if parts[0] == "apis" else ""
    rest = parts[3:] if parts[0] == "apis" else parts[2:]
    namespace = ""
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    plural, name, *_ = (*rest, "", "")
    return group, plural, namespace, name
