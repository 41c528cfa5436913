"""docs/workflows.md and its examples: commands run, and what they name exists."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tandem_controller.api.approval import ApprovalReason

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "workflows.md").read_text(encoding="utf-8")
EXAMPLES = sorted((ROOT / "examples").glob("shop-workflow*.yaml"))
TANDEM = str(Path(sys.executable).with_name("tandem"))


def _commands() -> list[list[str]]:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL)
    return [
        words for block in blocks for line in block.splitlines() if (words := shlex.split(line))
    ]


def _own_steps(example: Path) -> list[dict[str, Any]]:
    steps = yaml.safe_load(example.read_text())["spec"]["workflow"]["steps"]
    every = [*steps, *(sub for each in steps for sub in each.get("subSteps", []))]
    return [each for each in every if each["type"].startswith(("rollout-", "release-"))]


@pytest.mark.parametrize("words", _commands(), ids=" ".join)
def test_a_command_of_the_page_runs(words: list[str]) -> None:
    assert words[0] == "tandem"
    subprocess.run([TANDEM, *words[1:]], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_uses_parameters_that_its_steps_have(example: Path) -> None:
    for step in _own_steps(example):
        text = (ROOT / "addon/tandem/definitions" / f"{step['type']}.cue").read_text()
        known = set(
            re.findall(r"^\t\t(\w+)\??:", text[text.index("\tparameter: {") :], re.MULTILINE)
        )
        assert step.get("properties", {}).keys() <= known
    assert example.name in PAGE


def test_every_reason_why_an_approval_is_void_is_on_the_page() -> None:
    told = set(re.findall(r"`Void`, `(\w+)`", PAGE))
    assert told == set(ApprovalReason) - {ApprovalReason.APPROVED}
