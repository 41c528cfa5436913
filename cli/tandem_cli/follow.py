"""Following releases by watches: every change of what a summary says, as it happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from tandem_cli.session import Refusal
from tandem_cli.view import KINDS, Summary, snapshots, summarise
from tandem_controller.caches import Caches
from tandem_controller.effect import Kind
from tandem_controller.kinds import WATCHED
from tandem_controller.kube.client import Client
from tandem_controller.kube.reflector import Reflector

TIMEOUT_CODE = 3
"""Exit code of a wait that was in vain."""

Wanted = Callable[[Summary], bool]


def healthy(summary: Summary) -> bool:
    """Whether no release is in progress and none is due."""
    return summary.at_rest


def paused(summary: Summary) -> bool:
    """Whether a release waits at a step."""
    return summary.waiting


UNTIL: dict[str, Wanted] = {"healthy": healthy, "paused": paused}
"""What one may wait for."""


async def follow(
    client: Client, namespace: str | None, name: str | None
) -> AsyncGenerator[list[Summary], None]:
    """Yield the summaries now and after each change; close it when leaving early."""
    caches = Caches()
    changed = asyncio.Event()
    reflectors = [_reflector(client, caches, kind, namespace, changed) for kind in KINDS]
    tasks = [asyncio.create_task(reflector.run()) for reflector in reflectors]
    try:
        for reflector in reflectors:
            await reflector.has_synced.wait()
        last: list[Summary] | None = None
        while True:
            changed.clear()
            now = [summarise(s) for s in snapshots(caches, namespace, name)]
            if now != last:
                yield now
                last = now
            await changed.wait()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _reflector(
    client: Client, caches: Caches, kind: Kind, namespace: str | None, changed: asyncio.Event
) -> Reflector[Any]:
    return Reflector(
        client,
        WATCHED[kind].resource,
        decode=WATCHED[kind].decode,
        store=caches.stores[kind],
        on_change=lambda _old, _new: changed.set(),
        namespace=namespace,
    )


async def wait(
    client: Client,
    namespace: str | None,
    name: str | None,
    wanted: Wanted,
    *,
    timeout_seconds: float | None,
    show: Callable[[list[Summary]], None] = lambda _summaries: None,
) -> list[Summary]:
    """Wait until all releases that are named are as wanted.

    Raises:
        Refusal: when the time is over.
    """
    last: list[Summary] = []
    try:
        async with (
            asyncio.timeout(timeout_seconds),
            aclosing(follow(client, namespace, name)) as changes,
        ):
            async for last in changes:
                show(last)
                if last and all(wanted(summary) for summary in last):
                    break
    except TimeoutError:
        seen = "; ".join(f"{s.name}: {s.message}" for s in last) or "there is no such Rollout"
        raise Refusal(f"not so within {timeout_seconds:g} s: {seen}", code=TIMEOUT_CODE) from None
    return last
