"""What docs/image.md shows works: build arguments, commands, the addon's parameters, wheels."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from tandem_generator import cue
from tandem_generator.cuetext import literal
from tests.generator.package import package_files

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/image.md").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
ARGUMENTS = dict(re.findall(r"^ARG (\w+)=(\S+)", DOCKERFILE, re.MULTILINE))
PYTHONS = {"cp311", "cp313"}
"""Debian's Python, on which the image is built here, and that of the default base."""
MACHINES = {"x86_64", "aarch64"}


def commands() -> list[list[str]]:
    blocks = re.findall(r"```sh\n(.*?)```", TEXT, flags=re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.splitlines()]


def of(program: str) -> list[list[str]]:
    return [words for words in commands() if words[0] == program]


def test_no_command_is_left_untested() -> None:
    assert {words[0] for words in commands()} == {"docker", "make", "uv", "vela"}


@pytest.mark.parametrize("words", of("docker"), ids=" ".join)
def test_a_build_states_arguments_that_the_dockerfile_has(words: list[str]) -> None:
    given = {words[n + 1].split("=")[0] for n, word in enumerate(words) if word == "--build-arg"}
    assert given <= ARGUMENTS.keys()
    assert (ROOT / words[-1] / "Dockerfile").is_file()


def test_the_table_lists_the_dockerfiles_arguments() -> None:
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| (.+?) \|", TEXT, re.MULTILINE))
    assert rows.keys() == ARGUMENTS.keys()
    assert rows["BASE"] == f"`{ARGUMENTS['BASE']}`"


def test_what_builds_the_image_here_exists() -> None:
    ((_, target),) = of("make")
    subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)
    ((*_, verb),) = of("uv")
    command = [sys.executable, "-m", "devcluster", verb, "--help"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize("words", of("vela"), ids=" ".join)
def test_the_addon_takes_the_parameters(words: list[str]) -> None:
    assert words[:4] == ["vela", "addon", "enable", "./addon/tandem"]
    given: dict[str, Any] = {}
    for path, _, value in (word.partition("=") for word in words[4:]):
        _set(given, path, _value(value))
    # A definition is closed: a parameter that does not exist is refused.
    schema = package_files(ROOT)["parameter.cue"].replace("parameter:", "#parameter:", 1)
    text = f"{schema}\nmade: #parameter & {literal(given)}\n"
    made = msgspec.json.decode(cue.export(text, "made"))
    assert made == _merged(made, given)


def _set(into: dict[str, Any], path: str, value: object) -> None:
    """Put a value where Helm's `--set`, whose syntax KubeVela took over, puts it."""
    *outer, last = path.replace("[0]", ".0").split(".")
    here: Any = into
    for step, following in pairwise((*outer, last)):
        empty: Any = [{}] if following == "0" else {}
        here = here[0] if step == "0" else here.setdefault(step, empty)
    here[last] = value


def _value(text: str) -> object:
    if text.startswith("{"):
        return [yaml.safe_load(item) for item in text.strip("{}").split(",")]
    return yaml.safe_load(text)


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    nested = {k: _merged(base[k], v) if isinstance(v, dict) else v for k, v in over.items()}
    return {**base, **nested}


def _libraries() -> list[dict[str, Any]]:
    """Return what the lock file says of each library that the image holds."""
    options = ("--frozen", "--no-dev", "--no-emit-workspace", "--no-hashes", "--no-annotate")
    command = ["uv", "export", "--quiet", "--package", "tandem-controller", *options]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    wanted = set(re.findall(r"^([a-z0-9-]+)==", done.stdout, re.MULTILINE))
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    return [p for p in lock["package"] if p["name"] in wanted]


def test_there_is_a_wheel_of_every_library_for_every_machine() -> None:
    """A library without one would need a compiler, which the first stage does not have."""
    libraries = _libraries()
    assert len(libraries) > 10
    lacking = [
        (library["name"], python, machine)
        for library in libraries
        for python in PYTHONS
        for machine in MACHINES
        if not any(_fits(w["url"], python, machine) for w in library.get("wheels", ()))
    ]
    assert lacking == []


def _fits(url: str, python: str, machine: str) -> bool:
    """Read a wheel's name (PyPA, binary distribution format): python, ABI, platform at its end."""
    tag, abi, platform = url.rsplit("/", 1)[1].removesuffix(".whl").split("-")[-3:]
    for_python = python in tag or "py3" in tag or abi == "abi3"
    return for_python and (platform == "any" or ("manylinux" in platform and machine in platform))
