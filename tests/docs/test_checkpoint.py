"""What docs/checkpoint.md shows works: its commands, and the CI jobs in a real repository."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/checkpoint.md").read_text(encoding="utf-8")
PROGRAMS = Path(sys.executable).parent
DEFINITIONS = Path("addon/tandem/definitions")
RELEASE = ("businessImage: shop:v1", "businessImage: shop:v2")
UPDATE = ("initImage: shop-init:v1", "initImage: shop-init:v2")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}", **more}


@pytest.mark.parametrize("line", [line for block in blocks("sh") for line in block.splitlines()])
def test_a_command_works(line: str) -> None:
    words = shlex.split(line, comments=True)
    if "webhook" in words:  # serves until it is stopped: that its options exist is enough
        words.append("--help")
    done = subprocess.run(words, cwd=ROOT, env=environment(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A clone in which the base is on the server and the change is in the work tree."""
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    (origin / DEFINITIONS).mkdir(parents=True)
    (origin / "app.yaml").write_text((ROOT / "examples/shop-v1.yaml").read_text("utf-8"), "utf-8")
    for file in (ROOT / DEFINITIONS).glob("*.cue"):
        (origin / DEFINITIONS / file.name).write_text(file.read_text("utf-8"), encoding="utf-8")
    git(origin, "init", "-q")
    git(origin, "add", ".")
    git(origin, "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "base")
    git(tmp_path, "clone", "-q", str(origin), str(clone))
    return clone


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def gitlab() -> list[str]:
    (job,) = (yaml.safe_load(b) for b in blocks("yaml") if "merge_request" in b)
    script: list[str] = job["checkpoint"]["script"]
    return script


def github() -> list[str]:
    (job,) = (yaml.safe_load(b) for b in blocks("yaml") if "runs-on" in b)
    steps: list[dict[str, Any]] = job["jobs"]["checkpoint"]["steps"]
    return [step["run"] for step in steps if "run" in step]


@pytest.mark.parametrize("script", [gitlab(), github()], ids=["gitlab", "github"])
@pytest.mark.parametrize(
    ("changes", "code"), [((), 0), ((RELEASE,), 0), ((UPDATE,), 0), ((RELEASE, UPDATE), 1)]
)
def test_the_job_fails_exactly_where_both_come_together(
    repository: Path, script: list[str], changes: tuple[tuple[str, str], ...], code: int
) -> None:
    base = git(repository, "rev-parse", "HEAD")
    app = repository / "app.yaml"
    for old, new in changes:
        app.write_text(app.read_text("utf-8").replace(old, new), encoding="utf-8")
    done = subprocess.run(
        ["bash", "-ec", "\n".join(script)],
        cwd=repository,
        env=environment(BASE=base, CI_MERGE_REQUEST_DIFF_BASE_SHA=base, TANDEM_CUE=cue()),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr


def cue() -> str:
    """Return the program: outside a checkout it has to be named."""
    from tandem_generator.cue import binary  # noqa: PLC0415 - it may build the program

    return str(binary())
