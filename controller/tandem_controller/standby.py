"""Standing by while another controller of the Rollout API is alive (DESIGN §2.1).

Two controllers of one API would pull every workload to and fro. So Tandem takes over nothing
while the other one shows a sign of life, and steps aside when it comes back. A left-over
CustomResourceDefinition is no sign of life.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import msgspec

from tandem_controller.api import kruise
from tandem_controller.api.workload import Deployment
from tandem_controller.kube.client import Client
from tandem_controller.kube.errors import ApiError, NotFound
from tandem_controller.kube.resource import Resource
from tandem_controller.kube.watch_stream import WatchEventType

LOOK_SECONDS = 5.0
"""How often the other controller is looked for while it is alive."""

WATCH_SECONDS = 300
"""How long one watch for the other controller lasts."""

DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment")
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
_ADMISSION = "admissionregistration.k8s.io"
CONFIGURATIONS = {
    kruise.MUTATING: Resource(
        _ADMISSION,
        "v1",
        "mutatingwebhookconfigurations",
        "MutatingWebhookConfiguration",
        namespaced=False,
    ),
    kruise.VALIDATING: Resource(
        _ADMISSION,
        "v1",
        "validatingwebhookconfigurations",
        "ValidatingWebhookConfiguration",
        namespaced=False,
    ),
}


class OtherControllerError(Exception):
    """Another controller of the Rollout API was started beside this one."""


async def until_alone(client: Client, tell: Callable[[str], None]) -> None:
    """Return once no other controller is alive.

    `tell` hears why not, each time that somebody looked.
    """
    while reason := await _why_not(client):
        tell(reason)
        await asyncio.sleep(LOOK_SECONDS)


async def until_joined(client: Client) -> None:
    """Return once a Deployment by the other controller's name runs; told by a watch.

    For a process that keeps no cache of Deployments. Its chart always gives it this name.
    """
    named = f"metadata.name={kruise.CONTROLLER}"
    while True:
        try:
            page = msgspec.json.decode(await client.list_page(DEPLOYMENTS, field_selector=named))
            if any(_runs(each) for each in page["items"] or ()):
                return
            watch = client.watch(
                DEPLOYMENTS,
                resource_version=page["metadata"]["resourceVersion"],
                timeout_seconds=WATCH_SECONDS,
                field_selector=named,
            )
            async with aclosing(watch) as events:
                async for event in events:
                    changed = event.type in (WatchEventType.ADDED, WatchEventType.MODIFIED)
                    if changed and _runs(msgspec.json.decode(event.object)):
                        return
        except ApiError:
            await asyncio.sleep(LOOK_SECONDS)


def _runs(deployment: dict[str, Any]) -> bool:
    return is_other(msgspec.convert(deployment, Deployment))


def is_other(deployment: Deployment) -> bool:
    """Whether a Deployment runs another controller of the Rollout API."""
    meta = deployment.metadata
    named = {"metadata": {"name": meta.name, "labels": meta.labels}}
    runs = deployment.spec.replicas > 0 or deployment.status.replicas > 0
    return runs and kruise.is_controller(named)


async def _why_not(client: Client) -> str | None:
    try:
        signs = await _signs(client)
    except ApiError as error:
        return f"whether another controller of the Rollout API is alive cannot be told: {error}"
    if not signs:
        return None
    return (
        f"another controller of the Rollout API is alive: {'; '.join(signs)}. Tandem takes over "
        "nothing until it is gone: tandem migrate kruise --plan (docs/migration.md)"
    )


async def _signs(client: Client) -> tuple[str, ...]:
    by_name = await _list(client, DEPLOYMENTS, name=kruise.CONTROLLER)
    labelled = f"{kruise.CONTROL_PLANE}={kruise.CONTROLLER}"
    by_label = await _list(client, DEPLOYMENTS, label=labelled)
    found = {d["metadata"]["uid"]: d for d in (*by_name, *by_label)}
    leases = await _list(client, LEASES, name=kruise.LEASE)
    configurations = []
    for name, resource in CONFIGURATIONS.items():
        try:
            configurations.append(msgspec.json.decode(await client.get(resource, name)))
        except NotFound:
            continue
    return kruise.signs_of_life(found.values(), leases, configurations, datetime.now(tz=UTC))


async def _list(
    client: Client, resource: Resource, *, name: str | None = None, label: str | None = None
) -> list[dict[str, Any]]:
    named = f"metadata.name={name}" if name else None
    page = await client.list_page(resource, field_selector=named, label_selector=label)
    items: list[dict[str, Any]] = msgspec.json.decode(page)["items"] or []
    return items
