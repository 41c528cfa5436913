"""What CUE says about wrong parameters, as sentences about the user's YAML."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tandem_generator import cuetext
from tandem_generator.source import Json

_ERROR = re.compile(r"^tandem\.(?:rendered\.)?parameter\.?(?P<path>[^:\s]*): (?P<text>.+?):?$")
_INCOMPLETE = re.compile(r"incomplete value (?P<type>.+)")
_MISMATCH = re.compile(r"\(mismatched types (?P<one>[^ ]+) and (?P<other>[^)]+)\)")
_CONFLICT = re.compile(r'conflicting values ("[^"]*"|\S+) and ("[^"]*"|\S+)$')
_NAMES = {
    "struct": "an object",
    "list": "a list",
    "string": "a text",
    "int": "a whole number",
    "float": "a number",
    "number": "a number",
    "bool": "true or false",
    "null": "nothing",
}


class Fault(msgspec.Struct, frozen=True):
    """One wrong parameter: its path below `properties`, and a sentence."""

    path: tuple[str | int, ...]
    message: str


def read(text: str, given: Mapping[str, Any], known: Sequence[str]) -> tuple[Fault, ...]:
    """Turn CUE's report into faults: one for each parameter, the deepest that CUE found."""
    found: dict[object, list[Fault]] = {}
    for line in text.splitlines():
        match = _ERROR.match(line)
        if match and "empty disjunction" not in match["text"]:
            path = _path(match["path"])
            fault = Fault(path, _sentence(path, match["text"], given, known))
            found.setdefault(_group(path), []).append(fault)
    if not found:
        return (Fault((), _first_line(text)),)
    return tuple(_best(group) for group in found.values())


def _path(text: str) -> tuple[str | int, ...]:
    parts = re.findall(r'"([^"]*)"|([^.\[\]]+)', text)
    return tuple(int(plain) if plain.isdigit() else quoted or plain for quoted, plain in parts)


def _group(path: tuple[str | int, ...]) -> object:
    """Alternatives of one list item or field belong together."""
    return path[:2] if len(path) > 1 and isinstance(path[1], int) else path[:1]


def _best(group: Sequence[Fault]) -> Fault:
    """Return the deepest fault; among equals join what each alternative expects."""
    depth = max(len(f.path) for f in group)
    deepest = [f for f in group if len(f.path) == depth]
    first = deepest[0]
    expected = [m.message.partition(", expected ") for m in deepest]
    if len(deepest) == 1 or not all(e[2] for e in expected):
        return first
    alternatives = " or ".join(sorted({e[2] for e in expected}))
    return Fault(first.path, f"{expected[0][0]}, expected {alternatives}")


def _sentence(
    path: tuple[str | int, ...], text: str, given: Mapping[str, Any], known: Sequence[str]
) -> str:
    name = show(path)
    if incomplete := _INCOMPLETE.search(text):
        return f"`{name}` is missing: give {_name_of(incomplete['type'])}"
    if "not allowed" in text:
        return f"`{name}` is unknown{_suggestion(str(path[-1]), known)}"
    if mismatch := _MISMATCH.search(text):
        value = _value_at(given, path)
        kind = _cue_type(value)
        other = mismatch["other"] if mismatch["one"] == kind else mismatch["one"]
        return f"`{name}` is {_name_of(kind)}, expected {_name_of(other)}"
    if conflict := _CONFLICT.search(text):
        value = cuetext.literal(_value_at(given, path))
        other = conflict[2] if conflict[1] == value else conflict[1]
        return f"`{name}` is {value}, expected {other}"
    return f"`{name}`: {text}"


def show(path: Sequence[str | int]) -> str:
    """Return a path as a user writes it: `steps[0].weight`."""
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".")


def _suggestion(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
    return f"; did you mean `{close[0]}`?" if close else ""


def _name_of(cue_type: str) -> str:
    alternatives = cue_type.strip("()").split("|")
    return " or ".join(_NAMES.get(a.strip(), a.strip()) for a in alternatives)


def _cue_type(value: Json) -> str:
    for kind, name in ((bool, "bool"), (int, "int"), (float, "float"), (str, "string")):
        if isinstance(value, kind):
            return name
    if value is None:
        return "null"
    return "list" if isinstance(value, list | tuple) else "struct"


def _value_at(given: Json, path: Sequence[str | int]) -> Json:
    value = given
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0].rstrip(":")
