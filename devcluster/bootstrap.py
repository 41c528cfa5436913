"""What a cluster holds once it is started: Gateway API's CRDs and fake nodes."""

from collections.abc import Iterator
from pathlib import Path

import yaml

from devcluster import tools
from devcluster.api import Api, Object, condition, path_of, wait

FAKE_TAINT = {"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}
"""Keeps ordinary pods off the fake nodes where there is a real one too."""


def gateway_crds() -> Iterator[Object]:
    """The standard channel's CRDs of the pinned Gateway API (older ones refuse Traefik 3.7)."""
    for path in sorted(tools.gateway_api_crds().glob("*.yaml")):
        documents = read_yaml(path)
        yield from (one for one in documents if one["kind"] == "CustomResourceDefinition")


def install_crds(api: Api, crds: list[Object]) -> None:
    """Apply CRDs, and wait until the API server serves them."""
    for crd in crds:
        api.apply(crd)
    for crd in crds:
        _wait_for_crd(api, path_of(crd))


def add_fake_nodes(api: Api, count: int, *, tainted: bool) -> None:
    """Create the nodes that kwok keeps Ready, with room for any number of pods."""
    for number in range(count):
        api.apply(_fake_node(f"fake-{number}", tainted=tainted))
    for number in range(count):
        wait_for_node(api, f"fake-{number}", seconds=120)


def wait_for_node(api: Api, name: str, *, seconds: float) -> None:
    """Wait until a node is Ready and takes pods."""
    path = f"/api/v1/nodes/{name}"

    def ready() -> bool:
        node = api.get(path)
        taints = {taint["key"] for taint in node["spec"].get("taints", [])}
        return condition(node, "Ready") and "node.kubernetes.io/not-ready" not in taints

    wait(f"node {name} to be Ready", ready, seconds=seconds)


def wait_for_default_namespace(api: Api) -> None:
    """Wait for what every pod needs: the namespace's service account."""
    path = "/api/v1/namespaces/default/serviceaccounts/default"
    wait("the default service account", lambda: bool(api.get(path)), seconds=120)


def _wait_for_crd(api: Api, path: str) -> None:
    wait(path, lambda: condition(api.get(path), "Established"), seconds=120)


def _fake_node(name: str, *, tainted: bool) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "type": "kwok",
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
            },
            "annotations": {"kwok.x-k8s.io/node": "fake"},
        },
        "spec": {"taints": [FAKE_TAINT]} if tainted else {},
    }


def read_yaml(path: Path) -> list[Object]:
    """All objects of a YAML file."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [one for one in yaml.load_all(path.read_text(), Loader=loader) if one]
