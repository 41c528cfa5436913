"""What docs/gitops.md shows works: its commands, its files, its keys and its table."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tandem_controller import keys
from tests.recorded import judges
from tests.recorded.stage import STATES
from tests.recorded.table import Obj, expected

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "gitops.md").read_text(encoding="utf-8")
CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm"}}


def _commands() -> list[list[str]]:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.splitlines()]


def run_locally(words: list[str], body: Obj, folder: Path) -> Obj:
    """Run a kubectl command on a file instead of a cluster."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not on the PATH: the page's commands are not run")
    file = folder / "object.json"
    file.write_text(json.dumps(body), encoding="utf-8")
    program, *rest = words
    assert program == "kubectl"
    names = {"configmap", "argocd-cm", "rollout", "shop"}  # the file says which object
    rest = [word for word in rest if word not in names]
    command = [kubectl, *rest, "--local", "--filename", str(file), "--output", "json"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    changed: Obj = json.loads(done.stdout)
    return changed


def test_the_settings_are_added_to_those_of_argo_cd(tmp_path: Path) -> None:
    patch, _ = _commands()
    own: Obj = {**CONFIG_MAP, "data": {"url": "https://argocd.example"}}
    changed = run_locally(patch, own, tmp_path)
    added = yaml.safe_load((ROOT / "gitops" / "argocd-cm.yaml").read_text(encoding="utf-8"))
    assert changed["data"] == {**own["data"], **added["data"]}


def test_the_annotation_of_the_page_is_the_one_that_approves(tmp_path: Path) -> None:
    _, annotate = _commands()
    rollout = yaml.safe_load((STATES / "step-paused.yaml").read_text(encoding="utf-8"))["rollout"]
    changed = run_locally(annotate, rollout, tmp_path)
    before = rollout["metadata"]["annotations"]
    added = changed["metadata"]["annotations"].items() - before.items()
    ((key, value),) = added
    assert key == keys.APPROVE
    assert re.fullmatch(r"[0-9a-f]{10}/[0-9]+", value)


def test_the_files_of_the_page_are_there() -> None:
    named = set(re.findall(r"\]\(\.\./([\w./-]+)\)", PAGE))
    assert {str(p.relative_to(ROOT)) for p in (ROOT / "gitops").iterdir()} - {
        "gitops/argocd-cm.yaml"
    } <= named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_action_has_a_row_and_every_health_of_argo_cd_too() -> None:
    rows = re.findall(r"^\| (`[^|]+`) \|", PAGE, flags=re.MULTILINE)
    assert set(re.findall(r"`([\w-]+)`", " ".join(rows))) == judges.action_names()
    shown = {row["argo"]["status"] for row in expected().values()}
    assert shown <= set(re.findall(r"\| (\w+) \|$", PAGE, flags=re.MULTILINE))
