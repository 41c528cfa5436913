"""Kubernetes Events: what happened, where ``kubectl describe`` shows it.

An Event is a courtesy: recording one never waits for the API server, never
fails the caller, and under pressure the oldest are dropped (and counted).

The same thing said again is one Event with a series (``events.k8s.io/v1``),
whose count is written at most once every few minutes. client-go does the same
(tools/events/event_broadcaster.go), except that it writes the first repeat at
once; in a hot loop of reconciles that is already one write too many.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import count
from typing import Any, Protocol

import structlog

from tandem_controller.kube.backoff import Backoff
from tandem_controller.kube.client import PatchType
from tandem_controller.kube.errors import (
    AlreadyExists,
    ApiError,
    NotFound,
    TooManyRequests,
    Unavailable,
)
from tandem_controller.kube.event_series import (
    EVENT,
    NOTE_BYTES,
    WORD_BYTES,
    EventType,
    ObjectReference,
    Said,
    Series,
    cut,
)
from tandem_controller.kube.resource import Resource

QUEUE_LENGTH = 1000
SERIES_AT_ONCE = 4096
SERIES_WRITE_SECONDS = 300.0
SERIES_END_SECONDS = 360.0
TRIES = 5

__all__ = ["EVENT", "EventRecorder", "EventType", "ObjectReference"]

log = structlog.get_logger()


class EventClient(Protocol):
    """The two requests that recording needs; ``Client`` has them."""

    async def create(
        self,
        resource: Resource,
        body: Mapping[str, Any],
        namespace: str | None = None,
        *,
        field_manager: str,
    ) -> bytes:
        """Make an Event."""

    async def patch(
        self,
        resource: Resource,
        name: str,
        body: Mapping[str, Any],
        namespace: str | None = None,
        *,
        patch_type: PatchType,
        field_manager: str | None = None,
    ) -> bytes:
        """Count an Event up."""


class EventRecorder:
    """Takes Events at once and writes them in the background; run it as a task."""

    def __init__(
        self,
        client: EventClient,
        *,
        controller: str,
        instance: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        queue_length: int = QUEUE_LENGTH,
        series_write_seconds: float = SERIES_WRITE_SECONDS,
        on_drop: Callable[[str], None] = lambda _reason: None,
        backoff: Callable[[], Backoff] = Backoff,
    ) -> None:
        self._client = client
        self._controller = controller
        self._instance = instance
        self._now = now
        self._queue_length = queue_length
        self._series_write_seconds = series_write_seconds
        self._on_drop = on_drop
        self._backoff = backoff
        self._pending: deque[Series] = deque()
        self._series: OrderedDict[Said, Series] = OrderedDict()
        self._numbers = count()
        self._work = asyncio.Event()

    def record(
        self,
        regarding: ObjectReference,
        *,
        type: EventType,  # noqa: A002  the API's own word
        reason: str,
        action: str,
        note: str,
        related: ObjectReference | None = None,
    ) -> None:
        """Say that something happened; returns at once.

        ``reason`` is a word for machines ("RolledBack"), ``action`` what the
        controller did or tried ("Rollback"), ``note`` the sentence.
        """
        # The version differs at each reconcile and says nothing of the cause.
        about = regarding._replace(resource_version="")
        said = Said(
            about,
            related,
            type,
            cut(reason, WORD_BYTES),
            cut(action, WORD_BYTES),
            cut(note, NOTE_BYTES),
        )
        series = self._series.get(said)
        if series is None:
            self._begin(said, regarding)
        else:
            series.count += 1
            series.last_at, series.last_said = self._now(), _loop_time()
        self._work.set()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._wait()
            self._queue_due_series()
            while self._pending:
                await self._write(self._pending.popleft())

    async def flush(self) -> None:
        """Write what is pending, once, before the process ends; bound it with a timeout."""
        self._pending = deque(s for s in self._series.values() if s.written_count < s.count)
        while self._pending:
            await self._write(self._pending.popleft())

    def _begin(self, said: Said, regarding: ObjectReference) -> None:
        now = self._now()
        # The time tells replicas and lives apart, the number what one said in one instant.
        suffix = f"{int(now.timestamp() * 1e6):x}.{next(self._numbers):x}"
        name = f"{regarding.name[: 252 - len(suffix)]}.{suffix}"
        series = Series(said, name, now, now, _loop_time())
        self._series[said] = series
        if len(self._series) > SERIES_AT_ONCE:
            self._series.popitem(last=False)
        if len(self._pending) >= self._queue_length:
            self._drop(self._pending.popleft(), "the queue is full")
        self._pending.append(series)

    def _drop(self, series: Series, why: str) -> None:
        """Forget it, so that saying it again makes a new try."""
        self._series.pop(series.said, None)
        log.warning("An Event was dropped.", reason=series.said.reason, why=why)
        self._on_drop(series.said.reason)

    async def _wait(self) -> None:
        """Until something was said, or a series is due."""
        self._work.clear()
        due = min((s.next_write for s in self._series.values() if s.is_behind), default=None)
        if self._pending:
            return
        try:
            async with asyncio.timeout_at(due):
                await self._work.wait()
        except TimeoutError:
            pass

    def _queue_due_series(self) -> None:
        now = _loop_time()
        for said, series in list(self._series.items()):
            if series.is_behind:
                if series.next_write <= now:
                    self._pending.append(series)
            elif series.written_count and now - series.last_said > SERIES_END_SECONDS:
                del self._series[said]

    async def _write(self, series: Series) -> None:
        """Create or count up, with a few tries where the server is not to be had."""
        backoff = self._backoff()
        for _ in range(TRIES):
            try:
                return await self._write_once(series)
            except (Unavailable, TooManyRequests) as error:
                await asyncio.sleep(max(backoff.next_seconds(), error.retry_after_seconds or 0))
            except ApiError as error:
                # A namespace that is ending, a quota, missing rights.
                return self._drop(series, str(error))
        return self._drop(series, "the API server was not to be had")

    async def _write_once(self, series: Series) -> None:
        count = series.count
        try:
            if series.written_count:
                await self._patch(series, count)
            else:
                await self._create(series)
        except NotFound:
            if not series.written_count:
                raise
            await self._create(series)  # Events live one hour
        except AlreadyExists:
            pass  # the answer to an earlier try was lost
        series.written_count = count
        series.next_write = _loop_time() + self._series_write_seconds

    async def _create(self, series: Series) -> None:
        body = series.to_json(self._controller, self._instance)
        await self._client.create(EVENT, body, series.namespace, field_manager=self._controller)

    async def _patch(self, series: Series, count: int) -> None:
        await self._client.patch(
            EVENT,
            series.name,
            {"series": series.count_json(count)},
            series.namespace,
            patch_type=PatchType.MERGE,
            field_manager=self._controller,
        )


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
