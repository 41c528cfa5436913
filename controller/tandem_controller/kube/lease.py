"""One replica acts: leadership by a ``coordination.k8s.io/v1`` Lease.

The rule that everything here serves: a leader stops *before* anyone else may
start. The others count a Lease's duration from when they saw its last
renewal, which is after the leader sent it. So a leader that counts from when
it sent its last successful renewal, and stops ``renew_deadline_seconds``
later, has stopped before the Lease can end for anyone, with
``lease_seconds - renew_deadline_seconds`` to spare for its work to wind up.

Only durations on each one's own monotonic clock are compared, never clocks
with each other: the times in the Lease are for people. A machine whose clock
is an hour wrong may take part.

Source of the protocol: client-go tools/leaderelection/leaderelection.go.
Other than there, a standby replica watches the Lease instead of reading it
every two seconds: it sends nothing at rest, and takes over at once when the
Lease is released.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import NoReturn

import structlog

from tandem_controller.kube.errors import AlreadyExists, ApiError, Conflict, NotFound
from tandem_controller.kube.lease_record import Lease, LeaseClient, LeaseFile, decode
from tandem_controller.kube.watch_stream import WatchEventType

WATCH_SECONDS = (300, 600)
_TOO_SHORT_SECONDS = 0.001
"""A timer may fire this much early; without it the last microsecond would be a busy loop."""

log = structlog.get_logger()


class LeadershipLost(Exception):  # noqa: N818  it reports a state, not a failure
    """This replica may act no longer; its process should end and start afresh."""


@dataclass(frozen=True)
class LeaseTimes:
    """How long a Lease lasts and how it is renewed; client-go's defaults."""

    lease_seconds: float = 15.0
    renew_deadline_seconds: float = 10.0
    retry_seconds: float = 2.0

    def __post_init__(self) -> None:
        if not 0 < self.retry_seconds < self.renew_deadline_seconds < self.lease_seconds:
            raise ValueError("A Lease needs 0 < retry < renew deadline < lease duration.")

    @property
    def request_seconds(self) -> float:
        """So short that a hanging request leaves time for another."""
        return self.renew_deadline_seconds / 3

    @property
    def stop_seconds(self) -> float:
        """What a leader's work has to wind up after leadership ended."""
        return self.lease_seconds - self.renew_deadline_seconds


@dataclass(frozen=True)
class _Observed:
    """A state of the Lease, and when we saw it first."""

    lease: Lease
    at: float


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _exit_process() -> NoReturn:
    os._exit(70)


