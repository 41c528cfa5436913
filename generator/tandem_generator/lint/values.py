"""What a value is made of: texts that the definition holds, and what the Application gives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeAlias

import msgspec

from tandem_generator.cuesyntax import nodes as n
from tandem_generator.lint.scope import Bound, Seen, elements, ends, key, step

GIVEN = "\0"
"""Stands for whatever the Application gives, in the text of a composed value."""
_WORD = re.compile(r"[A-Za-z0-9]")


class Held(msgspec.Struct, frozen=True):
    """A text that the definition holds. `parameter` is the path of the default that it is."""

    node: n.Text
    parameter: tuple[str, ...] | None = None
    default: bool = False


class Given(msgspec.Struct, frozen=True):
    """What the Application gives, or what nothing here tells."""


class Composed(msgspec.Struct, frozen=True):
    """Several values after each other: `"nginx:" + parameter.tag`. Each has alternatives."""

    parts: tuple[tuple[Value, ...], ...]


Value: TypeAlias = Held | Given | Composed


class Piece(msgspec.Struct, frozen=True):
    """A held text in a composed value, and where in the composed text it begins."""

    held: Held
    at: int


def values(bound: Bound) -> tuple[Value, ...]:
    """Return the alternatives of an expression."""
    return tuple(_values(bound, default=False, seen=frozenset()))


def pieces(composed: Composed) -> tuple[str, tuple[Piece, ...]]:
    """Return the text of a composed value, and the held texts in it.

    A part with several alternatives counts with the first text that the definition holds:
    that is what stands there when the Application says nothing.
    """
    text, found = "", list[Piece]()
    for alternatives in composed.parts:
        chosen = next((a for a in alternatives if not isinstance(a, Given)), Given())
        if isinstance(chosen, Held):
            found.append(Piece(chosen, len(text)))
            text += chosen.node.value
        elif isinstance(chosen, Composed):
            inner, below = pieces(chosen)
            found.extend(Piece(p.held, len(text) + p.at) for p in below)
            text += inner
        else:
            text += GIVEN
    return text, tuple(found)


def tag_from(text: str) -> int | None:
    """Return where the tag or digest of an image begins, None where it has none."""
    name_from = text.rfind("/") + 1
    found = re.search(r"[:@]", text[name_from:])
    return name_from + found.end() if found else None


def says_something(text: str) -> bool:
    """Whether a text is more than separators."""
    return bool(_WORD.search(text))


def _values(bound: Bound, *, default: bool, seen: Seen) -> Iterator[Value]:
    for end, marked in _alternatives(bound, default=default, seen=seen):
        yield from _of_end(end, default=marked, seen=seen | {key(bound)})


def _of_end(end: Bound, *, default: bool, seen: Seen) -> Iterator[Value]:
    expression = end.expression
    if isinstance(expression, n.Text):
        yield Held(expression, end.parameter, default) if expression.value else Given()
    elif isinstance(expression, n.Interpolation):
        yield _composed([end.of(part) for part in expression.parts], seen | {key(end)})
    elif isinstance(expression, n.Binary) and expression.operator == "+":
        parts = [end.of(operand) for operand in n.operands(expression, "+")]
        yield _composed(parts, seen | {key(end)})
    elif isinstance(expression, n.Call):
        yield from _of_call(end, expression, seen | {key(end)})
    elif not (isinstance(expression, n.Scalar) and expression.text == "null"):
        yield Given()


def _composed(parts: list[Bound], seen: Seen) -> Value:
    return Composed(tuple(_part(part, seen) for part in parts))


def _part(part: Bound, seen: Seen) -> tuple[Value, ...]:
    """An empty text in a composition is nothing, and not what the Application gives."""
    if isinstance(part.expression, n.Text):
        return (Held(part.expression, part.parameter),)
    return tuple(_values(part, default=False, seen=seen)) or (Given(),)


def _of_call(end: Bound, call: n.Call, seen: Seen) -> Iterator[Value]:
    """`strings.Join(list, separator)` composes; what other functions do is not known here."""
    function = call.function
    if (
        isinstance(function, n.Selector)
        and function.name == "Join"
        and len(call.arguments) == _JOIN_ARGUMENTS
    ):
        items = ends(end.of(call.arguments[0]), seen)
        parts = [e for item in items for e in elements(item, seen)]
        separator = end.of(call.arguments[1])
        joined = [p for part in parts for p in (separator, part)][1:]
        yield _composed(joined, seen)
    else:
        yield Given()


_JOIN_ARGUMENTS = 2


def _alternatives(bound: Bound, *, default: bool, seen: Seen) -> Iterator[tuple[Bound, bool]]:
    """Yield the ends of an expression, each with whether a `*` leads to it.

    In a parameter, what stands beside others without a `*` is for the Application to choose:
    the definition does not hold it.
    """
    if key(bound) in seen:
        return
    seen = seen | {key(bound)}
    operands = list(n.operands(bound.expression, "|"))
    for operand in operands:
        marked = isinstance(operand, n.Unary) and operand.operator == "*"
        for end, deeper in _followed(bound.of(operand), bound, default=default, seen=seen):
            chosen = bound.parameter is not None and len(operands) > 1 and not (marked or deeper)
            yield (bound.of(_FREE) if chosen else end), deeper


_FREE = n.Name(0, 0, "string")


def _followed(
    operand: Bound, whole: Bound, *, default: bool, seen: Seen
) -> Iterator[tuple[Bound, bool]]:
    """Follow one step of references, so that marks on the way are not lost."""
    bound = whole if operand.expression is whole.expression else operand
    expression = bound.expression
    if isinstance(expression, n.Unary) and expression.operator == "*" and not bound.element:
        yield from _alternatives(bound.of(expression.operand), default=True, seen=seen)
    elif isinstance(expression, n.Binary) and expression.operator == "&":
        for side in (expression.left, expression.right):
            yield from _alternatives(bound.of(side), default=default, seen=seen)
    elif targets := step(bound, seen):
        for target in targets:
            yield from _alternatives(target, default=default, seen=seen)
    else:
        yield bound, default
