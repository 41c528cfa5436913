"""`vela show` prints what stands in `+usage`: every parameter of every definition has one."""

from __future__ import annotations

import re

import pytest

from tandem_generator.evaluate import Definition

_FIELD = re.compile(r"^\t+(?:\"[^\"]+\"|[A-Za-z]\w*)[?!]?: ")
_BLOCK = re.compile(r"^\t(?:parameter|#\w+): ")


def silent(text: str) -> list[str]:
    """Return the parameters of a definition that say nothing of themselves."""
    lines = text.partition("\n\tparameter: {")[2].splitlines()
    found, before = [], ""
    for line in lines:
        if _FIELD.match(line) and not _BLOCK.match(line) and "+usage=" not in before:
            found.append(line.strip())
        before = f"{before} {line}" if line.lstrip().startswith("//") else ""
    return found


def test_every_parameter_has_a_usage(made: dict[str, Definition]) -> None:
    assert {name: silent(d.text) for name, d in made.items() if silent(d.text)} == {}


@pytest.mark.parametrize("missing", ["\t\ta: string\n", "\t\t// why\n\t\ta?: int\n"])
def test_a_parameter_without_one_is_found(missing: str) -> None:
    text = f"\n\tparameter: {{\n\t\t// +usage=B\n\t\tb: int\n{missing}\t}}\n"
    assert len(silent(text)) == 1
