"""The load as the demo and the tests see it: requests as they end, counted by window."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from demo.load import TIMEOUT_SECONDS, Sample, attempt

ROOT = Path(__file__).parents[1]
_PATIENCE_SECONDS = 60.0


class ClientDied(Exception):  # noqa: N818 - it tells what happened
    """The client ended by itself: what it did not send proves nothing."""


@dataclass(frozen=True)
class Split:
    """Requests of a window by the business version that answered."""

    by_version: Counter[str]

    @property
    def total(self) -> int:
        """How many requests were answered with a version."""
        return sum(self.by_version.values())

    def percent(self, version: str) -> float:
        """The share of a version."""
        return 100 * self.by_version[version] / self.total if self.total else 0.0


class Load:
    """A running client and everything that it has reported."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.samples: list[Sample] = []
        self._reported = asyncio.Condition()

    async def read(self, lines: asyncio.StreamReader) -> None:
        """Take the client's lines until it ends."""
        async for line in lines:
            sample = msgspec.json.decode(line, type=Sample)
            async with self._reported:
                self.samples.append(sample)
                self._reported.notify_all()

    async def next_requests(self, count: int, *, since: float | None = None) -> list[Sample]:
        """Wait for so many requests that begin from now on (or from a time), and return them.

        Raises:
            TimeoutError: when the client does not send them.
        """
        begin = time.time() if since is None else since
        async with asyncio.timeout(_PATIENCE_SECONDS), self._reported:
            await self._reported.wait_for(lambda: len(self._since(begin)) >= count)
            return self._since(begin)[:count]

    def recent(self, seconds: float) -> Split:
        """Return the split of the last seconds."""
        return split(self._since(time.time() - seconds))

    @property
    def failures(self) -> list[Sample]:
        """Requests without an answer, or with a server's error."""
        return [sample for sample in self.samples if sample.failed]

    @property
    def rate(self) -> float:
        """Requests a second, over everything."""
        times = [sample.at for sample in self.samples]
        return (len(times) - 1) / (max(times) - min(times)) if len(times) > 1 else 0.0

    def _since(self, begin: float) -> list[Sample]:
        found: list[Sample] = []
        for sample in reversed(self.samples):
            if sample.at < begin - 2 * TIMEOUT_SECONDS:
                break
            if sample.at >= begin:
                found.append(sample)
        found.reverse()
        return found


def split(samples: Iterable[Sample]) -> Split:
    """Count answers by business version; what failed has none."""
    return Split(Counter(sample.business for sample in samples if sample.business))


@asynccontextmanager
async def load(
    url: str, log: Path, *, host: str | None = None, rate: float = 60
) -> AsyncIterator[Load]:
    """Run a client beside what is done inside; it ends with it.

    Raises:
        ClientDied: when it did not live to the end.
    """
    arguments = ["--rate", str(rate), "--log", str(log), *(("--host", host) if host else ())]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "demo.load", url, *arguments),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout is not None
    running = Load(log)
    reading = asyncio.create_task(running.read(process.stdout))
    try:
        await running.next_requests(1, since=0)
        yield running
        if process.returncode is not None:
            raise ClientDied(f"the client ended by itself, code {process.returncode}")
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        await reading


async def until_served(url: str, *, host: str | None = None, seconds: float = 60) -> None:
    """Try until the gateway answers with a version: no object says when it has loaded a route.

    Raises:
        TimeoutError: when it does not.
    """
    async with asyncio.timeout(seconds):
        while not (await attempt(url, host)).business:  # noqa: ASYNC110 - there is no event
            await asyncio.sleep(0.05)
