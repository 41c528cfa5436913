"""Three-way merge of plain JSON values, as version control does it with text.

Conversion needs it: one side is what a version that says less was last shown, the
other what it says now; only what was edited there may replace the fuller original.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

_ABSENT: Final = object()


def merge(
    base: Mapping[str, Any], theirs: Mapping[str, Any], ours: Mapping[str, Any]
) -> dict[str, Any]:
    """Return `ours` with the changes that lead from `base` to `theirs`.

    Where both changed, `theirs` wins. Entries of lists are recognised by their
    value, then by their place, so that what belongs to a step stays with it when
    another one is inserted.
    """
    return dict(ours) if same(base, theirs) else _merge_objects(base, theirs, ours)


def same(left: object, right: object) -> bool:
    """Whether two values are equal to a Go client, which leaves out or adds empty fields.

    `{}`, `[]`, `""`, null and an absent field are one and the same. Numbers and
    booleans are not: a pause of 0 seconds passes, an absent one waits for approval.
    """
    return _compact(left) == _compact(right)


def _merge(base: object, theirs: object, ours: object) -> object:
    if same(base, theirs):
        return ours
    old, mine = ({} if value is _ABSENT else value for value in (base, ours))
    if isinstance(old, dict) and isinstance(theirs, dict) and isinstance(mine, dict):
        return _merge_objects(old, theirs, mine)
    if isinstance(base, list) and isinstance(theirs, list) and isinstance(ours, list):
        return _merge_lists(base, theirs, ours) if len(base) == len(ours) else theirs
    return theirs


def _merge_objects(
    base: Mapping[str, Any], theirs: Mapping[str, Any], ours: Mapping[str, Any]
) -> dict[str, Any]:
    keys = list(dict.fromkeys([*ours, *theirs]))
    merged = {
        key: _merge(base.get(key, _ABSENT), theirs.get(key, _ABSENT), ours.get(key, _ABSENT))
        for key in keys
    }
    return {key: value for key, value in merged.items() if value is not _ABSENT}


def _merge_lists(base: Sequence[Any], theirs: Sequence[Any], ours: Sequence[Any]) -> list[Any]:
    partner = _partners(base, theirs)
    return [
        _merge(base[partner[i]], item, ours[partner[i]]) if i in partner else item
        for i, item in enumerate(theirs)
    ]


def _partners(base: Sequence[Any], theirs: Sequence[Any]) -> dict[int, int]:
    """Pair entries of `theirs` with entries of `base`: unchanged, moved, then edited ones.

    The place counts only where no entry was added or taken away: otherwise it says
    nothing about which entry this one was.
    """
    in_place = range(len(theirs)) if len(base) == len(theirs) else range(0)
    partner = {i: i for i in in_place if same(base[i], theirs[i])}
    for i in (i for i in range(len(theirs)) if i not in partner):
        taken = set(partner.values())
        moved = (j for j in range(len(base)) if j not in taken and same(base[j], theirs[i]))
        if (found := next(moved, None)) is not None:
            partner[i] = found
    taken = set(partner.values())
    return partner | {i: i for i in in_place if i not in partner and i not in taken}


def _compact(value: object) -> object:
    if value is _ABSENT:
        return None
    if isinstance(value, dict):
        return {k: c for k, v in value.items() if (c := _compact(v)) is not None} or None
    if isinstance(value, list):
        return [_compact(item) for item in value] or None
    if isinstance(value, bool | int | float):
        return (type(value).__name__, value)
    return value or None
