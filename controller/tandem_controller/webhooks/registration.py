"""Tells the API server of the webhooks and the conversion, and asks who Tandem is."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from tandem_controller.api.crd import ROLLOUT_CRD, crds, with_conversion
from tandem_controller.api.watched import webhooks_within
from tandem_controller.install import (
    CRD,
    apply,
    guard_resource,
    owned,
    remove,
    remove_policies,
)
from tandem_controller.kube.client import Client
from tandem_controller.webhooks.addon import owners
from tandem_controller.webhooks.configuration import (
    CONVERT_PATH,
    DISABLING,
    Endpoint,
    mutating_configuration,
    validating_configuration,
)


async def own_user(client: Client) -> str:
    """Return the user that Tandem writes as (SelfSubjectReview, GA since Kubernetes 1.28)."""
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = msgspec.json.decode(await client.request("POST", path, body))
    return str(answer["status"]["userInfo"]["username"])


async def register(
    client: Client,
    endpoint: Endpoint,
    writers: Collection[str],
    *,
    applications: bool = False,
    namespaces: Collection[str] = (),
) -> None:
    """Apply webhook configurations and conversion; the server must be listening already.

    The webhooks are for these namespaces, or for all where none are named.
    """
    crd = with_conversion(crds()[ROLLOUT_CRD], endpoint.client_config(CONVERT_PATH))
    await apply(client, CRD, crd)
    by = await owners(client)
    for body in (
        validating_configuration(endpoint, writers, applications=applications),
        mutating_configuration(endpoint, writers),
    ):
        mine = owned(webhooks_within(body, namespaces, everywhere=DISABLING), by)
        await apply(client, guard_resource(mine), mine)


async def step_aside(client: Client) -> None:
    """Take webhook configurations and policies away: they would be in another controller's way."""
    nowhere = Endpoint(ca_bundle=b"")
    for body in (validating_configuration(nowhere, ()), mutating_configuration(nowhere, ())):
        await remove(client, guard_resource(body), body["metadata"]["name"])
    await remove_policies(client)
