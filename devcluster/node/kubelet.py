"""The kubelet of the real node."""

import signal

import yaml

from devcluster import tools
from devcluster.layout import Layout
from devcluster.node import cgroups, containerd, network
from devcluster.processes import Command

NODE_NAME = "real"


def command(layout: Layout) -> Command:
    """The kubelet's command line."""
    return Command(
        "kubelet",
        (
            str(tools.program("kubelet")),
            f"--kubeconfig={layout.kubeconfig('kubelet')}",
            f"--config={layout.config / 'kubelet.yaml'}",
            f"--root-dir={layout.node / 'kubelet'}",
            f"--cert-dir={layout.node / 'kubelet-pki'}",
            f"--hostname-override={NODE_NAME}",
            f"--node-ip={network.NODE_ADDRESS}",
        ),
        stop_with=signal.SIGTERM,
    )


def write_configuration(layout: Layout, port: int) -> None:
    """Write ``kubelet.yaml``."""
    configuration = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": network.NODE_ADDRESS,
        "port": port,
        "healthzPort": 0,
        # Only the API server, by its client certificate, may ask for logs and exec.
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": False},
            "x509": {"clientCAFile": str(layout.ca_file)},
        },
        "authorization": {"mode": "AlwaysAllow"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{cgroups.ROOT}",
        # cgroup v1 is where this runs too; the default of 1.35 and later is to refuse it.
        "failCgroupV1": False,
        "failSwapOn": False,
        # The default of -999 needs CAP_SYS_RESOURCE.
        "oomScoreAdj": 0,
        "enforceNodeAllocatable": [],
        "makeIPTablesUtilChains": False,
        "containerRuntimeEndpoint": f"unix://{containerd.socket(layout)}",
        "podLogsDir": str(layout.node / "pod-logs"),
        "volumePluginDir": str(layout.node / "volume-plugins"),
        # There is no cluster DNS; an address here only spares every pod a warning Event.
        "clusterDNS": ["10.96.0.10"],
        "maxPods": 500,
        "registryPullQPS": 0,
        "eventRecordQPS": 0,
        "kubeAPIQPS": 500,
        "kubeAPIBurst": 500,
        # A developer's disk is often nearly full, which is no reason to evict.
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%"},
    }
    (layout.config / "kubelet.yaml").write_text(yaml.safe_dump(configuration))
