"""Whether one type allows everything that another allows, as far as the text tells.

Where it does not tell, the answer is no: a change that cannot be judged counts as a tightening.
"""

from __future__ import annotations

from collections.abc import Sequence

from tandem_generator.cuesyntax import nodes as n
from tandem_generator.semver.schema import type_text

_NUMBERS = {"number": {"int", "float"}}
_ORDER = {">=", ">", "<=", "<"}


def allows(wide: Sequence[n.Expression], narrow: Sequence[n.Expression]) -> bool:
    """Whether each alternative of `narrow` is allowed by one of `wide`."""
    return all(any(_allows_one(w, one) for w in wide) for one in narrow)


def _allows_one(wide: n.Expression, narrow: n.Expression) -> bool:
    """`a & b` is allowed where each of what `wide` asks for is promised by one of them."""
    promised = list(n.operands(narrow, "&"))
    return all(any(_asks(w, p) for p in promised) for w in n.operands(wide, "&"))


def _asks(wide: n.Expression, narrow: n.Expression) -> bool:
    one, other = type_text(wide), type_text(narrow)
    if one in {other, "_"} or other in _NUMBERS.get(one, ()):
        return True
    if isinstance(wide, n.Name):
        return _is_of(narrow, wide.name)
    return isinstance(wide, n.Unary) and _within(wide, narrow)


def _is_of(value: n.Expression, kind: str) -> bool:
    if isinstance(value, n.Text):
        return kind == "string"
    if not isinstance(value, n.Scalar):
        return False
    if value.text in {"true", "false"}:
        return kind == "bool"
    if value.text == "null":
        return False
    return kind in {"number", "float" if "." in value.text else "int"}


def _within(bound: n.Unary, narrow: n.Expression) -> bool:
    """`>=1` allows 3, and whatever `>=2` allows; `!=""` allows every other text."""
    if bound.operator == "!=":
        return isinstance(narrow, n.Text | n.Scalar) and type_text(narrow) != type_text(
            bound.operand
        )
    limit = _number(bound.operand)
    same_side = isinstance(narrow, n.Unary) and narrow.operator == bound.operator
    value = _number(narrow.operand if isinstance(narrow, n.Unary) and same_side else narrow)
    if bound.operator not in _ORDER or limit is None or value is None:
        return False
    if value == limit:
        return same_side or "=" in bound.operator
    return value > limit if bound.operator.startswith(">") else value < limit


def _number(expression: n.Expression) -> float | None:
    if isinstance(expression, n.Unary) and expression.operator == "-":
        below = _number(expression.operand)
        return None if below is None else -below
    try:
        return float(expression.text) if isinstance(expression, n.Scalar) else None
    except ValueError:
        return None
