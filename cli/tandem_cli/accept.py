"""`tandem accept`: release a platform change that is held, on its own and step by step.

The wish is an annotation on the Rollout, so kubectl can make it too:
`kubectl annotate rollout NAME tandem.oam.dev/accept=`.
"""

from __future__ import annotations

from typing import Annotated

import typer

from tandem_cli import follow, view, wish, withheld
from tandem_cli.session import (
    Access,
    ContextOption,
    KubeconfigOption,
    NameArgument,
    NamespaceOption,
    Refusal,
    TimeoutOption,
)
from tandem_controller import keys
from tandem_controller.decide import words
from tandem_controller.decide.history import records
from tandem_controller.kube.client import Client
from tandem_controller.snapshot import Snapshot


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("accept", help="Release a platform change that is held.")(command)


def command(
    name: NameArgument,
    *,
    record: Annotated[
        str | None,
        typer.Option(metavar="RECORD", help="Only if this ReleaseRecord is what is held"),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Return when it runs, or waits at a step")
    ] = False,
    timeout: TimeoutOption = 600,
    namespace: NamespaceOption = "default",
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Say what will be released and ask for it, or say why there is nothing to accept.

    The change is released step by step like any other; each step waits for its own approval.
    """

    async def work(client: Client) -> None:
        snapshot = await wish.find(client, namespace, name)
        found = wanted(snapshot, record)
        typer.echo(announcement(snapshot, found))
        await wish.ask(client, snapshot.rollout, {keys.ACCEPT: found.record})
        typer.echo(f"asked for the release of {found.record}")
        if wait:
            begun = _begun(found.record)
            await wish.until(client, namespace, name, begun, timeout)

    Access("accept", kubeconfig, context).run(work)


def wanted(snapshot: Snapshot, record: str | None) -> withheld.Held:
    """Return the change that is held.

    Raises:
        Refusal: when nothing is, or another one than `record`.
    """
    name = snapshot.rollout.metadata.name
    found = withheld.held(snapshot)
    if found is None:
        raise Refusal(f"Rollout {name!r} holds no platform change; see: tandem get {name}")
    if record not in (None, found.record):
        raise Refusal(
            f"Rollout {name!r} holds {found.record!r} ({found.images}), not {record!r}: nothing "
            "was accepted"
        )
    return found


def announcement(snapshot: Snapshot, found: withheld.Held) -> str:
    """Say what the release will bring, and on top of what."""
    known = records.of_workload(snapshot)
    release, stable = records.in_progress(known), records.stable(known)
    what = f"{snapshot.rollout.metadata.name}: releases {found.images} ({found.record}), held since"
    what = f"{what} {found.since:%Y-%m-%dT%H:%M:%SZ} because {found.cause}"
    if release is not None:
        return (
            f"{what}; together with {release.metadata.name} ({words.images(release)}), which is "
            "in progress and starts over"
        )
    return f"{what}; {stable.metadata.name} is what runs" if stable else what


def _begun(record: str) -> follow.Wanted:
    """Return the test for "it is released", or waits at a step on the way there."""

    def begun(summary: view.Summary) -> bool:
        waits = summary.held is not None and summary.held.record == record
        return not waits and (summary.at_rest or summary.waiting)

    return begun
