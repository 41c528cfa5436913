"""Removing everything a real node leaves on the machine, after a stop as after a crash.

Containers outlive kubelet and containerd by design, so it is done from the outside and from what
the kernel knows, never from what a program remembers: processes by cgroup and by command line,
mounts by their path, addresses by the bridge.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from devcluster.layout import Layout
from devcluster.node import containerd, network

_CGROUPS = Path("/sys/fs/cgroup")
_SHIM_SOCKETS = Path("/run/containerd/s")
_LEGACY_LOGS = Path("/var/log/containers")
_DEVICE_PLUGINS = Path("/var/lib/kubelet/device-plugins")
_PATIENCE_SECONDS = 10.0


def remove(layout: Layout) -> None:
    """Remove it all; does nothing where there is nothing."""
    if not layout.node.exists():
        return
    _kill_containers(layout)
    sockets = list(_shim_sockets(layout))
    _unmount(layout.node)
    network.remove(layout)
    for socket in sockets:
        socket.unlink(missing_ok=True)
    _remove_cgroups()
    _remove_strays(layout)
    shutil.rmtree(layout.node)


def _kill_containers(layout: Layout) -> None:
    """The shims first: they would report, and a container's processes have no other parent."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while pids := [*_shims(layout), *_in_cgroups()]:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if time.monotonic() > deadline:
            raise RuntimeError(f"These processes of the real node do not end: {pids}")
        time.sleep(0.05)


def _shims(layout: Layout) -> Iterator[int]:
    wanted = str(containerd.socket(layout)).encode()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"containerd-shim" in arguments[0] and wanted in arguments:
            yield int(path.parent.name)


def _in_cgroups() -> Iterator[int]:
    for root in _pod_cgroups():
        for path in root.rglob("cgroup.procs"):
            try:
                yield from map(int, path.read_text().split())
            except OSError:
                continue


def _pod_cgroups() -> Iterator[Path]:
    """The kubelet's root in cgroup v2, and in every hierarchy of cgroup v1."""
    yield from _CGROUPS.glob("kubepods")
    yield from _CGROUPS.glob("*/kubepods")


def _unmount(folder: Path) -> None:
    for mount in reversed(_mounts_below(folder)):
        subprocess.run(["umount", "--lazy", mount], capture_output=True, check=False)
    left = _mounts_below(folder)
    if left:
        # Going on would delete what is mounted there.
        raise RuntimeError(f"These mounts of the real node cannot be undone: {left}")


def _mounts_below(folder: Path) -> list[str]:
    lines = Path("/proc/self/mounts").read_text().splitlines()
    # proc(5): a space in a path is written as its octal code.
    paths = [line.split(" ")[1].replace("\\040", " ") for line in lines]
    return [path for path in paths if path.startswith(f"{folder}/")]


def _shim_sockets(layout: Layout) -> Iterator[Path]:
    """A shim's socket is named by a hash of containerd's address, the namespace and the id.

    Source: ``SocketAddress`` in containerd 1.6, ``runtime/v2/shim/util_unix.go``.
    """
    tasks = layout.node / "containerd/state/io.containerd.runtime.v2.task/k8s.io"
    for task in tasks.glob("*"):
        name = f"{containerd.socket(layout)}/k8s.io/{task.name}"
        yield _SHIM_SOCKETS / hashlib.sha256(name.encode()).hexdigest()


def _remove_cgroups() -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    for root in _pod_cgroups():
        # A cgroup can be removed a moment after its last process is gone, not at once.
        while root.exists() and time.monotonic() < deadline:
            for folder, _, _ in os.walk(root, topdown=False):
                try:
                    Path(folder).rmdir()
                except OSError:
                    time.sleep(0.02)


def _remove_strays(layout: Layout) -> None:
    """Two places that the kubelet writes to wherever its root is."""
    for link in _LEGACY_LOGS.glob("*.log"):
        if link.is_symlink() and str(link.readlink()).startswith(str(layout.node)):
            link.unlink()
    for name in ("kubelet.sock", "kubelet_internal_checkpoint"):
        (_DEVICE_PLUGINS / name).unlink(missing_ok=True)
    for folder in (_DEVICE_PLUGINS, _DEVICE_PLUGINS.parent, _LEGACY_LOGS):
        try:
            folder.rmdir()
        except OSError:
            continue
