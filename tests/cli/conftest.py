"""What the command's tests share."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tandem_cli import main

ROOT = Path(__file__).parents[2]
Run = Callable[..., Result]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `tandem` in the project's folder."""
    monkeypatch.chdir(ROOT)

    def run(*arguments: str | Path, stdin: str | None = None) -> Result:
        words = [str(a) for a in arguments]
        return CliRunner().invoke(main.build(words), words, input=stdin)

    return run
