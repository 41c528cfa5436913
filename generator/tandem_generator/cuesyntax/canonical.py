"""One text for one meaning: comments, spaces, line breaks and brackets do not tell two apart."""

from __future__ import annotations

import json

from tandem_generator.cuesyntax import nodes as n


def canonical(expression: n.Expression) -> str:
    """Return an expression with each operation in brackets, in one line, slices without bounds."""
    if isinstance(expression, n.Text):
        return json.dumps(expression.value, ensure_ascii=False)
    if isinstance(expression, n.Interpolation):
        return f"({' + '.join(map(canonical, expression.parts))})"
    if isinstance(expression, n.Struct):
        return "{" + ", ".join(map(_declaration, expression.elements)) + "}"
    if isinstance(expression, n.Items):
        return "[" + ", ".join(map(_declaration, expression.elements)) + "]"
    return _operation(expression)


def _operation(
    expression: n.Scalar | n.Name | n.Selector | n.Index | n.Call | n.Unary | n.Binary,
) -> str:
    match expression:
        case n.Unary():
            return f"({expression.operator}{canonical(expression.operand)})"
        case n.Binary():
            left, right = canonical(expression.left), canonical(expression.right)
            return f"({left} {expression.operator} {right})"
        case n.Call():
            arguments = ", ".join(map(canonical, expression.arguments))
            return f"{canonical(expression.function)}({arguments})"
        case _:
            return _reference(expression)


def _reference(expression: n.Scalar | n.Name | n.Selector | n.Index) -> str:
    match expression:
        case n.Scalar():
            return expression.text
        case n.Name():
            return expression.name
        case n.Selector():
            return f"{canonical(expression.base)}.{expression.name}"
        case n.Index():
            index = canonical(expression.index) if expression.index else ":"
            return f"{canonical(expression.base)}[{index}]"


def _declaration(declaration: n.Declaration) -> str:
    match declaration:
        case n.Field():
            label = declaration.name or canonical(declaration.label)
            return f"{label}{declaration.marker}: {canonical(declaration.value)}"
        case n.Embedding():
            return canonical(declaration.value)
        case n.Rest():
            return "..." + (canonical(declaration.value) if declaration.value else "")
        case n.Let():
            return f"let {declaration.name} = {canonical(declaration.value)}"
        case n.Comprehension():
            clauses = " ".join(map(_clause, declaration.clauses))
            return f"{clauses} {canonical(declaration.body)}"


def _clause(clause: n.For | n.If | n.Let) -> str:
    match clause:
        case n.For():
            key = f"{clause.key}, " if clause.key else ""
            return f"for {key}{clause.value} in {canonical(clause.source)}"
        case n.If():
            return f"if {canonical(clause.condition)}"
        case n.Let():
            return f"let {clause.name} = {canonical(clause.value)}"
