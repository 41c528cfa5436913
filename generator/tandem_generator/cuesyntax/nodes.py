"""The syntax tree of CUE. Every node knows where it stands: offsets into the text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import msgspec


class Node(msgspec.Struct, frozen=True):
    """A piece of the text, from `start` up to and without `end`."""

    start: int
    end: int


class Text(Node, frozen=True):
    """A string without interpolation, or the literal part of one that has some."""

    value: str


class Interpolation(Node, frozen=True):
    """A string with expressions in it; literal parts are Text."""

    parts: tuple[Expression, ...]


class Scalar(Node, frozen=True):
    """A number, `true`, `false`, `null`, bytes, or bottom (`_|_`), as it is written."""

    text: str


class Name(Node, frozen=True):
    """An identifier."""

    name: str


class Selector(Node, frozen=True):
    """`base.name`."""

    base: Expression
    name: str


class Index(Node, frozen=True):
    """`base[index]`; a slice has no index."""

    base: Expression
    index: Expression | None


class Call(Node, frozen=True):
    """`function(arguments)`."""

    function: Expression
    arguments: tuple[Expression, ...]


class Unary(Node, frozen=True):
    """`operator operand`; `*` marks a default."""

    operator: str
    operand: Expression


class Binary(Node, frozen=True):
    """`left operator right`."""

    operator: str
    left: Expression
    right: Expression


class Struct(Node, frozen=True):
    """`{...}`, a file, or what follows the colon in `a: b: c`."""

    elements: tuple[Declaration, ...]


class Items(Node, frozen=True):
    """`[...]`, a list."""

    elements: tuple[Declaration, ...]


class Field(Node, frozen=True):
    """`label: value`. The marker is `?`, `!` or empty; the name is empty where it is computed."""

    name: str
    label: Expression
    marker: str
    value: Expression
    alias: str = ""


class Embedding(Node, frozen=True):
    """An expression as an element of a struct or a list."""

    value: Expression


class Rest(Node, frozen=True):
    """`...` or `...T`."""

    value: Expression | None


class Let(Node, frozen=True):
    """`let name = value`, as a declaration or as a clause."""

    name: str
    value: Expression


class For(Node, frozen=True):
    """`for key, value in source`; the key may be empty."""

    key: str
    value: str
    source: Expression


class If(Node, frozen=True):
    """`if condition`."""

    condition: Expression


class Comprehension(Node, frozen=True):
    """Clauses and the struct that they repeat or leave out."""

    clauses: tuple[For | If | Let, ...]
    body: Struct


class Import(Node, frozen=True):
    """An imported package; `name` is what the text calls it."""

    name: str
    path: str


class File(Node, frozen=True):
    """A whole text."""

    imports: tuple[Import, ...]
    body: Struct


Expression: TypeAlias = (
    Text | Interpolation | Scalar | Name | Selector | Index | Call | Unary | Binary | Struct | Items
)
Declaration: TypeAlias = Field | Embedding | Rest | Let | Comprehension


def line_of(text: str, offset: int) -> int:
    """Return the line, counted from 1, on which an offset stands."""
    return text.count("\n", 0, offset) + 1


def operands(expression: Expression, operator: str) -> Iterator[Expression]:
    """Yield the operands of a chain of one operator: `a | b | c` has three for `|`."""
    if isinstance(expression, Binary) and expression.operator == operator:
        yield from operands(expression.left, operator)
        yield from operands(expression.right, operator)
    else:
        yield expression


def inside(node: Node) -> Iterator[Node]:
    """Yield a node and every node in it, outer ones first."""
    yield node
    for name in node.__struct_fields__:
        value = getattr(node, name)
        for child in value if isinstance(value, tuple) else (value,):
            if isinstance(child, Node):
                yield from inside(child)


def holds(outer: Node, inner: Node) -> bool:
    """Whether one node lies in the other, or is it."""
    return outer.start <= inner.start and inner.end <= outer.end


def fields(struct: Struct) -> Iterator[Field]:
    """Yield the fields that stand directly in a struct."""
    return (e for e in struct.elements if isinstance(e, Field))


def field(struct: Struct, name: str) -> Field | None:
    """Return the first field of a name that stands directly in a struct."""
    return next((f for f in fields(struct) if f.name == name), None)