class LeaderElector:
    """Waits for the Lease, leads while it holds it, gives it back.

    ``identity`` must differ between processes, also between two lives of one
    pod: the host's name and something random.
    """

    def __init__(
        self,
        client: LeaseClient,
        *,
        namespace: str,
        name: str,
        identity: str,
        times: LeaseTimes = LeaseTimes(),
        field_manager: str = "tandem",
        now: Callable[[], datetime] = _utc_now,
        random: Random | None = None,
        on_leading: Callable[[bool], None] = lambda _leads: None,
        on_stuck: Callable[[], None] = _exit_process,
    ) -> None:
        self._identity = identity
        self._times = times
        self._file = LeaseFile(
            client, namespace, name, identity, times.lease_seconds, now, field_manager
        )
        self._random = random or Random()
        self._on_leading = on_leading
        self._on_stuck = on_stuck
        self._observed: _Observed | None = None
        self._leads_until = float("-inf")
        self._log = log.bind(lease=f"{namespace}/{name}", identity=identity)

    @property
    def is_leader(self) -> bool:
        """Whether this replica may act *now*.

        Computed from the clock each time: a process that was stopped
        (SIGSTOP, a starved node) must not act on waking, before its timers
        ran.
        """
        return _loop_time() < self._leads_until

    @property
    def holder(self) -> str:
        """Who held the Lease when it was last seen; empty when nobody did."""
        return self._observed.lease.holder if self._observed else ""

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Become leader, then run ``lead`` until it returns or leadership ends.

        Raises :class:`LeadershipLost` when the Lease could not be renewed or
        someone else has it; ``lead`` has been cancelled and has ended by
        then. Should it not end in time, ``on_stuck`` is called, which ends
        the process: two leaders are worse than a crash. The Lease is released
        at the end, also of a cancelled run, once ``lead`` has ended.
        """
        await self._acquire()
        self._log.info("This replica leads.")
        self._on_leading(True)
        work = asyncio.ensure_future(lead())
        try:
            await self._renew_while(work)
        finally:
            await self._stop(work)
            self._on_leading(False)
            await self._release()
        work.result()

    # --- waiting for the Lease -------------------------------------------------

    async def _acquire(self) -> None:
        while not await self._try_acquire():
            if not await self._became_free():
                await asyncio.sleep(self._retry_seconds())

    async def _try_acquire(self) -> bool:
        sent_at = _loop_time()
        try:
            async with asyncio.timeout(self._times.request_seconds):
                lease = await self._take_if_free()
        except (ApiError, TimeoutError) as error:
            self._log.warning("The Lease cannot be taken; trying again.", error=str(error))
            return False
        if lease is not None:
            self._hold(lease, sent_at)
        return self.is_leader

    async def _take_if_free(self) -> Lease | None:
        """The Lease as ours, or None while it is someone else's.

        Deleting a Lease does not stop its holder, so the last one seen must
        have ended even then.
        """
        try:
            current = await self._read()
            if current is not None:
                self._observe(current)
            if not self._is_free():
                return None
            return await (self._file.create() if current is None else self._file.take(current))
        except (Conflict, AlreadyExists):
            return None  # another replica was faster

    async def _read(self) -> Lease | None:
        try:
            return await self._file.read()
        except NotFound:
            return None

    async def _became_free(self) -> bool:
        """Watch someone's Lease until it may be ours; False when that says nothing.

        That is: when it cannot be watched, and when it seemed free before and
        yet could not be had.
        """
        if self._observed is None or self._is_free():
            return False
        seconds = round(self._random.uniform(*WATCH_SECONDS))
        try:
            async with (
                asyncio.timeout_at(self._free_at() + _TOO_SHORT_SECONDS) as expiry,
                aclosing(self._file.watch(self._observed.lease, seconds)) as events,
            ):
                async for event in events:
                    if event.type in {WatchEventType.ADDED, WatchEventType.MODIFIED}:
                        self._observe(decode(event.object))
                    if self._is_free():
                        return True
                    expiry.reschedule(self._free_at() + _TOO_SHORT_SECONDS)
        except TimeoutError:
            return True  # not renewed for its whole duration
        except ApiError as error:
            self._log.warning("The Lease cannot be watched; trying again.", error=str(error))
        return False

    def _observe(self, lease: Lease) -> None:
        """Note when a state was first seen: its duration counts from then."""
        if self._observed is None or self._observed.lease.version != lease.version:
            self._observed = _Observed(lease, _loop_time())

    def _is_free(self) -> bool:
        return _loop_time() >= self._free_at()

    def _free_at(self) -> float:
        """Released and our own are free; else the holder's whole duration must pass."""
        if self._observed is None or self.holder in {"", self._identity}:
            return float("-inf")
        return self._observed.at + max(self._times.lease_seconds, self._observed.lease.seconds)

    # --- holding it ------------------------------------------------------------

    def _hold(self, lease: Lease, sent_at: float) -> None:
        self._observed = _Observed(lease, _loop_time())
        self._leads_until = sent_at + self._times.renew_deadline_seconds

    async def _renew_while(self, work: asyncio.Future[None]) -> None:
        """Renew until the work ends; raises when leadership does."""
        seconds = self._retry_seconds()
        while True:
            remaining = self._leads_until - _loop_time()
            await asyncio.wait([work], timeout=max(0.0, min(seconds, remaining)))
            if work.done():
                return
            if self._leads_until - _loop_time() < _TOO_SHORT_SECONDS:
                raise LeadershipLost(
                    "The Lease could not be renewed within "
                    f"{self._times.renew_deadline_seconds:g} s; another replica may lead now."
                )
            seconds = await self._try_renew()

    async def _try_renew(self) -> float:
        """Renew; returns how long to wait before the next renewal.

        A request that hung has cost its time already: the next goes out at
        once, on a connection of its own.
        """
        sent_at = _loop_time()
        try:
            async with self._in_time():
                self._hold(await self._renew_or_remake(), sent_at)
        except (Conflict, AlreadyExists):
            return await self._see_who_holds()
        except TimeoutError:
            self._log.warning("The renewal of the Lease got no answer; trying again.")
            return 0.0
        except ApiError as error:
            self._log.warning("The Lease was not renewed; trying again.", error=str(error))
        return self._retry_seconds()

    async def _renew_or_remake(self) -> Lease:
        try:
            return await self._file.renew(self._ours())
        except NotFound:
            return await self._file.create()  # someone deleted it

    async def _see_who_holds(self) -> float:
        """Someone wrote the Lease: another leader, a person's label, or we ourselves.

        Ourselves, when the answer to a renewal was lost. Still ours: the next
        renewal starts from that state, at once. Not ours: stop at once.
        """
        try:
            async with self._in_time():
                current = await self._read()
        except TimeoutError:
            return 0.0
        except ApiError as error:
            self._log.warning("The Lease cannot be read; trying again.", error=str(error))
            return self._retry_seconds()
        if current is not None:
            self._observe(current)
        if self.holder != self._identity:
            self._leads_until = _loop_time()
            raise LeadershipLost(f"The Lease is held by {self.holder or 'nobody'} now.")
        return 0.0

    def _in_time(self) -> asyncio.Timeout:
        """A deadline for one request, never beyond leadership itself."""
        return asyncio.timeout_at(
            min(_loop_time() + self._times.request_seconds, self._leads_until)
        )

    def _ours(self) -> Lease:
        if self._observed is None:
            raise RuntimeError("There is no Lease to renew before one was taken.")
        return self._observed.lease

    # --- giving it back --------------------------------------------------------

    async def _stop(self, work: asyncio.Future[None]) -> None:
        """Cancel the work and see it end before the Lease can be anyone else's."""
        lease_ends = self._leads_until + self._times.stop_seconds
        work.cancel()
        await asyncio.wait([work], timeout=max(0.0, lease_ends - _loop_time()))
        if not work.done():
            self._log.critical("The work did not stop before the Lease ends.")
            self._on_stuck()
        elif not work.cancelled() and (error := work.exception()):
            self._log.warning("The work ended with an error.", error=str(error))

    async def _release(self) -> None:
        """Let the next one start now instead of when the Lease ends.

        Only what is surely still ours. Work that did not stop has outlasted
        that (:meth:`_stop`), so nothing is released under its feet.
        """
        if not self.is_leader:
            return
        try:
            async with self._in_time():
                await self._file.release(self._ours())
        except (ApiError, TimeoutError) as error:
            self._log.warning("The Lease was not released; it ends by itself.", error=str(error))
        finally:
            self._leads_until = float("-inf")

    def _retry_seconds(self) -> float:
        """Replicas that started together must not ask in step."""
        return self._times.retry_seconds * self._random.uniform(0.8, 1.2)


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
