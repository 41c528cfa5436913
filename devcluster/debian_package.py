"""Programs of a Debian package, unpacked into the cache and not installed.

Installing a server's package would also start it as a service of this machine, and needs root.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from devcluster import paths
from devcluster.cache import only_maker
from devcluster.progress import Say, timed


class NoPackageError(RuntimeError):
    """A package cannot be had; the message says what to install instead."""


def program(package: str, name: str, say: Say) -> Path:
    """The path of a program of a package; one that is on the PATH is taken as it is.

    Raises:
        NoPackageError: where the package can neither be found nor fetched.
    """
    installed = shutil.which(name)
    if installed:
        return Path(installed)
    folder = paths.cache_home() / "debian" / package
    with only_maker(folder):
        if not (folder / name).exists():
            with timed(f"Fetching Debian's {package}", say):
                _unpack(package, folder)
    if not (folder / name).exists():
        raise NoPackageError(f"Debian's package {package} holds no /usr/bin/{name}")
    return folder / name


def _unpack(package: str, folder: Path) -> None:
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise NoPackageError(
            f"{package} is not on the PATH, and this is no Debian to fetch it from: install it"
        )
    with tempfile.TemporaryDirectory(dir=folder) as name:
        scratch = Path(name)
        _download(package, scratch)
        (archive,) = scratch.glob("*.deb")
        _run(["dpkg-deb", "--extract", str(archive), "root"], scratch).check_returncode()
        for file in (scratch / "root/usr/bin").iterdir():
            file.rename(folder / file.name)


def _download(package: str, scratch: Path) -> None:
    command = ["apt-get", "download", package]
    if _run(command, scratch).returncode == 0:
        return
    # No package list yet, or an old one that names versions that are gone.
    _run(["apt-get", "update"], scratch)
    result = _run(command, scratch)
    if result.returncode != 0:
        raise NoPackageError(f"This failed: {' '.join(command)}\n{result.stderr[-2000:]}")


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
