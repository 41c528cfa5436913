"""How the addon runs the controller: probes, rights of its containers, drains, network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tandem_controller import command
from tests.generator.package import compiled, objects, package_files

pytestmark = pytest.mark.usefixtures("each_cue")

Obj = dict[str, Any]


@pytest.fixture(scope="module")
def files(root: Path) -> dict[str, str]:
    return package_files(root)


def made(files: Mapping[str, str], **arguments: object) -> dict[str, Obj]:
    """Return what the controller is made of, by kind."""
    application = compiled(files, "output", arguments)
    return {o["kind"]: o for o in objects(application)["tandem-controller"]}


def pod(files: Mapping[str, str], **arguments: object) -> Obj:
    spec: Obj = made(files, **arguments)["Deployment"]["spec"]["template"]["spec"]
    return spec


def test_both_containers_are_asked_whether_they_live_and_whether_they_serve(
    files: Mapping[str, str],
) -> None:
    asked = {
        c["name"]: {
            probe: tuple(c[f"{probe}Probe"]["httpGet"][f] for f in ("scheme", "port", "path"))
            for probe in ("startup", "liveness", "readiness")
        }
        for c in pod(files)["containers"]
    }
    assert asked == {
        name: {
            "startup": (scheme, port, "/healthz"),
            "liveness": (scheme, port, "/healthz"),
            "readiness": (scheme, port, "/readyz"),
        }
        for name, scheme, port in (("controller", "HTTP", "http"), ("webhook", "HTTPS", "webhook"))
    }


def test_no_container_may_write_its_root_or_become_root(files: Mapping[str, str]) -> None:
    found = pod(files)
    assert found["securityContext"]["runAsNonRoot"]
    assert found["securityContext"]["runAsUser"] == 10001
    for container in found["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}


def test_the_images_command_understands_what_the_containers_are_started_with(
    files: Mapping[str, str],
) -> None:
    for container in pod(files, checkpoint="deny")["containers"]:
        program, *arguments = container["command"]
        assert program == "tandem-controller"
        assert command.parser(program).parse_args(arguments).namespace == "vela-system"


def test_an_end_leaves_time_to_drain(files: Mapping[str, str]) -> None:
    (webhook,) = (c for c in pod(files)["containers"] if c["name"] == "webhook")
    drain = command.parser("x").parse_args(webhook["command"][1:]).drain_seconds
    assert pod(files)["terminationGracePeriodSeconds"] >= 2 * drain


@pytest.mark.parametrize("replicas", [1, 2, 5])
def test_a_drain_is_never_blocked_and_takes_one_replica_at_a_time(
    files: Mapping[str, str], replicas: int
) -> None:
    found = made(files, replicas=replicas)
    budget, deployment = found["PodDisruptionBudget"]["spec"], found["Deployment"]["spec"]
    assert budget["selector"] == deployment["selector"]
    assert budget["maxUnavailable"] == 1
    assert "minAvailable" not in budget


def test_replicas_avoid_each_others_node(files: Mapping[str, str]) -> None:
    affinity = pod(files)["affinity"]["podAntiAffinity"]
    # Preferred: a cluster of one node can have two replicas.
    (term,) = affinity["preferredDuringSchedulingIgnoredDuringExecution"]
    labels = made(files)["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert term["podAffinityTerm"] == {
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": {"matchLabels": labels},
    }


def test_pull_secrets_and_priority_are_stated_only_where_given(files: Mapping[str, str]) -> None:
    assert not {"imagePullSecrets", "priorityClassName"} & pod(files).keys()
    given = pod(files, imagePullSecrets=["a", "b"], priorityClassName="system-cluster-critical")
    assert given["imagePullSecrets"] == [{"name": "a"}, {"name": "b"}]
    assert given["priorityClassName"] == "system-cluster-critical"


def test_the_network_policy_leaves_both_ports_open_to_everybody(files: Mapping[str, str]) -> None:
    """An API server on its host's network can be named by no selector."""
    found = made(files)
    policy = found["NetworkPolicy"]["spec"]
    ports = {p["name"] for c in pod(files)["containers"] for p in c["ports"]}
    assert policy["policyTypes"] == ["Ingress"]
    (rule,) = policy["ingress"]
    assert rule.keys() == {"ports"}
    assert {p["port"] for p in rule["ports"]} == ports
    assert policy["podSelector"] == found["Deployment"]["spec"]["selector"]


def test_what_the_controller_reaches_is_limited_only_on_request(files: Mapping[str, str]) -> None:
    targets = [{"cidr": "10.0.0.1/32", "ports": [6443]}, {"cidr": "10.9.0.0/16"}]
    policy = made(files, networkPolicy={"egress": targets})["NetworkPolicy"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    dns, server, metrics = policy["egress"]
    assert dns == {"ports": [{"port": 53, "protocol": p} for p in ("UDP", "TCP")]}
    assert server == {"to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}], "ports": [{"port": 6443}]}
    assert metrics == {"to": [{"ipBlock": {"cidr": "10.9.0.0/16"}}]}


def test_the_network_policy_can_be_left_out(files: Mapping[str, str]) -> None:
    assert "NetworkPolicy" not in made(files, networkPolicy={"enabled": False})
