"""Tandem beside a cluster: the controller and the webhooks, as processes that can be killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

from devcluster.api import wait
from devcluster.cluster import DevCluster
from tandem_controller.kube.client import Client
from tandem_controller.kube.resource import Resource
from tandem_controller.kube.wait import wait_for

USER = "tandem-controller"
NAMESPACE = "kube-system"
TANDEM = Path(sys.executable).with_name("tandem")
_PATIENCE_SECONDS = 30
_SERVING = "Serving probes and metrics."
WEBHOOKS = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "mutatingwebhookconfigurations",
    "MutatingWebhookConfiguration",
    namespaced=False,
)


class TandemProcess:
    """One process of Tandem; its log lies with the cluster's logs."""

    def __init__(self, cluster: DevCluster, name: str, *arguments: str) -> None:
        self._cluster = cluster
        self._arguments = arguments
        self.log = cluster.logs / f"{name}.log"
        self._log_start = 0
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def controller(cls, cluster: DevCluster, name: str = "tandem-controller") -> TandemProcess:
        """Return a replica of the controller."""
        health = ("--health-address", "127.0.0.1", "--health-port", "0")
        return cls(cluster, name, "run", *health)

    @classmethod
    def webhook(cls, cluster: DevCluster, *more: str) -> TandemProcess:
        """Return the webhooks, which the API server calls by URL; `more` are further options."""
        url = "https://127.0.0.1:0"
        address = ("--host", "127.0.0.1", "--port", "0", "--url", url, "--drain-seconds", "0")
        return cls(cluster, "tandem-webhook", "webhook", *address, *more)

    def start(self) -> None:
        """Start it; the log goes on where it was."""
        command = [
            *(str(TANDEM), "controller", *self._arguments),
            *("--kubeconfig", str(self._cluster.kubeconfig_for(USER))),
            *("--namespace", NAMESPACE, "--log-level", "debug"),
        ]
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    def stop(self) -> None:
        """End it as kubelet does."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once: it cannot finish anything."""
        self._end(signal.SIGKILL)

    def health_address(self) -> str:
        """Return where probes and metrics are served, as `host:port`; waits until they are.

        The log of this life tells it: the port is any free one.
        """

        def told() -> list[str]:
            lines = self.log.read_bytes()[self._log_start :].decode().splitlines()
            return [line for line in lines if _SERVING in line]

        wait(f"{_SERVING!r} in {self.log}", lambda: bool(told()), seconds=_PATIENCE_SECONDS)
        host, port = json.loads(told()[-1])["addresses"][0]
        return f"{host}:{port}"

    @property
    def pid(self) -> int:
        """The id of the running process."""
        assert self._process is not None
        return self._process.pid

    @property
    def died(self) -> bool:
        """Whether it ended by itself."""
        return self._process is not None and self._process.poll() is not None

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(timeout=_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


async def until_webhooks_are_asked(client: Client) -> None:
    """Wait until the API server knows of the webhooks."""
    await wait_for(client, WEBHOOKS, "tandem", None, lambda o: o is not None, seconds=60)
