"""`tandem lint` reads files, folders and stdin; its exit code says clean, found or unreadable."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tandem_cli import main

Run = Callable[..., Result]
HEAD = '"it": type: "component"\n'
FIXED = HEAD + 'template: output: image: "a:1"\n'
CLEAN = HEAD + "template: {output: image: parameter.image, parameter: image: string}\n"
WARNED = HEAD + 'template: output: image: "a:" + parameter.tag\n'


def write(folder: Path, **texts: str) -> Path:
    for name, text in texts.items():
        (folder / f"{name}.cue").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("text", "options", "code"),
    [(CLEAN, (), 0), (FIXED, (), 1), (WARNED, (), 0), (WARNED, ("--strict",), 1), ("a: [", (), 2)],
)
def test_the_exit_code_says_clean_found_or_unreadable(
    run: Run, tmp_path: Path, text: str, options: tuple[str, ...], code: int
) -> None:
    assert run("lint", write(tmp_path, it=text) / "it.cue", *options).exit_code == code


def test_a_folder_is_read_whole_and_what_is_no_definition_in_it_is_passed_over(
    run: Run, tmp_path: Path
) -> None:
    write(tmp_path, one=FIXED, two=CLEAN, other="package main\na: 1\n")
    (tmp_path / "object.yaml").write_text("kind: Deployment\n")
    result = run("lint", tmp_path)
    assert [line.partition(": error")[0] for line in result.stdout.splitlines()] == [
        f"{tmp_path}/one.cue:2"
    ]
    assert result.stderr == "tandem: 2 definitions, 1 error, 0 warnings\n"


def test_what_cannot_be_read_does_not_hide_findings(run: Run, tmp_path: Path) -> None:
    write(tmp_path, a="template: {\n", b=FIXED)
    result = run("lint", tmp_path)
    assert result.exit_code == 2
    assert f"{tmp_path}/b.cue:2: error: image-fixed" in result.stdout
    assert f"tandem: {tmp_path}/a.cue:2: is not CUE that can be read" in result.stderr


def test_a_file_that_was_named_and_holds_no_definition_is_said(run: Run) -> None:
    result = run("lint", "metadata.yaml")
    assert result.exit_code == 2
    assert "metadata.yaml:1: holds no definition" in result.stderr


def test_json_has_what_the_lines_have(run: Run, tmp_path: Path) -> None:
    result = run("lint", write(tmp_path, it=FIXED), "--format", "json")
    why = (
        "it changes with the definition, outside every release, and applying the old Application "
        "does not bring it back"
    )
    assert json.loads(result.stdout) == {
        "definitions": 1,
        "findings": [
            {
                "file": f"{tmp_path}/it.cue",
                "line": 2,
                "severity": "error",
                "kind": "image-fixed",
                "definition": "component it",
                "path": "output.image",
                "message": "output.image is `a:1`",
                "why": why,
                "remedy": "Make it a required parameter (`tandem decouple` does).",
            }
        ],
        "unreadable": [],
    }


@pytest.mark.parametrize(
    "text",
    [
        FIXED,
        "kind: ComponentDefinition\nspec: {schematic: {cue: {template: 'output: image: \"a:1\"'}}}",
    ],
)
def test_stdin_may_be_cue_or_yaml(text: str) -> None:
    words = ["lint", "-"]
    result = CliRunner().invoke(main.build(words), words, input=text)
    assert result.exit_code == 1
    assert result.stdout.startswith("<stdin>:")


def test_the_projects_own_definitions_have_no_error(run: Run) -> None:
    result = run("lint", "addon/tandem/definitions")
    assert result.exit_code == 0
    assert "error:" not in result.stdout
