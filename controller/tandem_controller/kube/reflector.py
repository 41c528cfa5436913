"""One kind of object, kept in a store as the API server has it.

List, then watch from the list's version, for ever. Every way in which that
can fail has one answer, in :meth:`Reflector._delay_after`; none ends the
reflector. What the watch missed is found by comparing the next list with the
store, so that a deletion during an outage is a change like any other.

At rest this sends one watch request a kind every five to ten minutes.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from random import Random
from typing import Generic, TypeVar

import structlog

from tandem_controller.kube.backoff import Backoff
from tandem_controller.kube.client import Client
from tandem_controller.kube.errors import (
    ApiError,
    Gone,
    Invalid,
    NotFound,
    TooManyRequests,
    Unavailable,
)
from tandem_controller.kube.resource import Resource
from tandem_controller.kube.store import Change, HasMetadata, Key, Store
from tandem_controller.kube.watch_stream import WatchEvent, WatchEventType
from tandem_controller.kube.wire_objects import ObjectMetadata, decode_metadata, decode_page

T = TypeVar("T", bound=HasMetadata)

PAGE_SIZE = 500
WATCH_SECONDS = (300, 600)
SHORT_WATCH_SECONDS = 5.0
"""A watch that ends sooner, without an event, counts as a failure."""
ABSENT_RETRY_SECONDS = 300.0
ABSENT_AFTER = 3
"""So many 404s in a row before objects that were there count as deleted."""

log = structlog.get_logger()


@dataclass
class ReflectorHooks:
    """What a reflector tells of itself; the composition root connects metrics."""

    on_retry: Callable[[ApiError, float], None] = lambda _error, _seconds: None
    """A failure, and the seconds until the next try."""
    on_list: Callable[[int], None] = lambda _objects: None
    """A complete list was taken, with so many objects."""
    on_event: Callable[[], None] = lambda: None
    """The watch delivered a change or a bookmark."""
    on_unreadable: Callable[[Key], None] = lambda _key: None
    """An object could not be decoded or indexed; its last readable state stays."""


class Reflector(Generic[T]):
    """Keeps a store equal to the API server; run it as a task.

    ``on_change(old, new)`` is called after the store changed; it should only
    note keys, and an exception from it ends :meth:`run`: a change that nobody
    took note of would be lost. ``has_synced`` is set once the store is complete. ``absent``
    says that the kind is not served (its CRD is not installed); then
    ``has_synced`` is set too, since an empty store is the truth.
    """

    def __init__(
        self,
        client: Client,
        resource: Resource,
        *,
        decode: Callable[[bytes], T],
        store: Store[T],
        on_change: Callable[[T | None, T | None], None],
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
        watch_list: bool = True,
        watch_seconds: tuple[int, int] = WATCH_SECONDS,
        absent_retry_seconds: float = ABSENT_RETRY_SECONDS,
        random: Random | None = None,
        hooks: ReflectorHooks | None = None,
    ) -> None:
        self.resource = resource
        self.has_synced = asyncio.Event()
        self.absent = False
        self.last_error: ApiError | None = None
        self.unreadable: dict[Key, str] = {}
        self._client = client
        self._decode = decode
        self._store = store
        self._on_change = on_change
        self._namespace = namespace
        self._label_selector = label_selector
        self._field_selector = field_selector
        self._watch_list = watch_list
        self._watch_seconds = watch_seconds
        self._absent_retry_seconds = absent_retry_seconds
        self._random = random or Random()
        self._hooks = hooks or ReflectorHooks()
        self._backoff = Backoff(random=self._random.random)
        self._version: str | None = None
        self._not_found_in_a_row = 0
        self._had_bookmark = False
        self._wake = asyncio.Event()
        self._log = log.bind(resource=str(resource))

    async def run(self) -> None:
        """List and watch until cancelled."""
        while True:
            try:
                await self._follow()
            except ApiError as error:
                await self._pause(self._delay_after(error))

    def retry_now(self) -> None:
        """End the current wait between tries, for instance when a CRD appeared."""
        self._wake.set()

    async def _follow(self) -> None:
        """One stream, preceded by a list where there is no version to resume from."""
        if self._version is not None:
            await self._watch(initial=None)
        elif self._watch_list:
            await self._watch(initial=_Listing[T]())
        else:
            await self._list()

    def _delay_after(self, error: ApiError) -> float:
        """What an error means for the next try, and how long until then."""
        self.last_error = error
        if isinstance(error, Gone) or _is_from_the_future(error):
            self._version = None
        elif isinstance(error, Invalid) and self._watch_list and self._version is None:
            self._watch_list = False  # the WatchList feature is off on this server
            return 0.0
        elif isinstance(error, NotFound):
            self._version = None
            return self._delay_after_not_found(error)
        seconds = max(self._backoff.next_seconds(), _asked_to_wait(error))
        self._log.warning("The watch failed and is retried.", error=str(error), seconds=seconds)
        self._hooks.on_retry(error, seconds)
        return seconds

    def _delay_after_not_found(self, error: NotFound) -> float:
        """The kind is not served. Objects we hold are given up only when that is certain."""
        self._not_found_in_a_row += 1
        if len(self._store) and self._not_found_in_a_row < ABSENT_AFTER:
            seconds = self._backoff.next_seconds()
            self._hooks.on_retry(error, seconds)
            return seconds
        if not self.absent:
            self._log.info("This kind is not served; it is looked for every few minutes.")
        self.absent = True
        self._report(self._store.replace_all(()))
        self.has_synced.set()
        return self._absent_retry_seconds * self._random.uniform(1.0, 1.2)

    async def _pause(self, seconds: float) -> None:
        self._wake.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    async def _list(self) -> None:
        """All pages of one consistent list, without starving the loop between them.

        Without a resourceVersion, so that the list is never older than what
        was seen before (``resourceVersion=0`` may be, and returns one page of
        any size).
        """
        listing = _Listing[T]()
        token: str | None = None
        while True:
            page = decode_page(await self._page(token))
            for raw in page.items or ():
                self._collect(bytes(raw), listing)
            token = page.metadata.continue_token
            if not token:
                break
            await asyncio.sleep(0)
        self._take(listing, page.metadata.resource_version)

    async def _page(self, token: str | None) -> bytes:
        return await self._client.list_page(
            self.resource,
            namespace=self._namespace,
            limit=PAGE_SIZE,
            continue_token=token,
            label_selector=self._label_selector,
            field_selector=self._field_selector,
        )

    async def _watch(self, initial: "_Listing[T] | None") -> None:
        """One stream to its end; with ``initial``, the list comes first in it.

        The failures before count as over once the stream delivers news or
        lasts. A list inside it is no news: a server that lists well and
        then answers 410 at once must not be listed twice a second.
        """
        loop = asyncio.get_running_loop()
        started_at = loop.time()
        news = False
        try:
            async with aclosing(self._open_watch(sends_initial=initial is not None)) as events:
                async for event in events:
                    news = news or initial is None
                    initial = self._apply(event, initial)
        finally:
            lasted = loop.time() - started_at >= SHORT_WATCH_SECONDS
            if news or lasted:
                self._backoff.reset()
        if initial is not None:
            self._watch_list = False  # an old server that ignored the parameter
        elif not news and not lasted:
            raise Unavailable(0, "ShortWatch", "The watch ended at once and without an event.")

    def _open_watch(self, *, sends_initial: bool) -> AsyncGenerator[WatchEvent, None]:
        """Silence counts from the start where the stream before had bookmarks.

        One stream back and no further: a server may stop sending them, and
        then silence must not cut healthy streams for ever.
        """
        silence_counts_at_once = self._had_bookmark
        self._had_bookmark = False
        return self._client.watch(
            self.resource,
            namespace=self._namespace,
            resource_version=self._version,
            timeout_seconds=round(self._random.uniform(*self._watch_seconds)),
            send_initial_events=sends_initial,
            silence_counts_at_once=silence_counts_at_once,
            label_selector=self._label_selector,
            field_selector=self._field_selector,
        )

    def _apply(self, event: WatchEvent, initial: "_Listing[T] | None") -> "_Listing[T] | None":
        """Take one event; returns the listing as long as it is incomplete."""
        self._hooks.on_event()
        if event.type is WatchEventType.BOOKMARK:
            return self._apply_bookmark(event.object, initial)
        if initial is not None:
            self._collect(event.object, initial)
            return initial
        metadata = decode_metadata(event.object)
        if event.type is WatchEventType.DELETED:
            self.unreadable.pop(metadata.key, None)
            self._report(self._store.delete(metadata.key, metadata.resource_version))
        else:
            self._upsert(event.object, metadata)
        self._version = metadata.resource_version
        return None

    def _apply_bookmark(self, raw: bytes, initial: "_Listing[T] | None") -> "_Listing[T] | None":
        metadata = decode_metadata(raw)
        self._had_bookmark = True
        if initial is None:
            self._store.advance(metadata.resource_version)
            self._version = metadata.resource_version
            return None
        if metadata.annotations.get("k8s.io/initial-events-end") != "true":
            return initial
        self._take(initial, metadata.resource_version)
        return None

    def _upsert(self, raw: bytes, metadata: ObjectMetadata) -> None:
        try:
            changes = self._store.upsert(self._decode(raw))
        except Exception as error:  # noqa: BLE001  decoders and indexes are the caller's code
            self._note_unreadable(metadata.key, error)
            self._store.advance(metadata.resource_version)
        else:
            self.unreadable.pop(metadata.key, None)
            self._report(changes)

    def _collect(self, raw: bytes, listing: "_Listing[T]") -> None:
        try:
            obj = self._decode(raw)
            self._store.check(obj)
            listing.objects.append(obj)
        except Exception as error:  # noqa: BLE001  decoders and indexes are the caller's code
            listing.unreadable[decode_metadata(raw).key] = error

    def _take(self, listing: "_Listing[T]", resource_version: str) -> None:
        """A complete list is the truth about which objects exist."""
        self.unreadable.clear()
        for key, error in listing.unreadable.items():
            self._note_unreadable(key, error)
        changes = self._store.replace_all(
            listing.objects, resource_version, keep=listing.unreadable
        )
        self._version = resource_version
        self._not_found_in_a_row, self.absent = 0, False
        self._report(changes)
        self._hooks.on_list(len(listing.objects))
        self.has_synced.set()

    def _note_unreadable(self, key: Key, error: Exception) -> None:
        """One broken object must neither stop its kind nor look deleted."""
        self.unreadable[key] = str(error)
        self._log.error("An object cannot be read and is ignored.", key=key, error=str(error))
        self._hooks.on_unreadable(key)

    def _report(self, changes: tuple[Change[T], ...]) -> None:
        for change in changes:
            self._on_change(change.old, change.new)


@dataclass
class _Listing(Generic[T]):
    """A list that is being received, in pages or in a stream."""

    objects: list[T] = field(default_factory=list)
    unreadable: dict[Key, Exception] = field(default_factory=dict)


def _is_from_the_future(error: ApiError) -> bool:
    return isinstance(error, Unavailable) and error.version_is_from_the_future


def _asked_to_wait(error: ApiError) -> float:
    if isinstance(error, TooManyRequests | Unavailable):
        return error.retry_after_seconds or 0.0
    return 0.0
