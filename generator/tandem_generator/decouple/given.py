"""The values that leave the definition, put into an Application's properties."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from tandem_generator.decouple.plan import Plan
from tandem_generator.semver.schema import Parameter, Presence
from tandem_generator.source import Json


class Value(msgspec.Struct, frozen=True):
    """A value and its path; `[]` in the path stands for every item that the Application has."""

    path: tuple[str, ...]
    value: str
    optional: bool = False


def values(
    planned: Plan, parameters: Mapping[str, Parameter], properties: Mapping[str, Any]
) -> list[Value]:
    """Return the values that an Application may need; what it gives itself stays."""
    new = [Value((p.name,), p.value, p.optional) for p in planned.added]
    former = [
        Value(tuple(d.path.split(".")), d.value)
        for d in planned.defaults
        if _is_reached(d.path.split(".")[:-1], "", parameters, properties)
    ]
    return [*new, *former]


def _is_reached(
    parents: Sequence[str], path: str, parameters: Mapping[str, Parameter], node: Json
) -> bool:
    """Whether the struct around a parameter is there: given, or a group that always is."""
    for part in parents:
        path = f"{path}.{part}".lstrip(".")
        if part == "[]":
            return bool(node)
        known = parameters.get(path)
        node = node.get(part) if isinstance(node, Mapping) else None
        if node is None and known is not None and known.presence is Presence.OPTIONAL:
            return False
    return True


def with_values(properties: Mapping[str, Any], wanted: Iterable[Value]) -> dict[str, Any]:
    """Return a copy of the properties with the values where there was none."""
    completed: dict[str, Any] = copy.deepcopy(dict(properties))
    for value in wanted:
        _put(completed, value.path, value.value)
    return completed


def _put(node: Json, path: tuple[str, ...], value: str) -> None:
    first, rest = path[0], path[1:]
    if first == "[]":
        items = node.values() if isinstance(node, dict) else node
        for item in items:
            _put(item, rest, value)
    elif not rest:
        node.setdefault(first, value)
    elif rest[0] == "[]":
        _put(node.get(first, []), rest, value)
    else:
        _put(node.setdefault(first, {}), rest, value)
