"""What docs/definitions-lint.md shows runs, and ends as the page says."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "definitions-lint.md").read_text(encoding="utf-8")
TANDEM = str(Path(sys.executable).with_name("tandem"))
EXPECTED = {"--strict": 1}
"""Exit code by option where it is not 0: our own init container is a warning."""


def _commands() -> list[list[str]]:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [words for line in lines if (words := shlex.split(line, comments=True))]


@pytest.mark.parametrize("words", _commands(), ids=" ".join)
def test_a_command_of_the_page_runs(words: list[str], tmp_path: Path) -> None:
    program, *arguments = words
    assert program == "tandem"
    arguments = [str(tmp_path / "out") if a == "DIR" else a for a in arguments]
    done = subprocess.run([TANDEM, *arguments], cwd=ROOT, check=False, capture_output=True)
    expected = next((code for option, code in EXPECTED.items() if option in words), 0)
    assert done.returncode == expected, done.stderr.decode()
