"""KubeVela's cluster gateway beside the hub: the way from there to other clusters.

It is an API server behind the hub's one. In a cluster it is a Deployment of KubeVela's chart;
here it is a process, and an EndpointSlice tells the hub where it listens.
"""

from __future__ import annotations

import socket
from base64 import b64encode
from contextlib import closing
from pathlib import Path
from typing import Any

import yaml

from devcluster.cluster import DevCluster
from devcluster.ports import FreePorts
from tandem_controller.kube.client import Client, PatchType
from tandem_controller.kube.resource import Resource
from tandem_controller.kube.wait import wait_for
from tests.kubevela.process import Process
from tests.kubevela.programs import DEFINITIONS_NAMESPACE

SERVICES = Resource("", "v1", "services", "Service")
ENDPOINT_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
API_SERVICES = Resource(
    "apiregistration.k8s.io", "v1", "apiservices", "APIService", namespaced=False
)
API = "v1alpha1.cluster.core.oam.dev"
NAME = "cluster-gateway"
ANY_ADDRESS_ELSEWHERE = ("192.0.2.1", 9)
"""Of the range for documentation: nothing is sent there."""


class ClusterGateway(Process):
    """One gateway beside one hub."""

    def __init__(self, hub: DevCluster, program: Path, folder: Path) -> None:
        with FreePorts() as free:
            self.port = free.take()
        kubeconfig = str(hub.kubeconfig)
        command = [
            *(str(program), "apiserver", f"--secure-port={self.port}"),
            f"--secret-namespace={DEFINITIONS_NAMESPACE}",
            f"--cert-dir={folder / 'certificates'}",
            f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            # As KubeVela's chart starts it; it needs rights and kinds that nobody gives it else.
            "--enable-priority-and-fairness=false",
        ]
        super().__init__(command, hub.logs / f"{NAME}.log", folder=folder)

    async def register(self, client: Client) -> None:
        """Tell the hub's API server of it, and wait until that says it is available."""
        for resource, body in _objects(own_address(), self.port):
            namespace = DEFINITIONS_NAMESPACE if resource.namespaced else None
            name = body["metadata"]["name"]
            await client.patch(
                resource, name, body, namespace, patch_type=PatchType.APPLY, field_manager="test"
            )
        await wait_for(client, API_SERVICES, API, None, _available, seconds=120)


def joinable(cluster: DevCluster, folder: Path) -> Path:
    """Write a kubeconfig that holds its authority itself: `vela cluster join` opens no files."""
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    (entry,) = config["clusters"]
    del entry["cluster"]["certificate-authority"]
    entry["cluster"]["certificate-authority-data"] = b64encode(
        cluster.ca_file.read_bytes()
    ).decode()
    path = folder / f"join-{cluster.name}.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def own_address() -> str:
    """Return an address of this machine that is not loopback: EndpointSlices refuse that.

    Raises:
        OSError: the machine has no route to anywhere.
    """
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        sock.connect(ANY_ADDRESS_ELSEWHERE)
        return str(sock.getsockname()[0])


def _objects(address: str, port: int) -> list[tuple[Resource, dict[str, Any]]]:
    """Return Service, EndpointSlice and APIService of a gateway."""
    service: dict[str, Any] = {"metadata": {"name": NAME}, "spec": {"ports": [{"port": port}]}}
    piece = {
        "metadata": {"name": NAME, "labels": {"kubernetes.io/service-name": NAME}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        "ports": [{"port": port}],
    }
    version, group = API.split(".", 1)
    api = {
        "metadata": {"name": API},
        "spec": {
            "group": group,
            "version": version,
            "groupPriorityMinimum": 2000,
            "versionPriority": 10,
            "insecureSkipTLSVerify": True,
            "service": {"name": NAME, "namespace": DEFINITIONS_NAMESPACE, "port": port},
        },
    }
    found = [(SERVICES, service), (ENDPOINT_SLICES, piece), (API_SERVICES, api)]
    return [(r, {"apiVersion": r.api_version, "kind": r.kind, **body}) for r, body in found]


def _available(api: dict[str, Any] | None) -> bool:
    conditions = (api or {}).get("status", {}).get("conditions") or ()
    return any(c["type"] == "Available" and c["status"] == "True" for c in conditions)
