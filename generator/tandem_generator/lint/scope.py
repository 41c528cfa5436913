"""Names to values, by CUE's lexical scopes, without evaluating anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

import msgspec

from tandem_generator.cuesyntax import nodes as n


class Scope:
    """The names that a struct or a clause brings, and the scope around it."""

    def __init__(self, names: Mapping[str, tuple[Bound, ...]], parent: Scope | None) -> None:
        self.names, self.parent = names, parent

    def find(self, name: str) -> tuple[Bound, ...]:
        """Return what a name stands for, () where nothing here declares it."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.parent
        return ()


class Bound(msgspec.Struct, frozen=True, eq=False):
    """An expression with the scope in which its names are looked up.

    `element` means one of its elements, as a `for` names it. `parameter` is the path below
    `parameter` by which it was reached, None where it was not.
    """

    expression: n.Expression
    scope: Scope
    element: bool = False
    parameter: tuple[str, ...] | None = None

    def of(self, expression: n.Expression, scope: Scope | None = None) -> Bound:
        """Return another expression reached in the same way."""
        return Bound(expression, scope or self.scope, element=False, parameter=self.parameter)

    def below(self, name: str) -> Bound:
        """Return the same with a longer path, where it was reached through `parameter`."""
        if self.parameter is None:
            return self
        return msgspec.structs.replace(self, parameter=(*self.parameter, name))


def enter(struct: n.Struct, parent: Scope | None) -> Scope:
    """Return the scope inside a struct."""
    names: dict[str, tuple[Bound, ...]] = {}
    scope = Scope(names, parent)
    for element in struct.elements:
        if isinstance(element, n.Field | n.Let):
            for name in filter(None, (element.name, getattr(element, "alias", ""))):
                names[name] = (*names.get(name, ()), Bound(element.value, scope))
    return scope


def root(body: n.Struct) -> Scope:
    """Return the scope of a template: there, `parameter` is where the Application's values are."""
    scope = enter(body, None)
    given = tuple(
        msgspec.structs.replace(b, parameter=()) for b in scope.names.get("parameter", ())
    )
    return Scope({**scope.names, "parameter": given}, None) if given else scope


def clause(clauses: tuple[n.For | n.If | n.Let, ...], scope: Scope) -> Scope:
    """Return the scope behind the clauses of a comprehension."""
    for each in clauses:
        if isinstance(each, n.For):
            names = {each.value: (Bound(each.source, scope, element=True),), each.key: ()}
            scope = Scope(names, scope)
        elif isinstance(each, n.Let):
            scope = Scope({each.name: (Bound(each.value, scope),)}, scope)
    return scope


Key: TypeAlias = tuple[int, int, bool, bool]
Seen: TypeAlias = frozenset[Key]
"""The expressions on the way: one that leads back to itself leads nowhere."""


def key(bound: Bound) -> Key:
    """Return what tells an expression from others; in a circle, paths would grow for ever."""
    expression = bound.expression
    return (expression.start, expression.end, bound.element, bound.parameter is not None)


def ends(bound: Bound, seen: Seen = frozenset()) -> Iterator[Bound]:
    """Follow names, selectors, elements, `&` and `|` to the expressions at their ends.

    What nothing declares (a type, `context`, a package) ends as itself.
    """
    yield from _ends(bound, seen, set())


def _ends(bound: Bound, seen: Seen, done: set[Key]) -> Iterator[Bound]:
    """Follow each expression once: a second way to it (`done`) leads to the same ends."""
    if key(bound) in seen or key(bound) in done:
        return
    done.add(key(bound))
    seen = seen | {key(bound)}
    targets = _operands(bound) or step(bound, seen)
    if not targets:
        yield bound
    for each in targets:
        yield from _ends(each, seen, done)


def step(bound: Bound, seen: Seen = frozenset()) -> list[Bound]:
    """Return what a name, a selector or an element stands for; nothing for other expressions."""
    expression = bound.expression
    if bound.element:
        sources = ends(msgspec.structs.replace(bound, element=False), seen)
        return [e for source in sources for e in elements(source, seen)]
    if isinstance(expression, n.Name):
        found = bound.scope.find(expression.name)
        return [f if bound.parameter is None else _through(f, bound) for f in found]
    if isinstance(expression, n.Selector):
        return _members(bound.of(expression.base), expression.name, seen)
    if isinstance(expression, n.Index) and isinstance(expression.index, n.Text):
        return _members(bound.of(expression.base), expression.index.value, seen)
    if isinstance(expression, n.Index):
        return [e for b in ends(bound.of(expression.base), seen) for e in elements(b, seen)]
    return []


