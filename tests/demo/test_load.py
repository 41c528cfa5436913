"""The client of the demo hides nothing: what it counts is what a user would have seen."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from demo.load import Sample, attempt
from demo.traffic import Load, load, split

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(handle: Handler) -> AsyncIterator[str]:
    """Serve on a free port; yields the URL."""
    serving = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with serving:
        host, port = serving.sockets[0].getsockname()[:2]
        yield f"http://{host}:{port}"


class Answer:
    """Answers each connection with the same bytes, and counts connections and requests."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.connections = 0
        self.requests: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(self.answer)
        writer.close()
        await writer.wait_closed()


SHOP = b"HTTP/1.1 200 OK\r\n\r\ninit=v1 biz=v2\n"
ERROR = b"HTTP/1.1 503 Service Unavailable\r\n\r\nno available server"


async def test_an_answer_names_both_versions() -> None:
    async with server(Answer(SHOP)) as url:
        sample = await attempt(url)
    assert (sample.status, sample.init, sample.business) == (200, "v1", "v2")
    assert not sample.failed


async def test_a_host_may_be_asked_for() -> None:
    answer = Answer(SHOP)
    async with server(answer) as url:
        await attempt(f"{url}/cart", "shop.example")
    assert answer.requests[0].startswith(b"GET /cart HTTP/1.1\r\nHost: shop.example\r\n")


async def test_an_error_of_the_server_is_a_failure_and_is_not_tried_again() -> None:
    answer = Answer(ERROR)
    async with server(answer) as url:
        sample = await attempt(url)
    assert sample.failed
    assert (sample.status, sample.business) == (503, "")
    assert answer.connections == 1


async def test_a_refused_connection_is_a_failure() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        sample = await attempt(f"http://127.0.0.1:{free.getsockname()[1]}")
    assert sample.failed
    assert sample.error.startswith("ConnectionRefusedError: ")


async def test_a_connection_closed_without_an_answer_is_a_failure_and_is_not_tried_again() -> None:
    answer = Answer(b"")
    async with server(answer) as url:
        sample = await attempt(url)
    assert sample.error == "NoAnswer: the connection was closed without one"
    assert answer.connections == 1


async def test_each_request_has_a_connection_of_its_own_and_a_line_in_the_log(
    tmp_path: Path,
) -> None:
    answer = Answer(SHOP)
    async with server(answer) as url, load(url, tmp_path / "log", rate=100) as running:
        await running.next_requests(50)
    lines = (tmp_path / "log").read_bytes().splitlines()
    logged = [msgspec.json.decode(line, type=Sample) for line in lines]
    assert logged == running.samples
    assert len(logged) == answer.connections == len(answer.requests)
    assert running.failures == []


async def test_a_slow_server_gets_as_many_requests_as_a_fast_one(tmp_path: Path) -> None:
    answered = asyncio.Event()
    began = 0

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal began
        began += 1
        if began == 20:
            answered.set()
        await answered.wait()
        await Answer(SHOP)(reader, writer)

    async with server(hold) as url, load(url, tmp_path / "log", rate=100) as running:
        await running.next_requests(20, since=0)
    assert running.failures == []


def test_a_window_is_counted_by_the_version_that_answered() -> None:
    window = split([sample(business="v1")] * 3 + [sample(business="v2"), sample(status=503)])
    assert window.total == 4
    assert window.percent("v2") == 25
    assert window.percent("v3") == 0


def test_an_empty_window_has_no_shares() -> None:
    assert split([]).percent("v1") == 0


def test_the_rate_is_that_of_the_whole_time(tmp_path: Path) -> None:
    running = Load(tmp_path / "log")
    running.samples = [sample(at=float(second)) for second in (0, 2, 1, 4)]
    assert running.rate == 0.75


def sample(*, at: float = 0, status: int = 200, business: str = "") -> Sample:
    """Return a sample."""
    return Sample(at=at, ms=1, status=status, business=business)
