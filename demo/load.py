"""A client that hides nothing: one attempt a request, a new connection each, a fixed rate.

It is a process of its own (`python -m demo.load URL --rate 60 --log FILE`), so that nothing
that the demo does delays it. Each request becomes one JSON line, in the log and on standard
output: when it began (`at`, seconds since 1970), what it took (`ms`), and either the answer's
`status` with the versions it names (`init`, `business`) or the `error`.

The pace does not depend on the answers: a slow server gets as many requests as a fast one.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import signal
import sys
import time
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import msgspec

TIMEOUT_SECONDS = 10.0
_VERSIONS = re.compile(rb"init=(\S+) biz=(\S+)")


class Sample(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one request; without a status there was no answer."""

    at: float
    ms: float
    status: int = 0
    init: str = ""
    business: str = ""
    error: str = ""

    @property
    def failed(self) -> bool:
        """Whether a user would have noticed: no answer, or a server's error."""
        return bool(self.error) or self.status >= 500  # noqa: PLR2004 - the class of 5xx


async def attempt(url: str, host: str | None = None) -> Sample:
    """Make one request over a connection of its own; never try again."""
    at, begin = time.time(), time.monotonic()
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            answer = await _exchange(url, host)
    except (OSError, EOFError, TimeoutError) as error:
        text = str(error) or f"no answer within {TIMEOUT_SECONDS:g} s"
        return Sample(at=at, ms=_since(begin), error=f"{type(error).__name__}: {text}")
    return _sample(answer, at, _since(begin))


async def _exchange(url: str, host: str | None) -> bytes:
    target = urlsplit(url)
    reader, writer = await asyncio.open_connection(target.hostname, target.port or 80)
    try:
        request = (
            f"GET {target.path or '/'} HTTP/1.1\r\nHost: {host or target.netloc}\r\n"
            "User-Agent: tandem-demo\r\nConnection: close\r\n\r\n"
        )
        writer.write(request.encode())
        return await reader.read()
    finally:
        writer.close()


def _sample(answer: bytes, at: float, ms: float) -> Sample:
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(maxsplit=2)
    if len(words) < 2 or not words[1].isdigit():  # noqa: PLR2004 - protocol and status
        return Sample(at=at, ms=ms, error="NoAnswer: the connection was closed without one")
    named = _VERSIONS.search(body)
    init, business = (found.decode() for found in named.groups()) if named else ("", "")
    return Sample(at=at, ms=ms, status=int(words[1]), init=init, business=business)


def _since(begin: float) -> float:
    return round((time.monotonic() - begin) * 1000, 2)


async def run(url: str, host: str | None, rate: float, outputs: list[BinaryIO]) -> None:
    """Send requests at a fixed rate until SIGTERM; then wait for those under way."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)

    async def one() -> None:
        line = msgspec.json.encode(await attempt(url, host)) + b"\n"
        for output in outputs:
            output.write(line)
            output.flush()

    async with asyncio.TaskGroup() as requests:
        due = loop.time()
        while not stopping.is_set():
            requests.create_task(one())
            due += 1 / rate
            try:
                async with asyncio.timeout_at(due):
                    await stopping.wait()
            except TimeoutError:
                continue


def main() -> None:
    """Run the client."""
    parser = argparse.ArgumentParser(prog="demo.load", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--host", help="value of the header Host")
    parser.add_argument("--rate", type=float, default=60, help="requests a second")
    parser.add_argument("--log", type=Path, required=True)
    chosen = parser.parse_args()
    with chosen.log.open("wb") as log:
        asyncio.run(run(chosen.url, chosen.host, chosen.rate, [log, sys.stdout.buffer]))


if __name__ == "__main__":
    main()
