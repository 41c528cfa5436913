"""What docs/definitions.md shows runs, and its names and messages are those of the code."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tandem_controller import keys
from tandem_controller.decide.admission.review import AdmissionRequest
from tandem_controller.decide.admission.traits import MAKING_A_ROLLOUT, admit_traits
from tests.recorded.table import expected

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "definitions.md").read_text(encoding="utf-8")
TANDEM = str(Path(sys.executable).with_name("tandem"))


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


def _commands() -> list[list[str]]:
    lines = [line for block in _blocks("sh") for line in block.splitlines()]
    return [words for line in lines if (words := shlex.split(line))]


@pytest.mark.parametrize("words", _commands(), ids=" ".join)
def test_a_command_of_the_page_runs(words: list[str]) -> None:
    assert words[0] == "tandem"
    subprocess.run([TANDEM, *words[1:]], cwd=ROOT, check=True, capture_output=True)


def test_the_workflow_of_the_page_states_parameters_that_its_steps_have() -> None:
    (block,) = (b for b in _blocks("yaml") if b.startswith("workflow:"))
    steps: list[dict[str, Any]] = yaml.safe_load(block)["workflow"]["steps"]
    ours = [step for step in steps if step["type"].startswith("rollout-")]
    assert len(ours) == 2
    for step in ours:
        form = ROOT / f"addon/tandem/schemas/workflowstep-uischema-{step['type']}.yaml"
        known = {entry["jsonKey"] for entry in yaml.safe_load(form.read_text(encoding="utf-8"))}
        assert step["properties"].keys() <= known


def test_the_fields_of_the_status_are_on_the_page() -> None:
    for part in ("trait", "component"):
        shown = {
            field for row in expected().values() for field in row.get(part, {}).get("details", {})
        }
        assert shown
        assert {field for field in shown if f"`{field}`" not in PAGE} == set()


def test_the_refusal_of_two_traits_is_quoted_and_their_names_are() -> None:
    traits = [{"type": "rollout"}, {"type": "kruise-rollout"}]
    new = {"spec": {"components": [{"name": "shop", "traits": traits}]}}
    verdict = admit_traits(AdmissionRequest(uid="1", operation="CREATE", object=new))
    assert verdict.message in PAGE
    assert {name for name in MAKING_A_ROLLOUT if f"`{name}`" not in PAGE} == set()


def test_the_mark_of_an_unfinished_release_is_named() -> None:
    assert f"`{keys.UNFINISHED}`" in PAGE
