"""People with rights of their own, as ServiceAccounts: the API server proves who they are."""

from __future__ import annotations

from pathlib import Path

import msgspec
import yaml

from tandem_controller.kube.resource import Resource
from tests.cluster.bed import Obj
from tests.kubevela.bed import VelaBed

RBAC = "rbac.authorization.k8s.io"
ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount")
ROLES = Resource(RBAC, "v1", "roles", "Role")
ROLE_BINDINGS = Resource(RBAC, "v1", "rolebindings", "RoleBinding")
CLUSTER_ROLES = Resource(RBAC, "v1", "clusterroles", "ClusterRole", namespaced=False)
CLUSTER_ROLE_BINDINGS = Resource(
    RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False
)
READING = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}
RESUMING = {
    "apiGroups": ["core.oam.dev"],
    "resources": ["applications/status"],
    "verbs": ["update", "patch"],
}
"""What `vela workflow resume` needs for the workflow itself."""

APPROVING = {
    "apiGroups": ["rollouts.kruise.io"],
    "resources": ["rollouts/status"],
    "resourceNames": ["shop"],
    "verbs": ["update", "patch"],
}
"""The right to approve steps of one Rollout."""


async def person(bed: VelaBed, folder: Path, name: str, *rights: Obj) -> Path:
    """Make somebody who reads everything and has these rights; return the kubeconfig."""
    await _put(bed, ACCOUNTS, {"metadata": {"name": name}})
    await _grant(
        bed, CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS, f"{bed.namespace}-{name}", name, READING
    )
    await _grant(bed, ROLES, ROLE_BINDINGS, name, name, *rights)
    path = f"/api/v1/namespaces/{bed.namespace}/serviceaccounts/{name}/token"
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    answer = msgspec.json.decode(await bed.client.request("POST", path, asked))
    config = yaml.safe_load(bed.kubevela.cluster.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": answer["status"]["token"]}
    kubeconfig = folder / f"{name}.kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config))
    return kubeconfig


def user(bed: VelaBed, name: str) -> str:
    """Return how the API server names somebody."""
    return f"system:serviceaccount:{bed.namespace}:{name}"


async def _grant(
    bed: VelaBed, roles: Resource, bindings: Resource, role: str, name: str, *rights: Obj
) -> None:
    await _put(bed, roles, {"metadata": {"name": role}, "rules": list(rights)})
    subject = {"kind": "ServiceAccount", "name": name, "namespace": bed.namespace}
    ref = {"apiGroup": RBAC, "kind": roles.kind, "name": role}
    await _put(bed, bindings, {"metadata": {"name": role}, "roleRef": ref, "subjects": [subject]})


async def _put(bed: VelaBed, resource: Resource, body: Obj) -> None:
    typed = {"apiVersion": resource.api_version, "kind": resource.kind, **body}
    namespace = bed.namespace if resource.namespaced else None
    await bed.client.create(resource, typed, namespace, field_manager="test")
