"""The `cue` binary: CUE has no Python binding that is kept up."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

PATH_VARIABLE = "TANDEM_CUE"
INSTALL_HINT = (
    "the program `cue` is needed: go install cuelang.org/go/cmd/cue@v0.14.1, "
    f"or set {PATH_VARIABLE} to its path"
)


class CueError(Exception):
    """CUE refused its input; the text is what it printed."""


class CueMissingError(Exception):
    """There is no `cue` on this machine."""


@cache
def binary() -> Path:
    """Return the path of `cue`: the variable, then PATH, then a checkout's dev cluster."""
    stated = os.environ.get(PATH_VARIABLE) or shutil.which("cue")
    if stated:
        return Path(stated)
    tools = _dev_tools()
    if tools is None:
        raise CueMissingError(INSTALL_HINT)
    return Path(tools.cue_path())


def _dev_tools() -> ModuleType | None:
    """Return the dev cluster's module that builds tools, where we run inside a checkout."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "devcluster" / "tools.py").is_file():
            sys.path.append(str(folder))
            break
    try:
        return importlib.import_module("devcluster.tools")
    except ImportError:
        return None


def export(text: str, expression: str) -> bytes:
    """Evaluate an expression of a CUE file to JSON."""
    return _run("export", "--out", "json", "-e", expression, "-", text=text)


def vet(*files: Path) -> None:
    """Check that files are sound CUE; values need not be concrete."""
    _run("vet", "-c=false", *map(str, files), text="")


def _run(*arguments: str, text: str) -> bytes:
    done = subprocess.run(
        [binary(), *arguments], input=text.encode(), capture_output=True, check=False
    )
    if done.returncode:
        raise CueError(done.stderr.decode())
    return done.stdout