def _operands(bound: Bound) -> list[Bound]:
    expression = bound.expression
    if bound.element:
        return []
    if isinstance(expression, n.Binary) and expression.operator in {"&", "|"}:
        return [bound.of(expression.left), bound.of(expression.right)]
    if isinstance(expression, n.Unary) and expression.operator == "*":
        return [bound.of(expression.operand)]
    return []


def _through(found: Bound, bound: Bound) -> Bound:
    """A `#Schema` that a parameter names is part of the parameter."""
    return msgspec.structs.replace(found, parameter=bound.parameter)


def _members(base: Bound, name: str, seen: Seen) -> list[Bound]:
    return [m for end in ends(base, seen) for m in members(end, name, seen)]


def members(bound: Bound, name: str, seen: Seen = frozenset()) -> Iterator[Bound]:
    """Yield the values of a field of a struct, wherever in it the field is stated."""
    if isinstance(bound.expression, n.Struct):
        for field, scope in stated(bound.expression, bound.scope, seen):
            if field.name in {name, ""}:
                yield bound.of(field.value, scope).below(name)


def stated(
    struct: n.Struct, outer: Scope, seen: Seen = frozenset()
) -> Iterator[tuple[n.Field, Scope]]:
    """Yield the fields of a struct, with those under its `if`, `for` and embedded structs."""
    scope = enter(struct, outer)
    for element in struct.elements:
        if isinstance(element, n.Field):
            yield element, scope
        elif isinstance(element, n.Comprehension):
            yield from stated(element.body, clause(element.clauses, scope), seen)
        elif isinstance(element, n.Embedding):
            embedded = Bound(element.value, scope)
            for end in ends(embedded, seen):
                if isinstance(end.expression, n.Struct):
                    yield from stated(end.expression, end.scope, seen | {key(embedded)})


def elements(bound: Bound, seen: Seen = frozenset()) -> list[Bound]:
    """Return the elements of a list, or the values of a struct as a `for` walks over them."""
    expression = bound.expression
    inner = bound.below("[]")
    if isinstance(expression, n.Struct):
        return [inner.of(f.value, s) for f, s in stated(expression, bound.scope, seen)]
    if isinstance(expression, n.Binary):
        return [
            each
            for side in (expression.left, expression.right)
            for end in ends(bound.of(side), seen)
            for each in elements(end, seen | {key(end)})
        ]
    if isinstance(expression, n.Call):
        return [e for a in expression.arguments for e in _of_argument(bound.of(a), seen)]
    found: list[Bound] = []
    for element in expression.elements if isinstance(expression, n.Items) else ():
        if isinstance(element, n.Embedding | n.Rest) and element.value is not None:
            found.append(inner.of(element.value))
        elif isinstance(element, n.Comprehension):
            scope = clause(element.clauses, bound.scope)
            found.append(inner.of(_produced(element.body), _produced_scope(element.body, scope)))
    return found


def _of_argument(argument: Bound, seen: Seen) -> list[Bound]:
    """`list.Concat([a, b])` and `list.FlattenN(a, 1)` have the elements of what they join."""
    found: list[Bound] = []
    for end in ends(argument, seen):
        seen = seen | {key(end)}
        for each in elements(end, seen):
            deeper = [deep for deep in ends(each, seen) if _is_list(deep)]
            inner = [e for deep in deeper for e in elements(deep, seen | {key(deep)})]
            found.extend(inner or [each])
    return found


def _is_list(bound: Bound) -> bool:
    return not isinstance(bound.expression, n.Struct)


def _produced(body: n.Struct) -> n.Expression:
    """`[for x in y {x}]` produces x and not a struct around it."""
    only = body.elements[0] if len(body.elements) == 1 else None
    return only.value if isinstance(only, n.Embedding) else body


def _produced_scope(body: n.Struct, scope: Scope) -> Scope:
    return scope if _produced(body) is body else enter(body, scope)
