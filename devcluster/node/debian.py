"""The Debian packages that a real node, or an image, needs: installed when they are missing."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from devcluster.progress import Say, timed

CNI_PLUGINS = Path("/usr/lib/cni")
BUSYBOX = Path("/bin/busybox")

REAL_NODE = {
    "containerd": Path("/usr/bin/containerd"),
    "runc": Path("/usr/sbin/runc"),
    "containernetworking-plugins": CNI_PLUGINS / "bridge",
    "iptables": Path("/usr/sbin/iptables"),
    "iproute2": Path("/sbin/ip"),
    "busybox-static": BUSYBOX,
}
"""Package, and a file of it that tells whether it is installed."""

IMAGE_TOOLS = {
    "buildah": Path("/usr/bin/buildah"),
    "mmdebstrap": Path("/usr/bin/mmdebstrap"),
}
"""The same for what builds an image without a registry."""


class MissingPackageError(RuntimeError):
    """A package is missing and could not be installed; the message names the command."""


def install(say: Say, needed: Mapping[str, Path] = REAL_NODE) -> None:
    """Install what is missing; does nothing, and needs no network, when all is there.

    Raises:
        MissingPackageError: where a package is missing and this is no Debian, or not root.
    """
    missing = [package for package, file in needed.items() if not file.exists()]
    if not missing:
        return
    command = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
    if shutil.which("apt-get") is None:
        raise MissingPackageError(
            f"{', '.join(missing)}: needed, missing, and this is no Debian: install them first"
        )
    with timed(f"Installing {', '.join(missing)}", say):
        if _run(command).returncode == 0:
            return
        # No package list yet, or an old one that names versions that are gone.
        _run(["apt-get", "update"])
        result = _run(command)
    if result.returncode != 0:
        raise MissingPackageError(f"This failed: {' '.join(command)}\n{result.stderr[-2000:]}")


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
