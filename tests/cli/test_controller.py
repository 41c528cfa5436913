"""`tandem controller`, which is the command of the controller's image."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tandem_controller import command
from tests.cli.conftest import Run

NOT_IN_THE_IMAGE = ("typer", "rich", "jinja2", "ruamel", "tandem_cli", "tandem_generator")


@pytest.mark.parametrize("verb", ["run", "webhook"])
def test_help_is_the_controllers_own(
    run: Run, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    answer = run("controller", verb, "--help")
    assert answer.exit_code == 0
    with pytest.raises(SystemExit):
        command.main([verb, "--help"], program="tandem controller")
    assert answer.stdout == capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["walk"], ["run", "--nope"], ["webhook", "--port", "x"]])
def test_a_wrong_call_ends_with_code_2_and_says_what_is_wrong(
    run: Run, arguments: list[str]
) -> None:
    answer = run("controller", *arguments)
    assert answer.exit_code == 2
    assert "tandem controller" in answer.stderr
    assert "error: " in answer.stderr


def test_it_needs_neither_the_generator_nor_libraries_of_a_terminal() -> None:
    """None in `sys.modules` makes an import fail; structlog takes rich where it is there."""
    script = (
        "import sys; "
        f"sys.modules.update(dict.fromkeys({NOT_IN_THE_IMAGE!r})); "
        "from tandem_controller import command; "
        "print(command.parser('it').parse_args(['run']).verb)"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    assert done.stdout == b"run\n"
