"""The pods' own cgroup, so that our containers are told from everybody else's.

Under cgroup v1 it is one folder in each hierarchy, under v2 a single one.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = "tandem-devcluster"

_MOUNTS = Path("/sys/fs/cgroup")
_UNIFIED_CONTROLLERS = _MOUNTS / "cgroup.controllers"
_PATIENCE_SECONDS = 10.0


def create() -> None:
    """Make the cgroup; the kubelet refuses a root that does not exist."""
    if _UNIFIED_CONTROLLERS.exists():
        wanted = [f"+{name}" for name in _UNIFIED_CONTROLLERS.read_text().split()]
        (_MOUNTS / "cgroup.subtree_control").write_text(" ".join(wanted))
        (_MOUNTS / ROOT).mkdir(exist_ok=True)
        return
    for hierarchy in _MOUNTS.glob("*/cgroup.procs"):
        (hierarchy.parent / ROOT).mkdir(exist_ok=True)


def processes() -> Iterator[int]:
    """Every process of every container."""
    for root in _roots():
        for path in root.rglob("cgroup.procs"):
            try:
                yield from map(int, path.read_text().split())
            except OSError:
                continue


def remove() -> None:
    """Remove the cgroup with everything below it."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    for root in _roots():
        # A cgroup can be removed a moment after its last process is gone, not at once.
        while root.exists() and time.monotonic() < deadline:
            for folder, _, _ in os.walk(root, topdown=False):
                try:
                    Path(folder).rmdir()
                except OSError:
                    time.sleep(0.02)


def remaining() -> list[str]:
    """The folders that are still there."""
    return [str(root) for root in _roots()]


def _roots() -> Iterator[Path]:
    yield from _MOUNTS.glob(ROOT)
    yield from _MOUNTS.glob(f"*/{ROOT}")
