"""The parameters of a definition, flat: path to type, presence and default."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

import msgspec

from tandem_generator.cuesyntax import nodes as n
from tandem_generator.cuesyntax.canonical import canonical
from tandem_generator.lint import scope as sc
from tandem_generator.lint.scope import Bound, Seen


class Presence(StrEnum):
    """What happens when an Application leaves a parameter out."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    DEFAULT = "defaulted"
    GROUP = "a group"
    """A struct or list that is there anyway; its fields say what is required."""


class Parameter(msgspec.Struct, frozen=True):
    """One parameter. `types` are its alternatives; `start` is where the text states it."""

    path: str
    presence: Presence
    types: tuple[n.Expression, ...]
    default: str | None
    start: int

    @property
    def parent(self) -> str:
        """The path around it, "" at the top."""
        return self.path.rpartition(".")[0]

    @property
    def shown(self) -> str:
        """Its type for a message."""
        return " | ".join(sorted(type_text(t) for t in self.types))


def parameters(body: n.Struct) -> dict[str, Parameter]:
    """Return the parameters of a template by path: `env.[].name` is a field of a list's items."""
    roots = sc.root(body).names.get("parameter", ())
    found: dict[str, Parameter] = {}
    for root in roots:
        for parameter in _fields(root, "", frozenset()):
            found.setdefault(parameter.path, parameter)
    return found


def type_text(expression: n.Expression) -> str:
    """Return a type as text; what is in structs and lists are parameters of their own."""
    if isinstance(expression, n.Struct):
        return "{...}"
    return "[...]" if isinstance(expression, n.Items) else canonical(expression)


def _fields(bound: Bound, path: str, seen: Seen) -> Iterator[Parameter]:
    """Yield the parameters of a struct; a schema inside itself is read once."""
    for end in sc.ends(bound, seen):
        if not isinstance(end.expression, n.Struct) or sc.key(end) in seen:
            continue
        for field, scope in sc.stated(end.expression, end.scope):
            if field.name.startswith(("#", "_")):
                continue
            name = field.name or "[]"
            value = Bound(field.value, scope)
            yield from _parameter(field, value, f"{path}.{name}".lstrip("."), seen | {sc.key(end)})


def _parameter(field: n.Field, value: Bound, path: str, seen: Seen) -> Iterator[Parameter]:
    choices = list(_choices(value, marked=False, seen=frozenset()))
    unmarked = [c for c, marked in choices if not marked]
    default = next((canonical(c.expression) for c, marked in choices if marked), None)
    types = tuple(
        (c.expression for c in unmarked) if unmarked else (c.expression for c, _ in choices)
    )
    if default is None and len(types) == 1 and isinstance(types[0], n.Text | n.Scalar):
        default = canonical(types[0])
    presence = _presence(field, types, default)
    yield Parameter(path, presence, types, default, field.start)
    for choice, _ in choices:
        yield from _fields(choice, path, seen)
        if isinstance(choice.expression, n.Items):
            for item in sc.elements(choice):
                yield from _item(item, f"{path}.[]", seen)


def _item(item: Bound, path: str, seen: Seen) -> Iterator[Parameter]:
    choices = [c for c, _ in _choices(item, marked=False, seen=frozenset())]
    types = tuple(c.expression for c in choices)
    yield Parameter(path, Presence.GROUP, types, None, item.expression.start)
    for choice in choices:
        yield from _fields(choice, path, seen)


def _presence(field: n.Field, types: tuple[n.Expression, ...], default: str | None) -> Presence:
    if field.marker == "?":
        return Presence.OPTIONAL
    if default is not None:
        return Presence.DEFAULT
    if field.name == "" or (
        field.marker == "" and any(isinstance(t, n.Struct | n.Items) for t in types)
    ):
        return Presence.GROUP
    return Presence.REQUIRED


def _choices(bound: Bound, *, marked: bool, seen: Seen) -> Iterator[tuple[Bound, bool]]:
    """Yield the alternatives of a type, each with whether it is the default."""
    if sc.key(bound) in seen:
        return
    seen = seen | {sc.key(bound)}
    for operand in n.operands(bound.expression, "|"):
        is_default = isinstance(operand, n.Unary) and operand.operator == "*"
        inner = operand.operand if isinstance(operand, n.Unary) and is_default else operand
        choice = bound.of(inner)
        deeper = sc.step(choice) or (
            [choice] if isinstance(inner, n.Binary) and inner.operator == "|" else []
        )
        if not deeper:
            yield choice, marked or is_default
        for target in deeper:
            yield from _choices(target, marked=marked or is_default, seen=seen)
