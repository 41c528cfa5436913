"""The control plane's programs: their configuration files and command lines.

Every flag here is either needed to run on a machine that has nothing else, or makes tests
faster; the reason stands beside it.
"""

import json
from dataclasses import asdict, dataclass

import yaml

from devcluster import credentials, tools
from devcluster.layout import Layout
from devcluster.options import Options
from devcluster.ports import FreePorts
from devcluster.processes import Command
from devcluster.stages import stages

SERVICE_RANGE = "10.96.0.0/16"
SERVICE_ADDRESS = "10.96.0.1"
"""The ``kubernetes`` Service; the first address of the range."""

FAKE_POD_RANGE = "10.200.0.1/16"
FAKE_NODE_ADDRESS = "10.201.0.1"


@dataclass(frozen=True)
class Ports:
    """The ports of one cluster's programs."""

    etcd: int
    etcd_peer: int
    api_server: int
    controller_manager: int
    scheduler: int

    @staticmethod
    def take(free: FreePorts) -> "Ports":
        """Choose them all."""
        return Ports(*(free.take() for _ in range(5)))

    def text(self) -> str:
        """For the log."""
        return json.dumps(asdict(self))


def store(layout: Layout, ports: Ports) -> Command:
    """Etcd, on the loopback address."""
    client, peer = f"http://127.0.0.1:{ports.etcd}", f"http://127.0.0.1:{ports.etcd_peer}"
    return Command(
        "etcd",
        (
            str(tools.program("etcd")),
            f"--data-dir={layout.etcd_data}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            # The data is thrown away at stop: durability would only cost time.
            "--unsafe-no-fsync",
            "--quota-backend-bytes=4294967296",
            "--log-level=warn",
        ),
    )


def api_server(layout: Layout, ports: Ports, options: Options) -> Command:
    """The API server; pods of a real node reach it, so there it listens on every address."""
    pki = layout.pki
    return Command(
        "kube-apiserver",
        (
            str(tools.program("kube-apiserver")),
            f"--etcd-servers=http://127.0.0.1:{ports.etcd}",
            f"--secure-port={ports.api_server}",
            f"--bind-address={'0.0.0.0' if options.real_node else '127.0.0.1'}",
            # Not used with no endpoint reconciler, but it must be no loopback address, and without
            # it a machine with no default route does not start.
            "--advertise-address=192.0.2.1",
            "--endpoint-reconciler-type=none",
            f"--service-cluster-ip-range={SERVICE_RANGE}",
            f"--tls-cert-file={pki / 'server.crt'}",
            f"--tls-private-key-file={pki / 'server.key'}",
            f"--kubelet-client-certificate={pki / 'kubelet-client.crt'}",
            f"--kubelet-client-key={pki / 'kubelet-client.key'}",
            # The nodes' names are known to no DNS.
            "--kubelet-preferred-address-types=InternalIP",
            f"--token-auth-file={pki / 'tokens.csv'}",
            "--authorization-mode=Node,RBAC",
            # OpenShift has it on: who blocks an owner's deletion needs rights on the owner.
            "--enable-admission-plugins=OwnerReferencesPermissionEnforcement",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={pki / 'sa.key'}",
            f"--service-account-signing-key-file={pki / 'sa.key'}",
            # There is no kube-proxy: webhooks behind a Service are called at their endpoints.
            "--enable-aggregator-routing=true",
            # API servers behind this one believe it who asks, by its certificate.
            f"--requestheader-client-ca-file={layout.ca_file}",
            f"--requestheader-allowed-names={credentials.PROXY}",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={pki / 'front-proxy.crt'}",
            f"--proxy-client-key-file={pki / 'front-proxy.key'}",
            # On by default from Kubernetes 1.36.
            "--feature-gates=MutatingAdmissionPolicy=true",
            "--runtime-config=admissionregistration.k8s.io/v1beta1=true",
            f"--audit-policy-file={layout.config / 'audit.yaml'}",
            f"--audit-log-path={layout.audit_log}",
            "--audit-log-maxsize=4096",
            "--allow-privileged=true",
            "--profiling=false",
        ),
    )


def controller_manager(layout: Layout, ports: Ports, options: Options) -> Command:
    """The controller manager; its default of 20 requests a second would dominate every timing."""
    return Command(
        "kube-controller-manager",
        (
            str(tools.program("kube-controller-manager")),
            f"--kubeconfig={layout.kubeconfig('kube-controller-manager')}",
            f"--secure-port={ports.controller_manager}",
            "--bind-address=127.0.0.1",
            "--leader-elect=false",
            f"--kube-api-qps={options.controller_manager_qps}",
            f"--kube-api-burst={options.controller_manager_qps}",
            f"--service-account-private-key-file={layout.pki / 'sa.key'}",
            f"--root-ca-file={layout.ca_file}",
            # Else fake nodes flap under load, and their pods turn NotReady.
            "--node-monitor-grace-period=10m",
            # It would make the default folder, /usr/libexec/kubernetes.
            f"--flex-volume-plugin-dir={layout.config / 'flex-volumes'}",
            "--profiling=false",
        ),
    )


def scheduler(layout: Layout, ports: Ports) -> Command:
    """The scheduler."""
    return Command(
        "kube-scheduler",
        (
            str(tools.program("kube-scheduler")),
            f"--config={layout.config / 'scheduler.yaml'}",
            f"--secure-port={ports.scheduler}",
            "--bind-address=127.0.0.1",
        ),
    )


def fake_kubelet(layout: Layout) -> Command:
    """Kwok, for the nodes labelled ``type=kwok`` only, else it also "runs" a real node's pods."""
    return Command(
        "kwok",
        (
            str(tools.program("kwok")),
            f"--kubeconfig={layout.kubeconfig('kwok')}",
            f"--config={layout.config / 'kwok.yaml'}",
            "--manage-all-nodes=false",
            "--manage-nodes-with-label-selector=type=kwok",
            # Without leases, fake nodes expire after 40 s.
            "--node-lease-duration-seconds=40",
            f"--cidr={FAKE_POD_RANGE}",
            f"--node-ip={FAKE_NODE_ADDRESS}",
        ),
    )


def write_configuration(layout: Layout) -> None:
    """Write the files that the command lines name."""
    layout.config.mkdir(parents=True, exist_ok=True)
    (layout.config / "audit.yaml").write_text(yaml.safe_dump(_AUDIT_POLICY))
    (layout.config / "kwok.yaml").write_text(yaml.safe_dump_all(stages()))
    connection = {"kubeconfig": str(layout.kubeconfig("kube-scheduler")), "qps": 500, "burst": 1000}
    configuration = {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "leaderElection": {"leaderElect": False},
        "clientConnection": connection,
    }
    (layout.config / "scheduler.yaml").write_text(yaml.safe_dump(configuration))


# One line a request. A watch completes only when it ends, so its beginning is a line as well.
_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "rules": [
        {"level": "None", "nonResourceURLs": ["/readyz*", "/livez*", "/healthz*"]},
        {"level": "None", "users": ["system:apiserver"]},
        {"level": "Metadata", "verbs": ["watch"], "omitStages": ["ResponseStarted"]},
        {"level": "Metadata", "omitStages": ["RequestReceived", "ResponseStarted"]},
    ],
}
