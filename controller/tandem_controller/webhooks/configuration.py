"""The webhook configurations that point the API server to Tandem.

All webhooks but one have failurePolicy Ignore. Workloads are guarded by admission policies in the
API server itself (`api/guard.py`). Rollouts must stay writable while every Tandem process
is dead, because KubeVela creates, suspends and resumes them; the controller validates
again and says in the status what admission would have refused.

The exception is the deletion of the addon's own Application: nobody but Tandem knows whether
releases run and takes the conversion webhook out, so without Tandem it needs the break-glass label.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tandem_controller.api.guard import GROUP, not_written_by
from tandem_controller.api.rollout import GROUP as ROLLOUT_GROUP
from tandem_controller.api.watched import selector
from tandem_controller.decide.admission.disabling import ADDON, ADDON_NAMESPACE
from tandem_controller.decide.admission.traits import HAS_TWO
from tandem_controller.keys import BREAK_GLASS, DELIVERY, IN_PROGRESSING, WITHHELD_CONFIG

NAME = "tandem"
TIMEOUT_SECONDS = 5

WORKLOADS_PATH = "/mutate-workloads"
ROLLOUTS_PATH = "/validate-rollouts"
ROLLOUTS_MUTATE_PATH = "/mutate-rollouts"
STATUS_PATH = "/mutate-rollouts-status"
APPLICATIONS_PATH = "/validate-applications"
TRAITS_PATH = "/validate-traits"
DISABLING_PATH = "/validate-disabling"
DISABLING = "disable-addon"
"""What the names of the webhooks of the addon's end start with."""
CONFIG_PATH = "/mutate-config"
CONVERT_PATH = "/convert"


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where the API server reaches the webhooks: a base URL, or a Service.

    A URL is for a Tandem that runs beside its cluster, on loopback.
    """

    ca_bundle: bytes
    url: str = ""
    service_namespace: str = ""
    service_name: str = ""
    service_port: int = 443

    def client_config(self, path: str) -> dict[str, Any]:
        """Return the `WebhookClientConfig` of one path."""
        bundle = {"caBundle": base64.b64encode(self.ca_bundle).decode()}
        if self.url:
            return {"url": self.url.rstrip("/") + path} | bundle
        service = {
            "namespace": self.service_namespace,
            "name": self.service_name,
            "port": self.service_port,
            "path": path,
        }
        return {"service": service} | bundle


def mutating_configuration(endpoint: Endpoint, writers: Collection[str]) -> dict[str, Any]:
    """Return the MutatingWebhookConfiguration."""
    not_ours = {"name": "not-tandem", "expression": not_written_by(writers)}
    webhooks = [
        _webhook("workloads", endpoint.client_config(WORKLOADS_PATH), _rule("deployments"))
        | {
            "matchConditions": [not_ours, *_WORKLOAD_CONDITIONS],
            "namespaceSelector": selector(()),
            "reinvocationPolicy": "IfNeeded",
        },
        _webhook("rollouts", endpoint.client_config(ROLLOUTS_MUTATE_PATH), _rule("rollouts"))
        | {"matchConditions": [not_ours]},
        _webhook("status", endpoint.client_config(STATUS_PATH), _rule("rollouts/status"))
        | {"matchConditions": [not_ours]},
        _webhook("config", endpoint.client_config(CONFIG_PATH), _CONFIG_RULE)
        | {"matchConditions": [not_ours], "objectSelector": _MARKED},
    ]
    return _configuration("MutatingWebhookConfiguration", webhooks)


def validating_configuration(
    endpoint: Endpoint, writers: Collection[str], *, applications: bool = False
) -> dict[str, Any]:
    """Return the ValidatingWebhookConfiguration, on request with the checkpoint in it."""
    not_ours = {"name": "not-tandem", "expression": not_written_by(writers)}
    rule = _rule("rollouts", ("CREATE", "UPDATE"))
    webhook = _webhook("validate", endpoint.client_config(ROLLOUTS_PATH), rule)
    webhooks = [webhook | {"matchConditions": [not_ours]}, *_disabling(endpoint), _traits(endpoint)]
    if applications:
        webhooks.append(_applications(endpoint))
    return _configuration("ValidatingWebhookConfiguration", webhooks)


def _disabling(endpoint: Endpoint) -> list[dict[str, Any]]:
    """Return the webhooks of the addon's end: without Tandem it needs the label, and only it."""
    rule = _application_rule("DELETE")
    name = f"oldObject.metadata.name == '{ADDON}' && request.namespace == '{ADDON_NAMESPACE}'"
    marked = f"oldObject.metadata.?labels[?'{BREAK_GLASS}'].orValue('') == 'true'"
    guarded = _webhook(DISABLING, endpoint.client_config(DISABLING_PATH), rule) | {
        "failurePolicy": "Fail",
        "matchConditions": [
            {"name": "is-addon", "expression": name},
            {"name": "not-break-glass", "expression": f"!({marked})"},
        ],
        "sideEffects": "NoneOnDryRun",
    }
    escaped = _webhook(f"{DISABLING}-break-glass", guarded["clientConfig"], rule) | {
        "matchConditions": [
            {"name": "is-addon", "expression": name},
            {"name": "break-glass", "expression": marked},
        ],
        "sideEffects": "NoneOnDryRun",
    }
    return [guarded, escaped]


