"""Flux beside the dev cluster: the two programs that deliver KubeVela's component `helm`.

None of it is part of this project. `source-controller` and `helm-controller` are found on the
PATH; their kinds and the component's definition come with the addon `fluxcd` of a checkout of
KubeVela's catalog, which KUBEVELA_CATALOG names.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from devcluster.cluster import DevCluster
from tandem_controller.kube.resource import Resource
from tests.kubevela.programs import KubeVelaMissingError

CATALOG_VARIABLE = "KUBEVELA_CATALOG"
FLUXCD = "addon-fluxcd"
"""The Application of the addon."""

HELM_RELEASES = Resource("helm.toolkit.fluxcd.io", "v2beta1", "helmreleases", "HelmRelease")
_QUIET = ("--metrics-addr=127.0.0.1:0", "--health-addr=127.0.0.1:0", "--watch-all-namespaces")
_PATIENCE_SECONDS = 20


def catalog_addon() -> Path:
    """Find the folder of the catalog's addon `fluxcd`.

    Raises:
        KubeVelaMissingError: it is not there; says how to provide it.
    """
    named = os.environ.get(CATALOG_VARIABLE)
    if not named:
        raise KubeVelaMissingError(
            f"{CATALOG_VARIABLE} is not set: name a checkout of KubeVela's catalog"
        )
    folder = Path(named) / "addons" / "fluxcd"
    if not folder.is_dir():
        raise KubeVelaMissingError(f"{CATALOG_VARIABLE} names {named}, which has no addons/fluxcd")
    return folder


class Flux:
    """The two controllers, as processes; their logs lie with the cluster's logs."""

    def __init__(self, cluster: DevCluster, folder: Path, *options: str) -> None:
        """Find the programs; artifacts of charts are stored in `folder`.

        `options` are further ones of helm-controller.

        Raises:
            KubeVelaMissingError: one of them is not there; says how to provide it.
        """
        self._cluster = cluster
        self._folder = folder
        self._options = options
        self._programs = [_program(name) for name in ("source-controller", "helm-controller")]
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start both."""
        address = f"127.0.0.1:{_free_port()}"
        storage = (
            f"--storage-path={self._folder}",
            f"--storage-addr={address}",
            f"--storage-adv-addr={address}",
        )
        for program, options in zip(self._programs, (storage, self._options), strict=True):
            self._running.append(self._started(program, *_QUIET, *options))

    def stop(self) -> None:
        """End both."""
        for process in self._running:
            process.terminate()
        for process in self._running:
            _wait_or_kill(process)
        self._running = []

    def said(self, namespace: str) -> list[str]:
        """Return what helm-controller has logged of the releases in a namespace."""
        lines = (self._cluster.logs / "helm-controller.log").read_text().splitlines()
        told = [json.loads(line) for line in lines if line.startswith("{")]
        return [entry["msg"] for entry in told if entry.get("namespace") == namespace]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _started(self, program: Path, *options: str) -> subprocess.Popen[bytes]:
        known = {"KUBECONFIG": str(self._cluster.kubeconfig), "RUNTIME_NAMESPACE": "flux-system"}
        with (self._cluster.logs / f"{program.name}.log").open("ab") as log:
            return subprocess.Popen(
                [str(program), *options], env={**os.environ, **known}, stdout=log, stderr=log
            )


def _program(name: str) -> Path:
    found = shutil.which(name)
    if not found:
        raise KubeVelaMissingError(
            f"`{name}` is not on the PATH: build or install Flux' {name} and put it there"
        )
    return Path(found)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_or_kill(process: subprocess.Popen[bytes]) -> None:
    """Wait for the end; a helm action that waits for pods holds the program up for minutes."""
    try:
        process.wait(_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
