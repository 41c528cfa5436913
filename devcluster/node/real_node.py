"""The real node's life, in the order in which its parts need each other."""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from devcluster import bootstrap, images, processes
from devcluster.api import Api
from devcluster.layout import Layout
from devcluster.node import cgroups, containerd, gateway, kubelet, leftovers, network
from devcluster.ports import FreePorts
from devcluster.processes import Children
from devcluster.progress import Say

_LOCK = Path("/run/lock/tandem-real-node.lock")
"""Bridge, iptables and the pods' cgroup belong to the machine: one real node at a time."""


class RealNodeError(RuntimeError):
    """A real node cannot be had here, now; the message says why."""


def check_machine() -> None:
    """Say at once, before anything is built, that this machine cannot have a real node."""
    if sys.platform != "linux":
        raise RealNodeError("A real node needs Linux")
    if os.geteuid() != 0:
        raise RealNodeError("A real node needs root: it makes containers, mounts and a bridge")


@contextmanager
def only_one(layout: Layout) -> Iterator[None]:
    """Hold the machine's only place for a real node; afterwards nothing of the node is left."""
    _LOCK.parent.mkdir(parents=True, exist_ok=True)
    # Appending: opening it must not erase the holder's name.
    with _LOCK.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RealNodeError(
                f"The cluster in {_holder(lock)} has a real node already, "
                "and a machine has room for one"
            ) from None
        _clear_crashed(lock)
        lock.truncate(0)
        lock.write(str(layout.folder))
        lock.flush()
        try:
            yield
        finally:
            leftovers.remove(layout)
        # Not reached when clearing up failed: the next to come tries again.
        lock.truncate(0)


def clear_crashed() -> None:
    """Remove what a crashed real node left, unless there is one that lives."""
    if not _LOCK.exists():
        return
    with _LOCK.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        _clear_crashed(lock)
        lock.truncate(0)


def _clear_crashed(lock: IO[str]) -> None:
    """Whoever still stands in the lock, which nobody held, did not get to clear up."""
    holder = _holder(lock)
    if holder:
        crashed = Layout(Path(holder))
        processes.kill_remembered(crashed.pids)
        leftovers.remove(crashed)


def _holder(lock: IO[str]) -> str:
    lock.seek(0)
    return lock.read().strip()


def start(
    layout: Layout, children: Children, *, api: Api, api_port: int, say: Say
) -> dict[str, str]:
    """Bring the node and the gateway up; what others need to know of them."""
    _refuse_second_kubelet()
    layout.node.mkdir()
    cgroups.create()
    network.create(layout, api_port)
    containerd.write_configuration(layout)
    say("Starting containerd and loading images")
    children.start(containerd.command(layout))
    containerd.wait_until_up(layout)
    images.load_own_images(layout)
    with FreePorts() as free:
        kubelet_port, web_port, admin_port = free.take(), free.take(), free.take()
        kubelet.write_configuration(layout, kubelet_port)
        say("Starting kubelet and Traefik")
        children.start(kubelet.command(layout))
        children.start(gateway.command(layout, api.server, web_port, admin_port))
        bootstrap.wait_for_node(api, kubelet.NODE_NAME, seconds=90)
        gateway.install(api, web_port)
    return {
        "gateway_url": f"http://127.0.0.1:{web_port}",
        "gateway_metrics_url": f"http://127.0.0.1:{admin_port}/metrics",
        "node_address": network.NODE_ADDRESS,
    }


def _refuse_second_kubelet() -> None:
    """Two kubelets on a machine take each other's device plugins and cgroups away."""
    for path in Path("/proc").glob("[0-9]*/comm"):
        try:
            is_kubelet = path.read_text() == "kubelet\n"
        except OSError:
            continue
        if is_kubelet:
            raise RealNodeError(
                f"A kubelet runs on this machine already, as process {path.parent.name}; "
                "the real node needs the machine for itself"
            )
