"""Any other cluster, used by its kubeconfig with the attributes of a ``DevCluster``."""

import base64
from pathlib import Path
from typing import Any

import yaml


class ExternalCluster:
    """A cluster that is not ours: nothing is installed, started or stopped."""

    def __init__(self, kubeconfig: Path, scratch: Path) -> None:
        self.kubeconfig = kubeconfig
        self._scratch = scratch
        config = yaml.safe_load(kubeconfig.read_text())
        context = _named(config["contexts"], config["current-context"])["context"]
        self._cluster = _named(config["clusters"], context["cluster"])["cluster"]

    def kubeconfig_for(self, user: str) -> Path:  # noqa: ARG002 - it has one user only
        """The one kubeconfig there is."""
        return self.kubeconfig

    @property
    def server(self) -> str:
        """The API server's address."""
        server: str = self._cluster["server"]
        return server

    @property
    def ca_file(self) -> Path:
        """The certificate authority, also when the kubeconfig carries it inline."""
        inline = self._cluster.get("certificate-authority-data")
        if inline is None:
            named: str = self._cluster["certificate-authority"]
            return self.kubeconfig.parent / named
        path = self._scratch / "ca.crt"
        path.write_bytes(base64.b64decode(inline))
        return path


def _named(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(entry for entry in entries if entry["name"] == name)
