"""Admission policies: what protects workloads inside the API server, without any Tandem process.

One of each kind, under the same name, for a new template and for a release in progress: the
API server evaluates each policy for every Rollout of a namespace, so a second one would double
its work (docs/decisions/0014). The validating one is served by every supported cluster and
refuses; the mutating one is installed where it is served and does the right thing instead,
before the validating one looks. So all that a cluster can have may be installed.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml

from tandem_controller.api.fingerprint import canonical

DIRECTORY = Path(__file__).parent / "admission"
GROUP = "admissionregistration.k8s.io"
MUTATING_VERSIONS = ("v1", "v1beta1")
"""Best first."""

_WRITERS_CONDITION = "not-tandem"


def validating_policies(writers: Collection[str]) -> tuple[dict[str, Any], ...]:
    """Return the ValidatingAdmissionPolicies and their bindings.

    `writers` are the users that Tandem writes as; without the exemption its own restoring
    write would be refused.
    """
    return tuple(with_writers(body, writers) for body in _load(DIRECTORY))


def mutating_policies(writers: Collection[str], version: str) -> tuple[dict[str, Any], ...]:
    """Return the MutatingAdmissionPolicies and their bindings, in a version the server has."""
    bodies = (with_writers(body, writers) for body in _load(DIRECTORY / "mutating"))
    return tuple(body | {"apiVersion": f"{GROUP}/{version}"} for body in bodies)


def with_writers(policy: Mapping[str, Any], writers: Collection[str]) -> dict[str, Any]:
    """Return a policy that exempts these users; a binding comes back as it is."""
    changed = copy.deepcopy(dict(policy))
    for condition in changed["spec"].get("matchConditions", ()):
        if condition["name"] == _WRITERS_CONDITION:
            condition["expression"] = not_written_by(writers)
    return changed


def not_written_by(writers: Collection[str]) -> str:
    """Return a CEL condition: the request is none of these users'."""
    return f"!(request.userInfo.username in {canonical(sorted(writers)).decode()})"


def _load(directory: Path) -> list[dict[str, Any]]:
    """Return the bodies, each policy before its binding.

    Who writes a binding needs the right to read its policy's parameters; while there is no such
    policy, the API server asks for the right to read everything (kubernetes
    `pkg/registry/admissionregistration/mutatingadmissionpolicybinding/authz.go`).
    """
    bodies = [
        yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        for path in sorted(directory.glob("*.yaml"))
    ]
    return sorted(bodies, key=lambda body: str(body["kind"]).endswith("Binding"))
