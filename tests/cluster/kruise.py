"""Kruise Rollouts beside a dev cluster: what its chart installs, and its manager if there is one.

The manager is found on the PATH as `kruise-rollouts-manager`; with it, `KRUISE_ROLLOUTS_SOURCE`
names the folder of its source, for its CustomResourceDefinitions and its Lua scripts. Nothing of
Kruise is kept here: the objects below state what its chart 0.6.2 is known to install.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from devcluster.cluster import DevCluster
from devcluster.ports import FreePorts

Obj = dict[str, Any]

PROGRAM = "kruise-rollouts-manager"
NAMESPACE = "kruise-rollout"
DEPLOYMENT = "kruise-rollout-controller-manager"
LEASE = "71ddec2c.kruise.io"
SERVICE = "kruise-rollout-webhook-service"
GROUP = "rollouts.kruise.io"
MUTATING = "kruise-rollout-mutating-webhook-configuration"
VALIDATING = "kruise-rollout-validating-webhook-configuration"
_PATIENCE_SECONDS = 20


def program() -> str | None:
    """Return the manager's path, or None where there is none."""
    return shutil.which(PROGRAM)


def source() -> Path | None:
    """Return the folder of its source, or None where none is named."""
    named = os.environ.get("KRUISE_ROLLOUTS_SOURCE")
    return Path(named) if named else None


class Manager:
    """The real manager, as a process; its log lies with the cluster's logs."""

    def __init__(self, cluster: DevCluster) -> None:
        self._cluster = cluster
        self._process: subprocess.Popen[bytes] | None = None
        self.log = cluster.logs / "kruise.log"

    def start(self) -> None:
        """Start it; the API server calls its webhooks by URL on loopback."""
        with FreePorts() as ports:
            port, certificates = ports.take(), self._cluster.layout.folder / "kruise-certs"
        environment = {
            "PATH": os.environ["PATH"],
            "KUBECONFIG": str(self._cluster.kubeconfig),
            "POD_NAMESPACE": NAMESPACE,
            "WEBHOOK_HOST": "127.0.0.1",
            "WEBHOOK_PORT": str(port),
            "WEBHOOK_CERT_DIR": str(certificates),
        }
        command = [
            program() or PROGRAM,
            "--metrics-bind-address=0",
            "--health-probe-bind-address=0",
            "--feature-gates=AdvancedDeployment=true",
            "--v=4",
        ]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, env=environment, cwd=source(), stdout=log, stderr=log
            )

    def stop(self) -> None:
        """End it as kubelet does."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


def crds() -> list[Obj]:
    """Return the CRDs of the real Kruise where its folder is named, else stand-ins."""
    folder = source()
    if folder is None:
        return [stand_in(kind) for kind in ("Rollout", "BatchRelease")]
    paths = sorted((folder / "config" / "crd" / "bases").glob("*.yaml"))
    return [_with_webhook(crd) for path in paths for crd in _read(path)]


def stand_in(kind: str) -> Obj:
    """Return a CRD of both versions that stores v1beta1, as theirs does, and takes any field."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {
        "openAPIV3Schema": {"type": "object", "properties": {"spec": anything, "status": anything}}
    }
    versions: list[Obj] = [
        {
            "name": name,
            "served": True,
            "storage": name == "v1beta1",
            "schema": schema,
            "subresources": {"status": {}},
        }
        for name in ("v1alpha1", "v1beta1")
    ]
    plural = f"{kind.lower()}s"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
            },
            "versions": versions,
        },
    }


def _with_webhook(crd: Obj) -> Obj:
    """Add the conversion that their kustomization patches in; the manager fills the rest."""
    if len(crd["spec"]["versions"]) > 1:
        service = {"namespace": NAMESPACE, "name": SERVICE, "path": "/convert"}
        crd["spec"]["conversion"] = {
            "strategy": "Webhook",
            "webhook": {
                "clientConfig": {"service": service},
                "conversionReviewVersions": ["v1", "v1beta1"],
            },
        }
    return crd


def _read(path: Path) -> Iterator[Obj]:
    yield from (d for d in yaml.safe_load_all(path.read_text(encoding="utf-8")) if d)


def installation() -> list[Obj]:
    """Return what its chart installs beside the CRDs; the Deployment's pods are fake ones."""
    labels = {"control-plane": DEPLOYMENT}
    pod = {
        "metadata": {"labels": labels},
        "spec": {
            "containers": [
                {
                    "name": "kruise-rollout",
                    "image": "openkruise/kruise-rollout:v0.6.2",
                    "command": ["/manager"],
                    "args": ["--leader-elect", "--feature-gates=AdvancedDeployment=true"],
                }
            ]
        },
    }
    return [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": NAMESPACE, "labels": labels},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": DEPLOYMENT, "namespace": NAMESPACE, "labels": labels},
            "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": pod},
        },
        _configuration(
            "MutatingWebhookConfiguration",
            MUTATING,
            [
                _webhook("munifiedworload", "/mutate-unified-workload", "*", "*", "*", marked=True),
                _webhook(
                    "mdeployment",
                    "/mutate-apps-v1-deployment",
                    "apps",
                    "v1",
                    "deployments",
                    marked=True,
                ),
            ],
        ),
        _configuration(
            "ValidatingWebhookConfiguration",
            VALIDATING,
            [
                _webhook(
                    "vrollout",
                    "/validate-rollouts-kruise-io-rollout",
                    GROUP,
                    "*",
                    "rollouts",
                    marked=False,
                ),
            ],
        ),
    ]


def _configuration(kind: str, name: str, webhooks: list[Obj]) -> Obj:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name},
        "webhooks": webhooks,
    }


def _webhook(name: str, path: str, group: str, version: str, resource: str, *, marked: bool) -> Obj:
    marker = {"matchExpressions": [{"key": f"{GROUP}/workload-type", "operator": "Exists"}]}
    rule = {
        "apiGroups": [group],
        "apiVersions": [version],
        "operations": ["CREATE", "UPDATE"],
        "resources": [resource],
    }
    return {
        "name": f"{name}.kb.io",
        "admissionReviewVersions": ["v1", "v1beta1"],
        "clientConfig": {"service": {"namespace": NAMESPACE, "name": SERVICE, "path": path}},
        "failurePolicy": "Fail",
        "rules": [rule],
        "sideEffects": "None",
        **({"objectSelector": marker} if marked else {}),
    }
