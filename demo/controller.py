"""`tandem controller run` beside a cluster, as a process that can be killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from devcluster.cluster import DevCluster

USER = "tandem-controller"
NAMESPACE = "kube-system"
TANDEM = Path(sys.executable).with_name("tandem")
_PATIENCE_SECONDS = 30


class Controller:
    """One replica of the controller; its log lies with the cluster's logs."""

    def __init__(self, cluster: DevCluster) -> None:
        self._cluster = cluster
        self.log = cluster.logs / "tandem-controller.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; the log goes on where it was."""
        command = [
            *(str(TANDEM), "controller", "run"),
            *("--kubeconfig", str(self._cluster.kubeconfig_for(USER))),
            *("--namespace", NAMESPACE),
            *("--health-address", "127.0.0.1", "--health-port", "0"),
        ]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    def stop(self) -> None:
        """End it as kubelet does."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once: it cannot finish anything."""
        self._end(signal.SIGKILL)

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
