"""``DevCluster``: a cluster on this machine, as an object.

The object is a handle: the cluster itself is owned by a supervisor process, so two handles of
one name, also in different processes, speak of the same cluster. ``start()`` starts it and ties
its life to this process; ``start(detach=True)`` lets it live on.

Fake pods choose what becomes of them by their image's tag; see ``devcluster.stages``.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from devcluster import paths, processes, supervisor, tools
from devcluster.layout import Layout
from devcluster.node import debian, real_node
from devcluster.options import Options
from devcluster.progress import Say, to_stderr

_START_SECONDS = 300
_STOP_SECONDS = 60


class ClusterError(RuntimeError):
    """The cluster could not be started, or is not running."""


class DevCluster:
    """One cluster: etcd, API server, controller manager, scheduler and fake or real nodes."""

    def __init__(
        self,
        name: str = "default",
        *,
        real_node: bool = False,
        state_dir: Path | None = None,
        fake_nodes: int | None = None,
        controller_manager_qps: int = 500,
        say: Say = to_stderr,
    ) -> None:
        self.name = name
        self._layout = Layout(state_dir or paths.state_home() / name)
        self._options = Options(
            name=name,
            real_node=real_node,
            fake_nodes=(0 if real_node else 3) if fake_nodes is None else fake_nodes,
            controller_manager_qps=controller_manager_qps,
        )
        self._say = say
        self._process: subprocess.Popen[bytes] | None = None
        self._lifeline: int | None = None

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self._layout.kubeconfig("admin")

    def kubeconfig_for(self, user: str) -> Path:
        """The kubeconfig of another user: ``tandem-controller`` or ``tandem-user``."""
        path = self._layout.kubeconfig(user)
        if self.running and not path.exists():
            raise ClusterError(f"Cluster {self.name} has no user {user}")
        return path

    @property
    def server(self) -> str:
        """The API server's address."""
        server: str = self._fact("server")
        return server

    @property
    def ca_file(self) -> Path:
        """The certificate authority of the API server."""
        return self._layout.ca_file

    @property
    def logs(self) -> Path:
        """The folder of the programs' logs; it stays when the cluster is gone."""
        return self._layout.logs

    @property
    def audit_log(self) -> Path:
        """The API server's audit log: JSON lines, level Metadata."""
        return self._layout.audit_log

    @property
    def layout(self) -> Layout:
        """The cluster's files."""
        return self._layout

    @property
    def gateway_url(self) -> str:
        """Where Traefik takes requests for HTTPRoutes and Ingresses; with a real node only."""
        url: str = self._fact("gateway_url")
        return url

    @property
    def gateway_metrics_url(self) -> str:
        """Traefik's Prometheus metrics; with a real node only."""
        url: str = self._fact("gateway_metrics_url")
        return url

    @property
    def node_address(self) -> str:
        """The machine's address as pods see it; with a real node only."""
        address: str = self._fact("node_address")
        return address

    @property
    def running(self) -> bool:
        """Whether the cluster is started and ready."""
        return self._supervised() and self._layout.facts.exists()

    def start(self, *, detach: bool = False) -> None:
        """Build what is missing, start the cluster, and return when it is ready."""
        if self._supervised():
            raise ClusterError(f"Cluster {self.name} is running already; stop it first")
        if self._options.real_node:
            real_node.check_machine()
            debian.install(self._say)
        tools.build_missing(real_node=self._options.real_node, say=self._say)
        self._prepare_folder()
        self._spawn_supervisor(detach=detach)
        self._follow_start()

    def stop(self) -> None:
        """Stop the cluster, also one started by another process or left by a crash."""
        pid = processes.read_pid_file(self._layout.supervisor)
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                # What it could not clear is cleared below.
                self._process.kill()
                self._process.wait()
            self._process = None
        elif pid is not None:
            processes.end(pid, patience_seconds=_STOP_SECONDS)
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None
        supervisor.clear(self._layout)
        real_node.clear_crashed()

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

    def _fact(self, name: str) -> Any:  # noqa: ANN401 - JSON
        try:
            facts = json.loads(self._layout.facts.read_text())
        except FileNotFoundError:
            raise ClusterError(f"Cluster {self.name} is not running") from None
        if name not in facts:
            raise ClusterError(f"Cluster {self.name} has no {name}: it has no real node")
        return facts[name]

    def _supervised(self) -> bool:
        try:
            with self._layout.lock.open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def _prepare_folder(self) -> None:
        layout = self._layout
        supervisor.clear(layout)
        shutil.rmtree(layout.previous_logs, ignore_errors=True)
        if layout.logs.exists():
            layout.logs.rename(layout.previous_logs)
        layout.logs.mkdir(parents=True)
        layout.progress.touch()
        self._options.save(layout.options)

    def _spawn_supervisor(self, *, detach: bool) -> None:
        command = [sys.executable, "-m", "devcluster.supervisor", str(self._layout.folder)]
        inherited: list[int] = []
        if not detach:
            read_end, self._lifeline = os.pipe()
            inherited.append(read_end)
            command += ["--lifeline", str(read_end)]
        root = str(Path(__file__).parents[1])
        search = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        with (self._layout.logs / "supervisor.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": search},
                pass_fds=inherited,
                start_new_session=True,
            )
        for descriptor in inherited:
            os.close(descriptor)

    def _follow_start(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + _START_SECONDS
        with self._layout.progress.open() as progress:
            while True:
                ended = self._process.poll() is not None
                ready = self._layout.facts.exists()
                for line in progress:
                    self._say(line.rstrip())
                if ready:
                    return
                if ended or time.monotonic() > deadline:
                    self.stop()
                    raise ClusterError(self._why_not())
                time.sleep(0.05)

    def _why_not(self) -> str:
        log = self._layout.logs / "supervisor.log"
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
        return f"Cluster {self.name} did not start; the end of {log}:\n{tail}"
