"""Edits of a text: everything that no edit names stays, comments and spaces included."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class Edit(msgspec.Struct, frozen=True, order=True):
    """Put `text` in the place of what stands from `start` up to and without `end`."""

    start: int
    end: int
    text: str


def apply(text: str, edits: Iterable[Edit]) -> str:
    """Return the text with all edits made; two that overlap are a mistake of the caller's."""
    done, at = "", 0
    for edit in sorted(set(edits)):
        if edit.start < at:
            raise ValueError(f"two edits want the text at {edit.start}")
        done += text[at : edit.start] + edit.text
        at = edit.end
    return done + text[at:]
