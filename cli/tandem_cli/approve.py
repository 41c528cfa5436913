"""`tandem approve`: let one step of one release pass, and no other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from tandem_cli.session import (
    Access,
    ContextOption,
    KubeconfigOption,
    NameArgument,
    NamespaceOption,
    Refusal,
)
from tandem_controller.api.rollout import CanaryStatus, Rollout, StepState
from tandem_controller.effect import Kind
from tandem_controller.kinds import WATCHED
from tandem_controller.kube.client import Client, PatchType
from tandem_controller.kube.errors import Conflict, NotFound

TRIES = 10
"""So often a write may cross one of the controller's before we give up."""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("approve", help="Let the step at which a release waits pass.")(command)


def command(
    name: NameArgument,
    *,
    step: Annotated[
        int | None, typer.Option(min=1, help="Only if the release waits at this step")
    ] = None,
    namespace: NamespaceOption = "default",
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Approve, or say why there is nothing to approve."""

    async def work(client: Client) -> None:
        place = await approve(client, namespace, name, step)
        typer.echo(f"approved step {place.step}/{place.steps} of {name}")

    Access("approve", kubeconfig, context).run(work)


@dataclass(frozen=True)
class Place:
    """Where a release waits: the revision makes an approval good for one release only."""

    revision: str
    step: int
    steps: int


async def approve(
    client: Client,
    namespace: str,
    name: str,
    step: int | None = None,
    *,
    revision: str | None = None,
) -> Place:
    """Approve the step at which a release waits, exactly once.

    What is approved is what was read first: when the release moves on meanwhile, nothing is.

    Raises:
        Refusal: when no step waits, or another one than `step`, or one of another release.
    """
    wanted: Place | None = None
    for _ in range(TRIES):
        rollout = await _read(client, namespace, name)
        place = waiting_at(rollout, step, revision)
        wanted = wanted or place
        if place != wanted:
            raise Refusal(f"Rollout {name!r} moved on to step {place.step}: nothing was approved")
        try:
            approved = await _write(client, rollout)
        except Conflict:
            continue
        if not approved:
            raise Refusal(
                f"the spec of Rollout {name!r} was changed a moment ago and the controller has "
                "not seen it yet: nothing was approved; look at it and approve again"
            )
        return place
    raise Refusal(f"the status of Rollout {name!r} changes too fast: nothing was approved")


def waiting_at(rollout: Rollout, step: int | None, revision: str | None = None) -> Place:
    """Return where a release waits for an approval.

    Raises:
        Refusal: when it does not, or at another step, or it is another release.
    """
    name, status = rollout.metadata.name, rollout.status
    canary = status.canary_status or CanaryStatus()
    strategy = rollout.spec.strategy.canary
    place = Place(
        revision=canary.canary_revision,
        step=canary.current_step_index,
        steps=len(strategy.steps) if strategy else 0,
    )
    if canary.current_step_state != StepState.PAUSED:
        raise Refusal(
            f"Rollout {name!r} has no step to approve: it is {status.phase or 'new'}"
            f"{_at(canary)}. {status.message}"
        )
    if step is not None and step != place.step:
        raise Refusal(
            f"Rollout {name!r} waits at step {place.step}/{place.steps}, not at step {step}: "
            f"nothing was approved"
        )
    if revision not in (None, place.revision):
        raise Refusal(
            f"Rollout {name!r} releases {place.revision!r}, not {revision!r}: nothing was approved"
        )
    return place


def _at(canary: CanaryStatus) -> str:
    state = canary.current_step_state
    if not state or state == StepState.COMPLETED:
        return ""
    return f" at step {canary.current_step_index} ({state})"


async def _read(client: Client, namespace: str, name: str) -> Rollout:
    watched = WATCHED[Kind.ROLLOUT]
    try:
        raw = await client.get(watched.resource, name, namespace)
    except NotFound:
        raise Refusal(f"there is no Rollout {name!r} in namespace {namespace!r}") from None
    rollout: Rollout = watched.decode(raw)
    return rollout


async def _write(client: Client, rollout: Rollout) -> bool:
    """Set StepReady as kubectl-kruise and KubeVela do, if nothing has changed since.

    Return whether that was admitted: not while the controller has not seen the newest spec.
    """
    meta, watched = rollout.metadata, WATCHED[Kind.ROLLOUT]
    raw = await client.patch(
        watched.resource,
        meta.name,
        {
            "metadata": {"resourceVersion": meta.resource_version},
            "status": {"canaryStatus": {"currentStepState": StepState.READY}},
        },
        meta.namespace,
        subresource="status",
        patch_type=PatchType.MERGE,
        field_manager="tandem",
    )
    canary = watched.decode(raw).status.canary_status
    return canary is not None and canary.current_step_state == StepState.READY
