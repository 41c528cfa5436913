"""What the README shows works: its commands exist and its Application renders."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TANDEM = str(Path(sys.executable).with_name("tandem"))
NEEDS_KUBEVELA = "vela"
"""The program of commands that need a cluster with KubeVela."""


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def _commands() -> list[list[str]]:
    lines = [line for block in _blocks("sh") for line in block.splitlines()]
    return [words for line in lines if (words := shlex.split(line, comments=True))]


@pytest.mark.parametrize("words", _commands(), ids=" ".join)
def test_a_command_of_the_readme_exists(words: list[str]) -> None:
    program, what, *_ = words
    if program == "make":
        command = ["make", "--dry-run", what]
    elif program == "tandem":
        command = [TANDEM, what, "--help"]
    else:
        assert program == NEEDS_KUBEVELA
        return
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


def test_files_that_the_readme_names_exist() -> None:
    named = {word for words in _commands() for word in words if "/" in word}
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_application_of_the_readme_renders(tmp_path: Path) -> None:
    (application,) = _blocks("yaml")
    file = tmp_path / "app.yaml"
    file.write_text(application, encoding="utf-8")
    done = subprocess.run(
        [TANDEM, "render", str(file)], cwd=ROOT, check=True, capture_output=True, text=True
    )
    kinds = re.findall(r"^kind: (\w+)$", done.stdout, flags=re.MULTILINE)
    assert sorted(kinds) == ["Deployment", "ReleasePolicy", "Rollout", "Service"]
