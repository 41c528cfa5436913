"""What docs/migration.md and docs/doctor.md show works: commands, exit codes, checks."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tandem_cli.doctor.checks import CHECKS
from tandem_cli.migration.inventory import RECORD_NAME

ROOT = Path(__file__).parents[2]
PAGES = {
    name: (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    for name in ("migration", "doctor")
}
TANDEM = str(Path(sys.executable).with_name("tandem"))
CHECK_FILES = ROOT / "cli" / "tandem_cli" / "doctor"


def _commands() -> list[list[str]]:
    blocks = [b for page in PAGES.values() for b in re.findall(r"```sh\n(.*?)```", page, re.DOTALL)]
    lines = [line for block in blocks for line in block.splitlines()]
    return [words for line in lines if (words := shlex.split(line, comments=True))]


@pytest.mark.parametrize("words", _commands(), ids=" ".join)
def test_a_command_of_the_pages_takes_these_words(words: list[str]) -> None:
    program, *arguments = words
    assert program == "tandem"
    # Options are read before help is printed: a wrong one fails.
    subprocess.run([TANDEM, *arguments, "--help"], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize("page", PAGES)
def test_the_exit_codes_are_those_of_the_command(page: str) -> None:
    rows = re.findall(r"^\| (\d) \|", PAGES[page], flags=re.MULTILINE)
    assert rows == ["0", "1", "2"]


def test_every_check_is_on_the_page() -> None:
    rows = set(re.findall(r"^\| `([a-z-]+)` \|", PAGES["doctor"], flags=re.MULTILINE))
    source = "".join(path.read_text(encoding="utf-8") for path in CHECK_FILES.glob("*.py"))
    written = set(re.findall(r'(?:problem|info)\(\s*"([a-z-]+)"', source))
    assert rows == written
    assert len(rows) == len(CHECKS)


def test_the_record_has_the_name_of_the_page() -> None:
    assert RECORD_NAME in PAGES["migration"]


@pytest.mark.parametrize(
    ("words", "code"),
    [(("migrate", "kruise"), 2), (("migrate", "kruise", "--plan", "--apply"), 2)],
)
def test_words_that_make_no_sense_end_with_two(words: tuple[str, ...], code: int) -> None:
    done = subprocess.run([TANDEM, *words], cwd=ROOT, check=False, capture_output=True)
    assert done.returncode == code


def test_a_doctor_that_cannot_look_ends_with_two(tmp_path: Path) -> None:
    missing = ["doctor", "--kubeconfig", str(tmp_path / "none")]
    done = subprocess.run([TANDEM, *missing], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert "kubeconfig" in done.stderr
