"""HTTP to the API server: one request, one answer, no retry.

What every request has in common: the identity, TLS, the proxy, a deadline,
and that every way of failing becomes an ``ApiError``.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import msgspec

from tandem_controller.kube.credentials import Credentials
from tandem_controller.kube.errors import NoCredentials, from_response, unreachable

CONNECT_TIMEOUT_SECONDS = 10.0
HEADERS_TIMEOUT_SECONDS = 30.0
"""A watch may last ten minutes, but its headers come at once."""

JSON = "application/json"
Parameters = Mapping[str, str | int | bool | None]
Body = Mapping[str, Any] | Sequence[Any] | bytes


@dataclass(frozen=True)
class Request:
    """What is asked of the server; parameters that are None are left out."""

    method: str
    path: str
    body: Body | None = None
    parameters: Parameters = field(default_factory=dict)
    content_type: str = JSON

    @property
    def target(self) -> str:
        """Path and query."""
        stated = {key: _text(value) for key, value in self.parameters.items() if value is not None}
        return self.path + ("?" + urlencode(stated, quote_via=quote) if stated else "")

    @property
    def payload(self) -> bytes | None:
        """The body as JSON; bytes are taken to be JSON already."""
        body = self.body
        return body if body is None or isinstance(body, bytes) else msgspec.json.encode(body)


class Transport:
    """Connections to one API server under one identity."""

    def __init__(self, credentials: Credentials, user_agent: str) -> None:
        self._credentials = credentials
        self._session = aiohttp.ClientSession(
            # No limit: every watch holds a connection (aiohttp speaks
            # HTTP/1.1), and a request must never queue behind watches.
            connector=aiohttp.TCPConnector(limit=0, socket_factory=keepalive_socket),
            headers={"User-Agent": user_agent, "Accept": JSON},
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    @asynccontextmanager
    async def answer(
        self, request: Request, *, total_seconds: float
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """A successful answer whose body is not read yet.

        Losing the connection while the caller reads it is translated too.
        """
        try:
            answer = await self._send_authenticated(request, total_seconds)
            async with answer:
                if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
                    raise from_response(answer.status, await answer.read(), answer.headers)
                yield answer
        except (aiohttp.ClientError, OSError, NoCredentials) as error:  # also TimeoutError
            raise unreachable(error, f"{request.method} {request.path}") from error

    async def _send_authenticated(
        self, request: Request, total_seconds: float
    ) -> aiohttp.ClientResponse:
        """Send; on 401 load the credentials anew and send once more.

        The server answers 401 before it does anything, so that this is safe
        for writes as well.
        """
        answer = await self._send(request, total_seconds)
        if answer.status != HTTPStatus.UNAUTHORIZED:
            return answer
        answer.release()
        await self._credentials.reload()
        return await self._send(request, total_seconds)

    async def _send(self, request: Request, total_seconds: float) -> aiohttp.ClientResponse:
        access = self._credentials.access
        headers = {"Content-Type": str(request.content_type)} if request.body is not None else {}
        if (authorization := await access.authorization()) is not None:
            headers["Authorization"] = authorization
        timeout = aiohttp.ClientTimeout(total=total_seconds, sock_connect=CONNECT_TIMEOUT_SECONDS)
        async with asyncio.timeout(HEADERS_TIMEOUT_SECONDS):
            return await self._session.request(
                request.method,
                access.host + request.target,
                data=request.payload,
                headers=headers,
                ssl=self._credentials.tls or True,
                server_hostname=access.server_name,
                proxy=access.proxy,
                allow_redirects=False,  # a token must not follow a redirect
                timeout=timeout,
            )


def _text(value: str | int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def keepalive_socket(address: Any) -> socket.socket:  # noqa: ANN401  aiohttp's AddrInfoType is private
    """A socket whose dead peer the kernel notices within about a minute.

    A quiet watch sends nothing for minutes, so only TCP keep-alive tells a
    quiet server from a vanished one without a request.
    """
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        with contextlib.suppress(AttributeError):  # macOS names the first one otherwise
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return made
