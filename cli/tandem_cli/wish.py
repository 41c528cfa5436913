"""What people ask of the controller: an annotation on the Rollout, which kubectl can set too."""

from __future__ import annotations

from collections.abc import Mapping

import typer

from tandem_cli import follow, show, view
from tandem_cli.session import Refusal
from tandem_controller.api.rollout import Rollout
from tandem_controller.effect import Kind
from tandem_controller.kinds import WATCHED
from tandem_controller.kube.client import Client, PatchType
from tandem_controller.snapshot import Snapshot


async def find(client: Client, namespace: str, name: str) -> Snapshot:
    """Return what the controller knows of a Rollout.

    Raises:
        Refusal: when there is no such Rollout.
    """
    caches = await view.read(client, namespace)
    found = view.snapshots(caches, namespace, name)
    if not found:
        raise Refusal(f"there is no Rollout {name!r} in namespace {namespace!r}")
    return found[0]


async def ask(client: Client, rollout: Rollout, wishes: Mapping[str, str | None]) -> None:
    """Annotate the Rollout that was read, not one created anew since; None takes a wish away."""
    meta = rollout.metadata
    await client.patch(
        WATCHED[Kind.ROLLOUT].resource,
        meta.name,
        {"metadata": {"uid": meta.uid, "annotations": dict(wishes)}},
        meta.namespace,
        patch_type=PatchType.MERGE,
        field_manager="tandem",
    )


async def until(
    client: Client, namespace: str, name: str, met: follow.Wanted, timeout_seconds: float
) -> None:
    """Wait until what was asked for has happened, and show where the Rollout is then.

    Raises:
        Refusal: when the time is over.
    """
    ended = await follow.wait(client, namespace, name, met, timeout_seconds=timeout_seconds)
    typer.echo(show.line(ended[0]))
