"""Debian's containerd with everything of its own below the cluster's folder."""

import json
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from devcluster.api import wait
from devcluster.layout import Layout
from devcluster.node import debian
from devcluster.processes import Command

PAUSE_IMAGE = "tandem.local/pause:v1"

_LONGEST_SOCKET_PATH = 107
"""https://man7.org/linux/man-pages/man7/unix.7.html: sun_path has 108 bytes."""


def socket(layout: Layout) -> Path:
    """Where containerd listens."""
    return layout.node / "containerd.sock"


def command(layout: Layout) -> Command:
    """Containerd's command line."""
    config = layout.config / "containerd.toml"
    return Command(
        "containerd", ("/usr/bin/containerd", f"--config={config}"), stop_with=signal.SIGTERM
    )


def write_configuration(layout: Layout) -> None:
    """Write ``containerd.toml``."""
    if len(str(socket(layout))) > _LONGEST_SOCKET_PATH:
        raise RuntimeError(f"The path {socket(layout)} is too long for a socket: use a shorter one")
    text = _CONFIG
    for name, value in _values(layout).items():
        # A JSON string is a TOML string as well.
        text = text.replace(f"@{name}@", json.dumps(value))
    (layout.config / "containerd.toml").write_text(text)


def _values(layout: Layout) -> Mapping[str, str]:
    node = layout.node
    return {
        "root": str(node / "containerd/root"),
        "state": str(node / "containerd/state"),
        "opt": str(node / "containerd/opt"),
        "runc": str(node / "runc"),
        "socket": str(socket(layout)),
        "cni": str(node / "cni"),
        "plugins": str(debian.CNI_PLUGINS),
        "pause": PAUSE_IMAGE,
    }


def wait_until_up(layout: Layout) -> None:
    """Wait until containerd answers."""
    wait("containerd", lambda: ctr(layout, "version", check=False) == 0, seconds=60)


def import_image(layout: Layout, archive: Path) -> None:
    """Make a docker-archive's images known to the kubelet."""
    ctr(layout, "images", "import", "--snapshotter=overlayfs", str(archive))


def ctr(layout: Layout, *arguments: str, check: bool = True) -> int:
    """Run containerd's own client in the kubelet's namespace; the exit code."""
    result = subprocess.run(
        ["ctr", f"--address={socket(layout)}", "--namespace=k8s.io", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    if check and result.returncode:
        raise RuntimeError(f"ctr {' '.join(arguments)}: {result.stderr.strip()}")
    return result.returncode


# restrict_oom_score_adj: a machine without CAP_SYS_RESOURCE may not lower the score, and every
# sandbox would fail with "can't get final child's PID from pipe".
# netns_mounts_under_state_dir: the default, /var/run/netns, is not ours to clean.
_CONFIG = """\
version = 2
root = @root@
state = @state@

[grpc]
  address = @socket@

[plugins."io.containerd.internal.v1.opt"]
  path = @opt@

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = @pause@
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = @plugins@
    conf_dir = @cni@

  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        Root = @runc@
        SystemdCgroup = false
"""
