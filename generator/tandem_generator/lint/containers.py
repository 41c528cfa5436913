"""Init containers and sidecars that a definition adds to the pod."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from tandem_generator.cuesyntax import nodes as n
from tandem_generator.lint import values as v
from tandem_generator.lint.finding import Kind
from tandem_generator.lint.scope import Bound, elements, ends, members
from tandem_generator.lint.walk import Visit

_LISTS = {"initContainers": Kind.INIT_CONTAINER, "containers": Kind.SIDECAR}


class Container(msgspec.Struct, frozen=True):
    """A container whose name, and so whose presence, the definition states.

    `main` is the component's own: the one that the Application or `context.name` names, else the
    first of `containers`. `optional` is the condition of an `if` around it. `parameter` is the
    path of the list whose default it is part of, None where it is part of the template.
    """

    visit: Visit
    kind: Kind
    name: str
    struct: n.Struct
    images: tuple[Bound, ...]
    main: bool = False
    optional: n.Expression | None = None
    parameter: tuple[str, ...] | None = None


class _Item(msgspec.Struct, frozen=True, eq=False):
    """An item of a list of containers, and the condition under which it is there."""

    bound: Bound
    optional: n.Expression | None = None


def containers(visits: list[Visit]) -> list[Container]:
    """Return the containers of a template; those that an Application lists are not its."""
    found: dict[tuple[int, Kind], Container] = {}
    for visit in visits:
        if visit.field.name in _LISTS and not visit.schema:
            for container in _of_list(visit):
                found.setdefault((container.struct.start, container.kind), container)
    return sorted(found.values(), key=lambda c: c.struct.start)


def _of_list(visit: Visit) -> list[Container]:
    kind, patched = _LISTS[visit.field.name], visit.path.startswith("patch")
    items = [
        _Item(end, item.optional)
        for item in _items(visit.bound)
        for end in ends(item.bound)
        if isinstance(end.expression, n.Struct)
    ]
    found = [c for item in items if (c := _container(visit, kind, item)) is not None]
    named = any(c.main for c in found)
    first = next((c for c in found if c.parameter is None), None)
    return [
        msgspec.structs.replace(c, main=c.main or _is_first(c, first, named=named or patched))
        for c in found
        if c.images or not patched
    ]


def _is_first(container: Container, first: Container | None, *, named: bool) -> bool:
    return container is first and not named and container.kind is Kind.SIDECAR


def _items(bound: Bound) -> Iterator[_Item]:
    """Yield the items of a list; what `...` allows in a parameter is a type and no item."""
    for end in ends(bound):
        expression = end.expression
        if isinstance(expression, n.Items):
            types = [e.value for e in expression.elements if isinstance(e, n.Rest)]
            items = [i for i in elements(end) if i.expression not in types]
            yield from (_Item(item, _condition(expression, item)) for item in items)
        elif isinstance(expression, n.Binary | n.Call):
            yield from (_Item(item) for item in elements(end))


def _condition(items: n.Items, item: Bound) -> n.Expression | None:
    for element in items.elements:
        if isinstance(element, n.Comprehension) and n.holds(element, item.expression):
            conditions = [c.condition for c in element.clauses if isinstance(c, n.If)]
            return conditions[0] if conditions else None
    return None


def _container(visit: Visit, kind: Kind, item: _Item) -> Container | None:
    """Return a container that the definition names, or the main one; None for the others."""
    struct = item.bound.expression
    assert isinstance(struct, n.Struct)
    names = [value for m in members(item.bound, "name") for value in v.values(m)]
    held = [value for value in names if not isinstance(value, v.Given)]
    main = bool(names) and not held and kind is Kind.SIDECAR
    if names and not held and not main:
        return None
    return Container(
        visit=visit,
        kind=kind,
        name=_name(held),
        struct=struct,
        images=tuple(members(item.bound, "image")),
        main=main,
        optional=item.optional or (visit.guards[-1] if visit.guards else None),
        parameter=item.bound.parameter,
    )


def _name(held: Sequence[v.Value]) -> str:
    first = held[0] if held else None
    if isinstance(first, v.Held):
        return first.node.value
    if isinstance(first, v.Composed):
        return v.pieces(first)[0].replace(v.GIVEN, "…")
    return "(without a name)"
