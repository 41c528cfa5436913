"""Tells the API server of the webhooks, the conversion and the policies, and who Tandem is."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
import structlog

from tandem_controller.api.crd import ROLLOUT_CRD, crds, with_conversion
from tandem_controller.api.guard import (
    GROUP,
    MUTATING_VERSIONS,
    mutating_policies,
    validating_policies,
)
from tandem_controller.kube.client import Client, PatchType
from tandem_controller.kube.resource import Resource
from tandem_controller.webhooks.configuration import (
    CONVERT_PATH,
    Endpoint,
    mutating_configuration,
    validating_configuration,
)

FIELD_MANAGER = "tandem-webhook"

_PLURALS = {
    "MutatingWebhookConfiguration": "mutatingwebhookconfigurations",
    "ValidatingWebhookConfiguration": "validatingwebhookconfigurations",
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
    "MutatingAdmissionPolicy": "mutatingadmissionpolicies",
    "MutatingAdmissionPolicyBinding": "mutatingadmissionpolicybindings",
    "CustomResourceDefinition": "customresourcedefinitions",
}

log = structlog.get_logger()


async def own_user(client: Client) -> str:
    """Return the user that Tandem writes as (SelfSubjectReview, GA since Kubernetes 1.28)."""
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = msgspec.json.decode(await client.request("POST", path, body))
    return str(answer["status"]["userInfo"]["username"])


async def register(client: Client, endpoint: Endpoint, writers: Collection[str]) -> None:
    """Apply webhook configurations and conversion; the server must be listening already."""
    crd = with_conversion(crds()[ROLLOUT_CRD], endpoint.client_config(CONVERT_PATH))
    await _apply(client, crd)
    await _apply(client, validating_configuration(endpoint, writers))
    await _apply(client, mutating_configuration(endpoint, writers))


async def install_policies(client: Client, writers: Collection[str]) -> str | None:
    """Apply the admission policies that this cluster can have.

    Returns:
        The served version of MutatingAdmissionPolicy, or None where only the validating
        ones could be installed: then a template change is refused while no Tandem runs.
    """
    for body in validating_policies(writers):
        await _apply(client, body)
    version = await _mutating_version(client)
    for body in mutating_policies(writers, version) if version else ():
        await _apply(client, body)
    log.info("Admission policies are installed.", mutating=version or "not served")
    return version


async def _mutating_version(client: Client) -> str | None:
    for version in MUTATING_VERSIONS:
        if _PLURALS["MutatingAdmissionPolicy"] in await client.server_resources(GROUP, version):
            return version
    return None


async def _apply(client: Client, body: Mapping[str, Any]) -> None:
    group, _, version = body["apiVersion"].partition("/")
    kind = body["kind"]
    await client.patch(
        Resource(group, version, _PLURALS[kind], kind, namespaced=False),
        body["metadata"]["name"],
        dict(body),
        patch_type=PatchType.APPLY,
        field_manager=FIELD_MANAGER,
        force=True,
    )
