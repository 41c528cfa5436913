"""The files of one cluster, all below one folder."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """Names every file once, so that writer and reader cannot disagree."""

    folder: Path

    @property
    def lock(self) -> Path:
        """Held by the supervisor as long as it lives: the truth about whether it does."""
        return self.folder / "lock"

    @property
    def facts(self) -> Path:
        """What others need to know of a running cluster, as JSON; written once it is ready."""
        return self.folder / "cluster.json"

    @property
    def options(self) -> Path:
        """What the supervisor was asked for, as JSON."""
        return self.folder / "options.json"

    @property
    def pids(self) -> Path:
        """One file a process: its id and when it began."""
        return self.folder / "pids"

    @property
    def supervisor(self) -> Path:
        """The pid file of the supervisor, apart from those of what it has to clear away."""
        return self.folder / "supervisor.pid"

    @property
    def logs(self) -> Path:
        """One log a process; kept when the cluster stops."""
        return self.folder / "logs"

    @property
    def previous_logs(self) -> Path:
        """The logs of the start before this one."""
        return self.folder / "logs.previous"

    @property
    def progress(self) -> Path:
        """The supervisor's progress lines, which the starting command shows."""
        return self.logs / "progress.log"

    @property
    def audit_log(self) -> Path:
        """The API server's audit log, JSON lines."""
        return self.logs / "audit.log"

    @property
    def pki(self) -> Path:
        """Certificates, keys and tokens."""
        return self.folder / "pki"

    @property
    def ca_file(self) -> Path:
        """The authority that signed the API server's certificate."""
        return self.pki / "ca.crt"

    @property
    def config(self) -> Path:
        """Configuration files of the programs."""
        return self.folder / "config"

    @property
    def etcd_data(self) -> Path:
        """The store's data, gone with the cluster."""
        return self.folder / "etcd"

    @property
    def node(self) -> Path:
        """Everything of the real node: kubelet, containerd, CNI."""
        return self.folder / "node"

    def kubeconfig(self, user: str) -> Path:
        """The kubeconfig of one user; the administrator's has the plain name."""
        return self.folder / ("kubeconfig" if user == "admin" else f"kubeconfig.{user}")
