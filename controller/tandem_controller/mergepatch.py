"""JSON merge patches (RFC 7386): the difference between two objects, with explicit nulls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def merge_diff(current: Mapping[str, Any], desired: Mapping[str, Any]) -> dict[str, Any]:
    """Return the merge patch that turns `current` into `desired`; empty when they are equal.

    Keys that `desired` lacks become null, which removes them; lists are replaced whole. A
    null field is an absent one, as to the API server: a patch cannot tell them apart.
    """
    patch: dict[str, Any] = {
        key: None for key, have in current.items() if have is not None and key not in desired
    }
    for key, want in desired.items():
        have = current.get(key)
        if isinstance(want, Mapping) and isinstance(have, Mapping):
            if inner := merge_diff(have, want):
                patch[key] = inner
        elif want != have:
            patch[key] = want
    return patch
