"""Which keys need work, each at most once at a time.

A key says *where* to look, never *why*: a reconcile reads the whole state, so
ten causes are one piece of work. A key added while it is being worked on is
worked on again afterwards, and never by two workers at once.

The semantics are client-go's (util/workqueue), which many years of
controllers have relied on.
"""

import asyncio
import heapq
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from tandem_controller.kube.backoff import exponential

K = TypeVar("K", bound=Hashable)

_TIMER_SLACK_SECONDS = 0.001
"""An event loop may fire a timer this much early, by its clock's resolution."""


def _ignore(_: float) -> None:
    """The hook of someone who does not measure."""


@dataclass(frozen=True)
class QueueHooks:
    """What a queue tells of itself; the composition root connects metrics."""

    depth: Callable[[int], None] = _ignore
    """Keys that wait for a worker, after each change."""
    wait_seconds: Callable[[float], None] = _ignore
    """How long a key waited, when a worker takes it."""
    work_seconds: Callable[[float], None] = _ignore
    """How long a worker had it."""
    retry_seconds: Callable[[float], None] = _ignore
    """The delay of each rate limited retry."""


class QueueClosed(Exception):  # noqa: N818  it reports a state, not a failure
    """The queue was closed; a worker that sees it goes home."""


class WorkQueue(Generic[K]):
    """Keys to work on: deduplicated, delayable, with backoff a key.

    ``retries_per_second`` and ``retry_burst`` bound all rate limited retries
    together, so that a thousand failing objects do not become a storm.
    """

    def __init__(
        self,
        *,
        first_retry_seconds: float = 0.05,
        longest_retry_seconds: float = 60.0,
        retries_per_second: float = 20.0,
        retry_burst: int = 100,
        hooks: QueueHooks | None = None,
    ) -> None:
        self._first_retry_seconds = first_retry_seconds
        self._longest_retry_seconds = longest_retry_seconds
        self._bucket = TokenBucket(retries_per_second, retry_burst)
        self._hooks = hooks or QueueHooks()
        self._ready: asyncio.Queue[K | None] = asyncio.Queue()
        self._added_at: dict[K, float] = {}  # keys that need work: queued, or again after running
        self._started_at: dict[K, float] = {}  # keys that a worker has
        self._failures: dict[K, int] = {}
        self._delayed = _Delayed[K](self.add)
        self._closed = False

    def add(self, key: K) -> None:
        """Ask for work on a key, now; once is enough however often it is asked."""
        if self._closed or key in self._added_at:
            return
        self._added_at[key] = _now()
        if key not in self._started_at:
            self._enqueue(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Ask for work later; of several times asked for, the earliest counts."""
        if seconds <= 0:
            self.add(key)
        elif not self._closed:
            self._delayed.schedule(key, _now() + seconds)

    def add_rate_limited(self, key: K) -> None:
        """Ask for another try after a failure: later with each one, until :meth:`forget`."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        own = exponential(failures, self._first_retry_seconds, self._longest_retry_seconds)
        seconds = max(own, self._bucket.reserve_seconds(_now()))
        self._hooks.retry_seconds(seconds)
        self.add_after(key, seconds)

    def forget(self, key: K) -> None:
        """It worked: the next failure of this key starts from the first delay."""
        self._failures.pop(key, None)

    def failures(self, key: K) -> int:
        """How many rate limited tries a key has had since :meth:`forget`."""
        return self._failures.get(key, 0)

    async def get(self) -> K:
        """The next key, which is then this worker's until :meth:`done`.

        Safe to cancel: a key is either returned or still queued.
        """
        key = await self._ready.get()
        if key is None:
            self._ready.put_nowait(None)  # for the other workers
            raise QueueClosed
        now = _now()
        self._hooks.wait_seconds(now - self._added_at.pop(key))
        self._started_at[key] = now
        self._hooks.depth(len(self))
        return key

    def done(self, key: K) -> None:
        """The worker is finished; what was added meanwhile is queued now."""
        started_at = self._started_at.pop(key, None)
        if started_at is None:
            return
        self._hooks.work_seconds(_now() - started_at)
        if key in self._added_at:
            self._enqueue(key)

    def close(self) -> None:
        """Take nothing more; workers finish what is queued, then see ``QueueClosed``."""
        if not self._closed:
            self._closed = True
            self._delayed.clear()
            self._ready.put_nowait(None)

    def __len__(self) -> int:
        """Keys that wait for a worker."""
        return self._ready.qsize() - self._closed

    def _enqueue(self, key: K) -> None:
        self._ready.put_nowait(key)
        self._hooks.depth(len(self))


class _Delayed(Generic[K]):
    """Keys with a time, and one timer for the earliest of them."""

    def __init__(self, fire: Callable[[K], None]) -> None:
        self._fire = fire
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._order = 0

    def schedule(self, key: K, when: float) -> None:
        if self._due.get(key, when) < when:
            return
        self._due[key] = when
        self._order += 1  # keys need not be comparable
        heapq.heappush(self._heap, (when, self._order, key))
        self._arm()

    def clear(self) -> None:
        self._due.clear()
        self._heap.clear()
        self._arm()

    def _arm(self) -> None:
        if self._timer:
            self._timer.cancel()
        first = self._heap[0][0] if self._heap else None
        loop = asyncio.get_running_loop()
        self._timer = None if first is None else loop.call_at(first, self._fire_due)

    def _fire_due(self) -> None:
        """Hand over what is due. A key scheduled earlier since has a stale entry here."""
        now = _now() + _TIMER_SLACK_SECONDS
        while self._heap and self._heap[0][0] <= now:
            when, _, key = heapq.heappop(self._heap)
            if self._due.get(key) == when:
                del self._due[key]
                self._fire(key)
        self._arm()


class TokenBucket:
    """So many a second, with a burst; the answer is how long to wait for a token.

    Kept as the time of the next free slot: slots that nobody used stay
    available, up to the burst.
    """

    def __init__(self, per_second: float, burst: int) -> None:
        self._interval_seconds = 1 / per_second
        self._saved_seconds = (burst - 1) * self._interval_seconds
        self._next_slot = float("-inf")

    def reserve_seconds(self, now: float) -> float:
        """Take a slot, and say how long it is until then."""
        slot = max(self._next_slot, now - self._saved_seconds)
        self._next_slot = slot + self._interval_seconds
        return max(0.0, slot - now)


def _now() -> float:
    return asyncio.get_running_loop().time()
