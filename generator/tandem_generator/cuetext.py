"""CUE text from templates.

Generated text goes through no formatter: what the templates say is what is committed,
so that the output does not depend on a version of the `cue` binary.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import jinja2
import msgspec

from tandem_generator.source import Json

_IDENTIFIER = re.compile(r"^[A-Za-z][A-Za-z0-9_]*$")


def literal(value: object) -> str:
    """Return a value as a CUE literal (JSON is CUE)."""
    return json.dumps(value, ensure_ascii=False)


def label(name: str) -> str:
    """Return a field's label, quoted where CUE needs it."""
    return name if _IDENTIFIER.match(name) else literal(name)


def nested(path: str) -> str:
    """Return labels for a path of fields: `a.b` is `a: b`."""
    return path.replace(".", ": ")


def struct(value: Json, depth: int = 0) -> str:
    """Return nested data as indented CUE, for a reader rather than for a parser."""
    inner, outer = "\t" * (depth + 1), "\t" * depth
    if isinstance(value, Mapping) and value:
        lines = [f"{inner}{label(k)}: {struct(v, depth + 1)}" for k, v in value.items()]
        return "\n".join(["{", *lines, outer + "}"])
    if isinstance(value, list) and any(isinstance(v, Mapping | list) for v in value):
        lines = [f"{inner}{struct(v, depth + 1)}," for v in value]
        return "\n".join(["[", *lines, outer + "]"])
    if isinstance(value, str) and "\n" in value:
        return _multiline(value, inner)
    return literal(value)


def _multiline(text: str, indent: str) -> str:
    """Return a raw string of several lines: in it, a backslash is a backslash."""
    fence = "#" * (text.count("#") + 1)
    lines = [f"{indent}{line}" if line else "" for line in text.split("\n")]
    return "\n".join([f'{fence}"""', *lines, f'{indent}"""{fence}'])


def render(template: str, values: Mapping[str, object]) -> str:
    """Fill in a template of this package; a name it misses is an error."""
    return _environment().get_template(template).render(values)


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tandem_generator"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # the output is CUE and YAML, never HTML
    )
    environment.filters.update(
        cue=literal, label=label, struct=struct, plain=msgspec.to_builtins, rstrip=str.rstrip
    )
    environment.filters["nested"] = nested
    return environment
