"""The borders of DESIGN §3: who may import whom, and who may ask what time it is."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

import tandem_controller

ROOT = Path(__file__).parents[2]
PACKAGE = Path(tandem_controller.__file__).parent
PURE = ("api", "decide", "traffic", "workloads")
CLOCKS = {"now", "utcnow", "today", "time", "monotonic", "perf_counter"}


def test_contracts_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    status = lint_imports(config_filename=str(ROOT / ".importlinter"), no_cache=True)
    assert status == EXIT_STATUS_SUCCESS, capsys.readouterr().out


@pytest.mark.parametrize("layer", PURE)
def test_nothing_that_decides_reads_a_clock(layer: str) -> None:
    """Time is an argument: the same snapshot and moment give the same decision."""
    found = [
        f"{path.relative_to(PACKAGE)}:{line}"
        for path in sorted((PACKAGE / layer).rglob("*.py"))
        for line in clock_calls(path.read_text())
    ]
    assert found == []


def test_a_clock_that_is_read_is_found() -> None:
    source = "a = datetime.now(UTC)\nb = dt.datetime.utcnow()\nc = now\nd = case.now\ne = f(now)\n"
    assert list(clock_calls(source)) == [1, 2]


def clock_calls(source: str) -> Iterator[int]:
    """Yield the lines in which a method such as `datetime.now` is called."""
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in CLOCKS
        ):
            yield node.lineno
