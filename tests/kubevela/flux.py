"""Flux beside the dev cluster: the two programs that deliver KubeVela's component `helm`.

None of it is part of this project. `source-controller` and `helm-controller` are found on the
PATH; their kinds and the component's definition come with the addon `fluxcd` of a checkout of
KubeVela's catalog, which KUBEVELA_CATALOG names.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devcluster.cluster import DevCluster
from devcluster.ports import FreePorts
from tandem_controller.kube.resource import Resource
from tests.kubevela.process import Process
from tests.kubevela.programs import KubeVelaMissingError

CATALOG_VARIABLE = "KUBEVELA_CATALOG"
FLUXCD = "addon-fluxcd"
"""The Application of the addon."""

HELM_RELEASES = Resource("helm.toolkit.fluxcd.io", "v2beta1", "helmreleases", "HelmRelease")
_QUIET = ("--metrics-addr=127.0.0.1:0", "--health-addr=127.0.0.1:0", "--watch-all-namespaces")


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
        with FreePorts() as free:
            address = f"127.0.0.1:{free.take()}"
        storage = (
            f"--storage-path={folder}",
            f"--storage-addr={address}",
            f"--storage-adv-addr={address}",
        )
        self._source = self._process("source-controller", *storage)
        self._helm = self._process("helm-controller", *options)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run both."""
        with self._source, self._helm:
            yield

    def said(self, namespace: str) -> list[str]:
        """Return what helm-controller has logged of the releases in a namespace."""
        lines = (self._cluster.logs / "helm-controller.log").read_text().splitlines()
        told = [json.loads(line) for line in lines if line.startswith("{")]
        return [entry["msg"] for entry in told if entry.get("namespace") == namespace]

    def _process(self, name: str, *options: str) -> Process:
        known = {"KUBECONFIG": str(self._cluster.kubeconfig), "RUNTIME_NAMESPACE": "flux-system"}
        command = [str(_program(name)), *_QUIET, *options]
        return Process(command, self._cluster.logs / f"{name}.log", {**os.environ, **known})


def _program(name: str) -> Path:
    found = shutil.which(name)
    if not found:
        raise KubeVelaMissingError(
            f"`{name}` is not on the PATH: build or install Flux' {name} and put it there"
        )
    return Path(found)
