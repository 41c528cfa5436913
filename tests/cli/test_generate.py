"""`tandem generate` writes, checks and refuses."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from tandem_generator import project as generated

Run = Callable[..., Result]
PARTS = (
    "definitions",
    "monitoring",
    "addon",
    "examples",
    "metadata.yaml",
    "controller/tandem_controller/api",
)


@pytest.fixture
def project(root: Path, tmp_path: Path) -> Path:
    """A copy of what the generator reads and writes, generated anew."""
    for part in PARTS:
        source, target = root / part, tmp_path / part
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
    generated.whole(tmp_path).write()
    return tmp_path


def test_nothing_is_stale_after_generating(run: Run, project: Path) -> None:
    assert run("generate", "--root", project).exit_code == 0
    result = run("generate", "--root", project, "--check")
    assert (result.exit_code, result.output) == (0, "")


def test_check_names_what_is_stale_and_writes_nothing(run: Run, project: Path) -> None:
    file = project / "addon/tandem/README.md"
    file.write_text("old", encoding="utf-8")
    (project / "addon/tandem/definitions/left-over.cue").write_text("", encoding="utf-8")
    result = run("generate", "--root", project, "--check")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"stale {file}",
        f"stale {project / 'addon/tandem/definitions/left-over.cue'}",
        "tandem: run `tandem generate` and commit what it writes",
    ]
    assert file.read_text(encoding="utf-8") == "old"


def test_a_changed_blueprint_needs_a_version(run: Run, project: Path) -> None:
    file = project / "definitions/components/canary-ready-component.yaml"
    file.write_text(file.read_text().replace("default: /work", "default: /data"))
    result = run("generate", "--root", project)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"tandem: {file}:6: canary-ready-component 1.3.0 exists with")
    assert len(result.stderr.splitlines()) == 1


def test_definitions_alone_from_other_blueprints(run: Run, project: Path, tmp_path: Path) -> None:
    """How a platform team tries an upgraded definition beside the released one."""
    out = tmp_path / "upgraded"
    file = project / "definitions/components/canary-ready-component.yaml"
    text = file.read_text().replace("default: /work", "default: /data")
    file.write_text(text.replace("version: 1.3.0", "version: 2.0.0"))
    result = run("generate", "--blueprints", project / "definitions", "--to", out)
    assert result.exit_code == 0
    assert sorted(p.name for p in out.iterdir()) == [
        "canary-ready-component.cue",
        "init-image.cue",
        "release-checkpoint.cue",
        "rollout-approve.cue",
        "rollout-step.cue",
        "rollout.cue",
    ]
    rendered = run("render", "examples/shop-v1.yaml", "--definitions", out)
    assert "mountPath: /data" in rendered.stdout


def test_the_two_folders_belong_together(run: Run, tmp_path: Path) -> None:
    assert run("generate", "--blueprints", tmp_path).exit_code == 2


def test_a_package_for_kubevela_1_9_is_made_on_request(
    run: Run, project: Path, tmp_path: Path
) -> None:
    to = tmp_path / "old"
    result = run("generate", "--root", project, "--kubevela", "1.9", "--to", to)
    assert result.exit_code == 0
    assert (to / "tandem" / "metadata.yaml").is_file()
    assert run("generate", "--root", project, "--check").exit_code == 0


@pytest.mark.parametrize(
    "options", [("--kubevela", "1.9"), ("--kubevela", "1.8", "--to", "x"), ("--to", "x")]
)
def test_another_package_than_there_is_is_refused(run: Run, options: tuple[str, ...]) -> None:
    assert run("generate", *options).exit_code == 2
