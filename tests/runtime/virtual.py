"""Virtual time: hours of waiting in milliseconds, on a loop of its own."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import looptime

R = TypeVar("R")


def in_virtual_time(coroutine: Coroutine[Any, Any, R]) -> R:
    """Run to the end on a fresh loop whose clock starts at 0 and skips every wait."""
    with asyncio.Runner(loop_factory=lambda: looptime.new_event_loop(start=0)) as runner:
        return runner.run(coroutine)


def now() -> float:
    return asyncio.get_running_loop().time()


async def until(condition: Callable[[], object], *, seconds: float = 3600) -> float:
    """Wait until something holds, and return the time; fails after an hour of virtual time."""
    started_at = now()
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  the condition is the test's own
            await asyncio.sleep(0.05 if now() - started_at < 5 else 0.5)
    return now()


async def stopped(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel tasks and see that they end as cancelled."""
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    unexpected = [r for r in results if not isinstance(r, asyncio.CancelledError | None)]
    assert unexpected == []
