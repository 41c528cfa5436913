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

    `main` is the component's own: the first of `containers`, or the one named by the
    Application. `optional` is the condition of an `if` around it.
    """

    visit: Visit
    kind: Kind
    name: str
    struct: n.Struct
    images: tuple[Bound, ...]
    main: bool = False
    optional: n.Expression | None = None


def containers(visits: list[Visit]) -> list[Container]:
    """Return the containers of a template; those that an Application lists are not its."""
    found: dict[tuple[int, Kind], Container] = {}
    for visit in visits:
        if visit.field.name in _LISTS and not visit.schema:
            for container in _of_list(visit):
                found.setdefault((container.struct.start, container.kind), container)
    return sorted(found.values(), key=lambda c: c.struct.start)


def _of_list(visit: Visit) -> Iterator[Container]:
    kind = _LISTS[visit.field.name]
    whole = list(_items(visit.bound))
    owned = [
        (struct, optional)
        for item, optional in whole
        if not _is_given(item)
        for struct in ends(item)
        if isinstance(struct.expression, n.Struct) and struct.parameter is None
    ]
    patched = visit.path.startswith("patch")
    for index, (struct, optional) in enumerate(owned):
        container = _container(visit, kind, struct, optional)
        if container is not None and (container.images or not patched):
            is_main = kind is Kind.SIDECAR and index == 0 and not patched
            yield msgspec.structs.replace(container, main=container.main or is_main)


def _items(bound: Bound) -> Iterator[tuple[Bound, n.Expression | None]]:
    """Yield the items of a list, each with the condition under which it is there."""
    for end in ends(bound):
        expression = end.expression
        if isinstance(expression, n.Items):
            for item in elements(end):
                yield item, _condition(expression, item)
        elif isinstance(expression, n.Binary | n.Call):
            yield from ((item, None) for item in elements(end))


def _condition(items: n.Items, item: Bound) -> n.Expression | None:
    for element in items.elements:
        if isinstance(element, n.Comprehension) and n.holds(element, item.expression):
            conditions = [c.condition for c in element.clauses if isinstance(c, n.If)]
            return conditions[0] if conditions else None
    return None


def _is_given(item: Bound) -> bool:
    return item.parameter is not None


def _container(
    visit: Visit, kind: Kind, struct: Bound, optional: n.Expression | None
) -> Container | None:
    names = [value for m in members(struct, "name") for value in v.values(m)]
    held = [value for value in names if not isinstance(value, v.Given)]
    images = tuple(members(struct, "image"))
    assert isinstance(struct.expression, n.Struct)
    if names and not held:
        # Named by the Application or by `context.name`: the component's own, or its wish.
        name = "(named by the Application)"
        main = kind is Kind.SIDECAR
        return Container(visit, kind, name, struct.expression, images, main=main) if main else None
    guards = visit.guards[-1] if visit.guards else None
    return Container(
        visit, kind, _name(held), struct.expression, images, optional=optional or guards
    )


def _name(held: Sequence[v.Value]) -> str:
    first = held[0] if held else None
    if isinstance(first, v.Held):
        return first.node.value
    if isinstance(first, v.Composed):
        return v.pieces(first)[0].replace(v.GIVEN, "…")
    return "(without a name)"
