"""pytest fixtures: a cluster with fake nodes, and one with a real node.

``KUBECONFIG_TANDEM_TEST`` names the kubeconfig of any other cluster to test against instead of
an embedded one; the tests then run as whatever user it holds. ``REQUIRE_E2E=1`` turns the
skipping of tests that need a real node into a failure, for machines that must have one.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from devcluster.cluster import DevCluster
from devcluster.external import ExternalCluster
from devcluster.node import leftovers


class Cluster(Protocol):
    """What tests may ask of a cluster, ours or any other."""

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""

    def kubeconfig_for(self, user: str) -> Path:
        """The kubeconfig of ``tandem-controller`` or ``tandem-user``."""

    @property
    def server(self) -> str:
        """The API server's address."""

    @property
    def ca_file(self) -> Path:
        """The certificate authority of the API server."""


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster with three fake nodes, or the one that KUBECONFIG_TANDEM_TEST names."""
    folder = tmp_path_factory.mktemp("cluster")
    other = os.environ.get("KUBECONFIG_TANDEM_TEST")
    if other:
        yield ExternalCluster(Path(other), folder)
        return
    with DevCluster(f"test-{os.getpid()}", state_dir=folder) as embedded:
        yield embedded


@pytest.fixture(scope="session")
def real_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevCluster]:
    """A cluster with one real node and Traefik as its gateway."""
    need_real_node()
    folder = tmp_path_factory.mktemp("node")
    with DevCluster(f"e2e-{os.getpid()}", real_node=True, state_dir=folder) as embedded:
        yield embedded
    left = leftovers.remaining(embedded.layout)
    assert not left, f"The real node left this behind: {left}"


def need_real_node() -> None:
    """Skip the test, or with ``REQUIRE_E2E=1`` fail it, where there can be no real node."""
    reason = why_no_real_node()
    if reason:
        if os.environ.get("REQUIRE_E2E") == "1":
            pytest.fail(f"REQUIRE_E2E=1, but {reason}")
        pytest.skip(reason)


def why_no_real_node() -> str | None:
    """Why this machine cannot have a real node; None when it can."""
    if sys.platform != "linux":
        return "a real node needs Linux"
    if os.geteuid() != 0:
        return "a real node needs root (containers, bridge, mounts)"
    return None
