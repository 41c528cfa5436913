"""JSON Merge Patch (RFC 7386) over values that are never changed in place."""

from __future__ import annotations

from typing import Any


def merged(target: Any, patch: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return `target` with `patch` applied; null removes a key, lists are replaced whole."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result
