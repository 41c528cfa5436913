"""What docs/tandem-dead.md shows: each command of kubectl does to an object what the text says."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tandem_controller import keys
from tandem_controller.decide.admission.workload import RESUMING_MANAGER

Obj = dict[str, Any]

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tandem-dead.md").read_text(encoding="utf-8")
ROLLOUT: Obj = {
    "apiVersion": "rollouts.kruise.io/v1alpha1",
    "kind": "Rollout",
    "metadata": {"name": "shop", "finalizers": [keys.FINALIZER]},
}
DEPLOYMENT: Obj = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "shop"},
    "spec": {"paused": True},
}


def test_its_commands_are_those_that_are_tried_here_and_against_kubevela() -> None:
    starts = [words[:3] for words in commands()]
    assert starts == [
        ["vela", "up", "-f"],
        ["kubectl", "rollout", "resume"],
        ["kubectl", "patch", "rollouts.v1alpha1.rollouts.kruise.io"],
        ["kubectl", "label", "deployment"],
    ]


def test_a_release_that_is_deleted_is_let_go_by_taking_every_finalizer_away(tmp_path: Path) -> None:
    (patch,) = (words for words in commands() if words[1] == "patch")
    changed = run(["patch", "--local", *patch[4:]], ROLLOUT, tmp_path)
    assert "finalizers" not in changed["metadata"]


def test_the_label_is_the_one_that_lets_everything_through(tmp_path: Path) -> None:
    (label,) = (words for words in commands() if words[1] == "label")
    changed = run(["label", "--local", *label[4:]], DEPLOYMENT, tmp_path)
    assert changed["metadata"]["labels"] == {keys.BREAK_GLASS: "true"}


def test_resuming_by_hand_is_told_by_the_field_manager_that_the_command_has() -> None:
    """Its default; it cannot be run without a cluster, and is run in tests/kubevela."""
    said = subprocess.run(
        [program(), "rollout", "resume", "--help"], capture_output=True, text=True, check=True
    )
    assert f"--field-manager='{RESUMING_MANAGER}'" in said.stdout


def commands() -> list[list[str]]:
    blocks = re.findall(r"```\n(.*?)```", PAGE, flags=re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.splitlines() if line]


def run(words: list[str], body: Obj, folder: Path) -> Obj:
    """Run a command of kubectl on a file instead of a cluster."""
    file = folder / "object.json"
    file.write_text(json.dumps(body), encoding="utf-8")
    done = subprocess.run(
        [program(), *words, "--filename", str(file), "--output", "json"],
        check=True,
        capture_output=True,
        text=True,
    )
    changed: Obj = json.loads(done.stdout)
    return changed


def program() -> str:
    found = shutil.which("kubectl")
    if found is None:
        pytest.skip("kubectl is not on the PATH: the page's commands are not run")
    return found