def _applications(endpoint: Endpoint) -> dict[str, Any]:
    """Return the webhook that judges Applications; KubeVela's own status writes do not call it."""
    rule = _application_rule("UPDATE")
    changed = {"name": "spec-changes", "expression": "object.spec != oldObject.spec"}
    webhook = _webhook("applications", endpoint.client_config(APPLICATIONS_PATH), rule)
    return webhook | {"matchConditions": [changed]}


def _traits(endpoint: Endpoint) -> dict[str, Any]:
    """Return the webhook for Applications in which two traits make one Rollout."""
    rule = _application_rule("CREATE", "UPDATE")
    changed = "oldObject == null || object.spec != oldObject.spec"
    webhook = _webhook("traits", endpoint.client_config(TRAITS_PATH), rule)
    conditions = [
        {"name": "spec-changes", "expression": changed},
        {"name": "two-make-a-rollout", "expression": HAS_TWO},
    ]
    return webhook | {"matchConditions": conditions}


def _application_rule(*operations: str) -> dict[str, Any]:
    return {
        "apiGroups": ["core.oam.dev"],
        "apiVersions": ["v1beta1"],
        "operations": list(operations),
        "resources": ["applications"],
        "scope": "Namespaced",
    }


_WORKLOAD_CONDITIONS = [
    {
        "name": "new-template-or-release-in-progress",
        "expression": (
            "object.spec.template != oldObject.spec.template || "
            "(has(oldObject.metadata.annotations) && "
            f"'{IN_PROGRESSING}' in oldObject.metadata.annotations) || "
            # A chart that states the template in force again sends no template.
            f"object.metadata.?annotations[?'{DELIVERY}'] != "
            f"oldObject.metadata.?annotations[?'{DELIVERY}']"
        ),
    },
    {
        "name": "not-break-glass",
        "expression": (
            f"!(has(object.metadata.labels) && '{BREAK_GLASS}' in object.metadata.labels && "
            f"object.metadata.labels['{BREAK_GLASS}'] == 'true')"
        ),
    },
]
"""Evaluated in the API server: without them every update of every Deployment would call us."""


_CONFIG_RULE = {
    "apiGroups": [""],
    "apiVersions": ["v1"],
    "operations": ["UPDATE"],
    "resources": ["configmaps", "secrets"],
    "scope": "Namespaced",
}
_MARKED = {"matchExpressions": [{"key": WITHHELD_CONFIG, "operator": "Exists"}]}
"""The old object counts, too, so that nobody gets past it by dropping the label."""


def _rule(resource: str, operations: Sequence[str] = ("UPDATE",)) -> dict[str, Any]:
    workload = resource == "deployments"
    return {
        "apiGroups": ["apps" if workload else ROLLOUT_GROUP],
        "apiVersions": ["v1"] if workload else ["v1alpha1", "v1beta1"],
        "operations": list(operations),
        "resources": [resource],
        "scope": "Namespaced",
    }


def _webhook(
    name: str, client_config: Mapping[str, Any], rule: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "name": f"{name}.tandem.oam.dev",
        "admissionReviewVersions": ["v1"],
        "clientConfig": client_config,
        "failurePolicy": "Ignore",
        "matchPolicy": "Equivalent",
        "rules": [rule],
        "sideEffects": "None",
        "timeoutSeconds": TIMEOUT_SECONDS,
    }


def _configuration(kind: str, webhooks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": kind,
        "metadata": {"name": NAME},
        "webhooks": webhooks,
    }
