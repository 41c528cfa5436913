"""The controller's image, built from the project's Dockerfile without a container registry.

Debian's packages are the base instead of a registry's image, and buildah runs the Dockerfile
without a daemon. Both results lie in the cache under a name made of all that goes into them, so
an image is built again exactly when it would be another one.
"""

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from devcluster import paths
from devcluster.cache import only_maker
from devcluster.layout import Layout
from devcluster.node import containerd, debian
from devcluster.progress import Say, timed, to_stderr

REFERENCE = "tandem.local/controller:built"
"""What pods call it; it is in no registry, so `imagePullPolicy: Never`."""

ROOT = Path(__file__).parents[1]
SUITE = "bookworm"
"""Debian 12; its Python is 3.11, the oldest that the project supports."""

_BOOTSTRAP = (
    "mmdebstrap",
    "--variant=minbase",
    # usr-is-merged instead of usrmerge, which would bring all of perl.
    "--include=python3,python3-venv,ca-certificates,usr-is-merged",
    "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
    '--aptopt=Apt::Install-Recommends "false"',
    "--quiet",
    SUITE,
)
"""Makes the base; the archive's name follows."""

_KEPT = 3
_BASE_NAME = "localhost/tandem-base"
_AUTHORITIES = Path("/etc/ssl/certs")
_GOES_IN = ("Dockerfile", ".dockerignore", "pyproject.toml", "uv.lock")
_BUILT = ("controller/pyproject.toml", "generator/pyproject.toml", "cli/pyproject.toml")


class ImageError(RuntimeError):
    """The image could not be built; the message holds the last words of the program that failed."""


def archive(say: Say = to_stderr) -> Path:
    """Return a docker-archive of the controller's image as the work tree has it.

    Raises:
        ImageError: where a step of the Dockerfile fails.
        MissingPackageError: where buildah and mmdebstrap are missing and cannot be installed.
    """
    path = paths.cache_home() / "image" / fingerprint() / "controller.tar"
    with only_maker(path.parent):
        if not path.exists():
            debian.install(say, debian.IMAGE_TOOLS)
            base = _base(say)
            with timed("Building the controller's image", say):
                _build(base, path)
            _forget_old(path.parent.parent)
    return path


def load(layout: Layout, say: Say = to_stderr) -> str:
    """Make the image known to a cluster's real node; its name."""
    containerd.import_image(layout, archive(say))
    return REFERENCE


def fingerprint() -> str:
    """Name all that goes into the image: equal names, equal images."""
    digest = hashlib.sha256(" ".join(_BOOTSTRAP).encode())
    for file in content():
        digest.update(f"\0{file.relative_to(ROOT)}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def content() -> Iterator[Path]:
    """Return every file of the work tree that the image is made of."""
    yield from (ROOT / name for name in (*_GOES_IN, *_BUILT))
    sources = sorted((ROOT / "controller" / "tandem_controller").rglob("*"))
    yield from (f for f in sources if f.is_file() and "__pycache__" not in f.parts)


def _forget_old(folder: Path) -> None:
    """Keep the images of a few work trees, not one of every edit."""
    archives = sorted(folder.glob("*/controller.tar"), key=lambda file: file.stat().st_mtime)
    for old in archives[:-_KEPT]:
        old.unlink(missing_ok=True)


def _base(say: Say) -> Path:
    """Return a root file system of Debian with Python, as a tar file."""
    name = hashlib.sha256(" ".join(_BOOTSTRAP).encode()).hexdigest()[:16]
    path = paths.cache_home() / "image-base" / name / "base.tar"
    with only_maker(path.parent):
        if not path.exists():
            with timed(f"Fetching Debian {SUITE} as the image's base", say):
                _bootstrap(path)
    return path


def _bootstrap(path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        made = Path(scratch) / path.name
        _run((*_BOOTSTRAP, str(made)))
        made.rename(path)


def _build(base: Path, path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent) as name:
        scratch = Path(name)
        context = scratch / "base"
        context.mkdir()
        (context / "Dockerfile").write_text("FROM scratch\nADD base.tar /\n")
        (context / "base.tar").hardlink_to(base)
        buildah = _Buildah(scratch)
        buildah.run("build", "--tag", _BASE_NAME, str(context))
        buildah.run(
            "build",
            f"--build-arg=BASE={_BASE_NAME}",
            # Whom this machine trusts, the build trusts: packages may come through a proxy.
            f"--volume={_AUTHORITIES}:{_AUTHORITIES}:ro",
            f"--tag={REFERENCE}",
            str(ROOT),
        )
        made = scratch / path.name
        buildah.run("push", REFERENCE, f"docker-archive:{made}:{REFERENCE}")
        made.rename(path)


class _Buildah:
    """Buildah with everything of its own in one folder, which goes when the image is there."""

    def __init__(self, folder: Path) -> None:
        self._own = (f"--root={folder / 'storage'}", f"--runroot={folder / 'run'}")

    def run(self, *arguments: str) -> None:
        _run(("buildah", *self._own, *arguments))


def _run(command: tuple[str, ...]) -> None:
    # Neither a daemon nor a kernel module is needed: a plain chroot, and plain copies of layers.
    environment = {**os.environ, "BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "vfs"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        last_words = "\n".join((done.stdout + done.stderr).strip().splitlines()[-25:])
        raise ImageError(f"This failed: {' '.join(command)}\n{last_words}")
