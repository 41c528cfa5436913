"""The command: ``python -m devcluster start | stop | status | build | image``."""

import argparse
import signal
import sys

from devcluster import controller_image, golang, paths, tools
from devcluster.cluster import ClusterError, DevCluster
from devcluster.debian_package import NoPackageError
from devcluster.node.debian import MissingPackageError
from devcluster.node.real_node import RealNodeError
from devcluster.progress import to_stderr, to_stdout


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code."""
    parser = argparse.ArgumentParser(
        prog="devcluster", description="A Kubernetes control plane on this machine."
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    start = verbs.add_parser("start", help="start a cluster and print its KUBECONFIG")
    start.add_argument("--detach", action="store_true", help="leave it running in the background")
    start.add_argument("--fake-nodes", type=int, help="3, or 0 with a real node")
    stop = verbs.add_parser("stop", help="stop a cluster; its logs stay")
    for verb in (start, stop):
        verb.add_argument("--name", default="default")
    verbs.add_parser("status", help="list the clusters of this machine")
    build = verbs.add_parser("build", help="only build the programs")
    for verb in (start, build):
        verb.add_argument("--real-node", action="store_true", help="Linux and root only")
    verbs.add_parser("image", help="build the controller's image and print where it lies")
    chosen = parser.parse_args(arguments)
    try:
        return _VERBS[chosen.verb](chosen)
    except _EXPECTED as error:
        to_stderr(str(error))
        return 1


def _start(chosen: argparse.Namespace) -> int:
    cluster = DevCluster(chosen.name, real_node=chosen.real_node, fake_nodes=chosen.fake_nodes)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        cluster.start(detach=chosen.detach)
        to_stdout(f"KUBECONFIG={cluster.kubeconfig}")
        if not chosen.detach:
            to_stderr("The cluster stops with this command (Ctrl-C)")
            signal.pause()
    except KeyboardInterrupt:
        # A terminal and a wrapper such as uv may both pass Ctrl-C on: one is enough.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        cluster.stop()
    return 0


def _stop(chosen: argparse.Namespace) -> int:
    cluster = DevCluster(chosen.name)
    cluster.stop()
    to_stderr(f"Cluster {chosen.name} is stopped; its logs: {cluster.logs}")
    return 0


def _status(_: argparse.Namespace) -> int:
    folders = sorted(paths.state_home().glob("*/options.json"))
    for folder in (path.parent for path in folders):
        cluster = DevCluster(folder.name)
        if cluster.running:
            to_stdout(f"{cluster.name}  running  {cluster.server}  KUBECONFIG={cluster.kubeconfig}")
        else:
            to_stdout(f"{cluster.name}  stopped  logs in {cluster.logs}")
    return 0


def _build(chosen: argparse.Namespace) -> int:
    tools.build(real_node=chosen.real_node)
    return 0


def _image(_: argparse.Namespace) -> int:
    archive = controller_image.archive()
    to_stderr(f"{controller_image.REFERENCE}, as a docker-archive:")
    to_stdout(str(archive))
    return 0


_EXPECTED = (
    ClusterError,
    controller_image.ImageError,
    RealNodeError,
    MissingPackageError,
    NoPackageError,
    tools.BuildError,
    golang.NoGoToolchainError,
)

_VERBS = {"start": _start, "stop": _stop, "status": _status, "build": _build, "image": _image}

if __name__ == "__main__":
    sys.exit(main())
