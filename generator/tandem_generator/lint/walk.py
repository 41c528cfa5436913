"""Every field of a template, with its path, its scope and what it depends on."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tandem_generator.cuesyntax import nodes as n
from tandem_generator.lint import scope as sc
from tandem_generator.lint.scope import Bound, Scope


class Visit(msgspec.Struct, frozen=True):
    """One field of a template.

    `guards` are the conditions of the `if` around it; `schema` says that it stands in
    `parameter` or in a `#Schema` beside it.
    """

    field: n.Field
    scope: Scope
    path: str
    guards: tuple[n.Expression, ...] = ()
    schema: bool = False

    @property
    def bound(self) -> Bound:
        """The field's value in its scope."""
        return Bound(self.field.value, self.scope)


class _Place(msgspec.Struct, frozen=True):
    """What the walk carries on its way down."""

    scope: Scope
    path: str = ""
    guards: tuple[n.Expression, ...] = ()
    schema: bool = False

    def at(self, label: str) -> _Place:
        return msgspec.structs.replace(self, path=f"{self.path}{label}".lstrip("."))

    def inside(self, scope: Scope) -> _Place:
        return msgspec.structs.replace(self, scope=scope)


def fields(body: n.Struct) -> Iterator[Visit]:
    """Yield every field of a template, outer ones first."""
    yield from _struct(body, _Place(sc.root(body)), entered=True)


def _struct(struct: n.Struct, place: _Place, *, entered: bool = False) -> Iterator[Visit]:
    inner = place if entered else place.inside(sc.enter(struct, place.scope))
    for element in struct.elements:
        yield from _element(element, inner)


def _element(element: n.Declaration, place: _Place) -> Iterator[Visit]:
    if isinstance(element, n.Field):
        yield from _field(element, place)
    elif isinstance(element, n.Comprehension):
        yield from _struct(element.body, _behind(element.clauses, place))
    elif isinstance(element, n.Embedding | n.Let | n.Rest) and element.value is not None:
        yield from _expression(element.value, place)


def _field(field: n.Field, place: _Place) -> Iterator[Visit]:
    below = place.at(f".{field.name or '[]'}")
    is_schema = field.name == "parameter" or field.name.startswith("#")
    below = msgspec.structs.replace(below, schema=place.schema or (is_schema and not place.path))
    yield Visit(
        field=field,
        scope=place.scope,
        path=below.path,
        guards=place.guards,
        schema=below.schema,
    )
    yield from _expression(field.value, below)


def _expression(expression: n.Expression, place: _Place) -> Iterator[Visit]:
    if isinstance(expression, n.Struct):
        yield from _struct(expression, place)
    elif isinstance(expression, n.Items):
        for index, element in enumerate(expression.elements):
            yield from _element(element, place.at(f"[{index}]"))
    else:
        for child in children(expression):
            yield from _expression(child, place)


def children(expression: n.Expression) -> tuple[n.Expression, ...]:
    """Return the expressions directly in an operation, a call or an index."""
    if isinstance(expression, n.Binary):
        return (expression.left, expression.right)
    if isinstance(expression, n.Unary):
        return (expression.operand,)
    if isinstance(expression, n.Call):
        return expression.arguments
    if isinstance(expression, n.Index | n.Selector):
        return (expression.base,)
    return expression.parts if isinstance(expression, n.Interpolation) else ()


def _behind(clauses: tuple[n.For | n.If | n.Let, ...], place: _Place) -> _Place:
    conditions = tuple(c.condition for c in clauses if isinstance(c, n.If))
    behind = place.inside(sc.clause(clauses, place.scope))
    return msgspec.structs.replace(behind, guards=(*place.guards, *conditions))
