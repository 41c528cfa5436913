"""The smallest Application that a definition accepts: a value for everything it requires."""

from __future__ import annotations

from typing import Any

from tandem_generator.cuesyntax import nodes as n
from tandem_generator.semver.schema import Parameter, Presence
from tandem_generator.source import Json

_VALUES: dict[str, Json] = {"string": "probe", "bool": True, "int": 1, "number": 1, "float": 1.5}


def properties(parameters: dict[str, Parameter]) -> dict[str, Any]:
    """Return properties with all that is required and nothing that is not."""
    return _struct(parameters, "")


def _struct(parameters: dict[str, Parameter], path: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for parameter in (p for p in parameters.values() if p.parent == path):
        name = parameter.path.rpartition(".")[2]
        is_struct = any(isinstance(t, n.Struct) for t in parameter.types)
        if name == "[]" or parameter.presence in {Presence.OPTIONAL, Presence.DEFAULT}:
            continue
        if is_struct:
            found[name] = _struct(parameters, parameter.path)
        elif parameter.presence is Presence.REQUIRED:
            found[name] = _value(parameter)
    return found


def _value(parameter: Parameter) -> Json:
    for conjunct in (c for t in parameter.types for c in n.operands(t, "&")):
        if isinstance(conjunct, n.Text):
            return conjunct.value
        if isinstance(conjunct, n.Items):
            return []
        if isinstance(conjunct, n.Name) and conjunct.name in _VALUES:
            return _VALUES[conjunct.name]
    return "probe"
