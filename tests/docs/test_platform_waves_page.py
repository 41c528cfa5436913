"""What docs/platform-waves.md shows works: commands with their options, keys and exit codes."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tandem_cli.platform.report import ExitCode
from tandem_controller import keys

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "platform-waves.md").read_text(encoding="utf-8")
TANDEM = str(Path(sys.executable).with_name("tandem"))


def _commands() -> list[list[str]]:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [words for line in lines if (words := shlex.split(line, comments=True))]


@pytest.mark.parametrize("words", _commands(), ids=" ".join)
def test_a_command_of_the_page_takes_these_words(words: list[str]) -> None:
    program, *arguments = words
    assert program == "tandem"
    # Options are read before help is printed: a wrong one fails.
    subprocess.run([TANDEM, *arguments, "--help"], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize(
    ("verb", "named"),
    [
        (("accept",), {"--record", "--wait"}),
        (("platform", "roll"), {"--image", "--no-approve-steps", "--on-regression", "--timeout"}),
    ],
)
def test_options_that_the_page_names_exist(verb: tuple[str, ...], named: set[str]) -> None:
    environment = {"COLUMNS": "200", "PATH": ""}
    done = subprocess.run(
        [TANDEM, *verb, "--help"], env=environment, check=True, capture_output=True, text=True
    )
    assert {option for option in named if option not in done.stdout} == set()
    assert {option for option in named if option not in PAGE} == set()


def test_every_exit_code_is_on_the_page() -> None:
    rows = re.findall(r"^\| (\d) \|", PAGE, flags=re.MULTILINE)
    assert [int(code) for code in rows] == sorted(ExitCode)


def test_the_annotations_of_the_page_are_ours() -> None:
    named = set(re.findall(r"tandem\.oam\.dev/[a-z-]+", PAGE))
    assert named == {keys.ACCEPT, keys.RETRY, keys.FREEZE, keys.WAVE_ORDER}
