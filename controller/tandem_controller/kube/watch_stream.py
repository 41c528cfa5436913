"""The lines of a watch stream, as events.

A watch is newline-separated JSON over a response that may stop anywhere: in
the middle of a line, between two, or never. What is half a line is no event;
the reflector resumes from the last whole one.
"""

import asyncio
from collections.abc import AsyncGenerator
from enum import StrEnum

import msgspec
from aiohttp import StreamReader

from tandem_controller.kube.errors import Unavailable, from_status_object


class WatchEventType(StrEnum):
    """What happened; ``ERROR`` never reaches a caller, it is raised."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    BOOKMARK = "BOOKMARK"
    ERROR = "ERROR"


class WatchEvent(msgspec.Struct, frozen=True, gc=False):
    """One change: its type and the whole object as raw JSON."""

    type: WatchEventType
    object: bytes


class _Line(msgspec.Struct, gc=False):
    type: WatchEventType
    object: msgspec.Raw


_decode_line = msgspec.json.Decoder(_Line).decode


def decode_event(line: bytes) -> WatchEvent:
    """One line as an event; raises the error that an ERROR event carries.

    A line that cannot be read means the connection is broken, not that the
    object is bad: the API server always sends whole JSON.
    """
    try:
        event = _decode_line(line)
    except msgspec.MsgspecError as error:
        raise Unavailable(0, "TornLine", f"The watch sent an unreadable line: {error}") from error
    if event.type is WatchEventType.ERROR:
        raise from_status_object(event.object)
    return WatchEvent(event.type, bytes(event.object))


class LineBuffer:
    """Whole lines out of arbitrary chunks.

    Only the newest chunk is searched, so that a 3 MB object in 64 KB chunks
    costs one pass, and a line may have any length (aiohttp's own ``readline``
    has a limit).
    """

    def __init__(self) -> None:
        self._pending: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that this chunk completes."""
        first, *others = chunk.split(b"\n")
        self._pending.append(first)
        if not others:
            return []
        *whole, rest = b"".join(self._pending), *others
        self._pending = [rest]
        return whole


async def read_events(
    content: StreamReader, silence_seconds: float, *, counts_at_once: bool = False
) -> AsyncGenerator[WatchEvent, None]:
    """Events as they come; gives up on a server that stopped sending bookmarks.

    From the first bookmark on, the API server sends one a minute (cacher.go
    ``defaultBookmarkFrequency``), so from then on silence means a dead peer.
    It does not promise the first one, so nothing is concluded before it
    unless the caller knows better (``counts_at_once``); until then TCP
    keep-alive and the stream's total timeout are what there is.
    """
    buffer = LineBuffer()
    limit_seconds = silence_seconds if counts_at_once else None
    while chunk := await _read(content, limit_seconds):
        for line in buffer.feed(chunk):
            event = decode_event(line)
            if event.type is WatchEventType.BOOKMARK:
                limit_seconds = silence_seconds
            yield event


async def _read(content: StreamReader, limit_seconds: float | None) -> bytes:
    async with asyncio.timeout(limit_seconds):
        return await content.readany()
