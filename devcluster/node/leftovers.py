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
from devcluster.node import cgroups, containerd, network

_SHIM_SOCKETS = Path("/run/containerd/s")
_CNI_RESULTS = Path("/var/lib/cni/results")
_LEGACY_LOGS = Path("/var/log/containers")
_DEVICE_PLUGINS = Path("/var/lib/kubelet/device-plugins")
_PATIENCE_SECONDS = 10.0


def remove(layout: Layout) -> None:
    """Remove it all; the caller holds the machine's place for a real node."""
    _kill_containers(layout)
    strays = [*_shim_sockets(layout), *_network_results(layout), *_log_links(layout)]
    _unmount(layout.node)
    network.remove(layout)
    cgroups.remove()
    for stray in strays:
        stray.unlink(missing_ok=True)
    _remove_empty_folders()
    shutil.rmtree(layout.node, ignore_errors=True)


def remaining(layout: Layout) -> list[str]:
    """What is left of the real node, in words; empty after a stop."""
    found = [f"process {pid}" for pid in (*_shims(layout), *cgroups.processes())]
    found += [f"mount {path}" for path in _mounts_below(layout.node)]
    found += [f"cgroup {path}" for path in cgroups.remaining()]
    found += network.remaining()
    return [*found, *([f"folder {layout.node}"] if layout.node.exists() else [])]


def _kill_containers(layout: Layout) -> None:
    """The shims first: they would report, and a container's processes have no other parent."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while pids := [*_shims(layout), *cgroups.processes()]:
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


def _tasks(layout: Layout) -> Iterator[str]:
    """The ids of the containers and sandboxes that were there."""
    state = layout.node / "containerd/state"
    yield from (path.name for path in state.glob("io.containerd.runtime.v2.task/k8s.io/*"))


def _shim_sockets(layout: Layout) -> Iterator[Path]:
    """A shim's socket is named by a hash of containerd's address, the namespace and the id.

    Source: ``SocketAddress`` in containerd 1.6, ``runtime/v2/shim/util_unix.go``.
    """
    for task in _tasks(layout):
        name = f"{containerd.socket(layout)}/k8s.io/{task}"
        yield _SHIM_SOCKETS / hashlib.sha256(name.encode()).hexdigest()


def _network_results(layout: Layout) -> Iterator[Path]:
    """What libcni remembers of each sandbox, at a place that cannot be configured."""
    for task in _tasks(layout):
        yield from _CNI_RESULTS.glob(f"*-{task}-*")


def _log_links(layout: Layout) -> Iterator[Path]:
    """Links to the pods' logs, and the device plugins' files: wherever the kubelet's root is."""
    for link in _LEGACY_LOGS.glob("*.log"):
        if link.is_symlink() and str(link.readlink()).startswith(str(layout.node)):
            yield link
    yield from (_DEVICE_PLUGINS / name for name in ("kubelet.sock", "kubelet_internal_checkpoint"))


def _remove_empty_folders() -> None:
    """The fixed places, deepest first; a folder that others use is not empty and stays."""
    for place in (_SHIM_SOCKETS, _CNI_RESULTS, _DEVICE_PLUGINS, _LEGACY_LOGS):
        for folder in (place, place.parent):
            try:
                folder.rmdir()
            except OSError:
                continue
