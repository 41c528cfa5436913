"""`tandem semver` prints the step and its reasons; `--check` compares it with the versions."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

Run = Callable[..., Result]
CUE = """\
"it": {{
	type: "component"
	attributes: version: "{version}"
}}
template: {{
	output: kind: "X"
	parameter: a: *{default} | int
}}
"""
YAML = """\
kind: ComponentDefinition
metadata: {{name: it, annotations: {{definition.oam.dev/version: {version}}}}}
spec:
  schematic:
    cue:
      template: |
        output: kind: "X"
        parameter: a: *{default} | int
"""


def pair(folder: Path, text: str, version: str, suffix: str) -> tuple[Path, Path]:
    old, new = folder / f"old{suffix}", folder / f"new{suffix}"
    old.write_text(text.format(version="1.2.3", default=1))
    new.write_text(text.format(version=version, default=2))
    return old, new


@pytest.mark.parametrize(("text", "suffix", "line"), [(CUE, ".cue", 7), (YAML, ".yaml", 8)])
def test_step_and_reasons_are_printed(
    run: Run, tmp_path: Path, text: str, suffix: str, line: int
) -> None:
    old, new = pair(tmp_path, text, "1.2.4", suffix)
    result = run("semver", old, new)
    assert result.exit_code == 0
    what = "the parameter a has the default `2` and had `1`: Applications that leave it out change"
    assert result.stdout == f"{new}:{line}: major: {what}\nmajor: 1.2.3 -> 2.0.0\n"


@pytest.mark.parametrize(
    ("version", "code"), [("1.2.3", 1), ("1.3.0", 1), ("2.0.0", 0), ("3.1.4", 0), ("1.0.0", 1)]
)
def test_check_fails_where_the_step_is_too_small(
    run: Run, tmp_path: Path, version: str, code: int
) -> None:
    result = run("semver", *pair(tmp_path, CUE, version, ".cue"), "--check")
    assert result.exit_code == code
    refused = f"tandem: the version went from 1.2.3 to {version}, and the change is major: "
    assert result.stderr == (f"{refused}raise it to 2.0.0 or more\n" if code else "")


def test_json_has_the_step_and_the_reasons(run: Run, tmp_path: Path) -> None:
    old, new = pair(tmp_path, CUE, "2.0.0", ".cue")
    shown = json.loads(run("semver", old, new, "--format", "json").stdout)
    assert (shown["step"], shown["notes"]) == ("major", [])
    (reason,) = shown["reasons"]
    assert (reason["file"], reason["line"], reason["step"]) == (str(new), 7, "major")


def test_without_a_version_only_the_check_is_impossible(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "it.cue"
    file.write_text('it: type: "component"\ntemplate: parameter: a: int\n')
    assert run("semver", file, file).stdout == "none: nothing changed\n"
    result = run("semver", file, file, "--check")
    assert result.exit_code == 2
    assert "states no version" in result.stderr


def test_several_definitions_need_a_name(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "two.yaml"
    two = [YAML.format(version="1.0.0", default=1).replace("name: it", f"name: {n}") for n in "ab"]
    file.write_text("---\n".join(two))
    result = run("semver", file, file)
    assert (result.exit_code, "give --name" in result.stderr) == (2, True)
    assert run("semver", file, file, "--name", "a").exit_code == 0
