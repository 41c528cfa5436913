"""`tandem retry`: let a version that was rolled back be released again.

The wish is an annotation on the Rollout, so kubectl can make it too:
`kubectl annotate rollout NAME tandem.oam.dev/retry=`.
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
from tandem_controller.api.record import ReleaseRecord
from tandem_controller.decide import words
from tandem_controller.decide.hold.withheld import rejection_of
from tandem_controller.kube.client import Client
from tandem_controller.snapshot import Snapshot


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("retry", help="Release a version again that was rolled back.")(command)


def command(
    name: NameArgument,
    *,
    record: Annotated[
        str | None,
        typer.Option(metavar="RECORD", help="The rejected version; default: the one rejected last"),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Return when the version runs, or waits at a step")
    ] = False,
    timeout: TimeoutOption = 600,
    namespace: NamespaceOption = "default",
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Say which verdict is cleared and ask for the release, or say why there is nothing to retry.

    The version is released step by step like any other, from its first step.
    """

    async def work(client: Client) -> None:
        snapshot = await wish.find(client, namespace, name)
        found = wanted(snapshot, record)
        typer.echo(announcement(name, found))
        await wish.ask(client, snapshot.rollout, {keys.RETRY: found.metadata.name})
        typer.echo(f"asked for another release of {found.metadata.name}")
        if wait:
            begun = _begun(found.metadata.name)
            await wish.until(client, namespace, name, begun, timeout)

    Access("retry", kubeconfig, context).run(work)


def wanted(snapshot: Snapshot, record: str | None) -> ReleaseRecord:
    """Return the rejected version.

    Raises:
        Refusal: when none is, or not `record`.
    """
    name = snapshot.rollout.metadata.name
    known = withheld.rejected_records(snapshot)
    found = next((r for r in known if record in (None, r.metadata.name)), None)
    if found is None:
        sought = f"has not rejected {record!r}" if record else "has rejected no version"
        raise Refusal(f"Rollout {name!r} {sought}; see: tandem get {name}")
    return found


def announcement(name: str, found: ReleaseRecord) -> str:
    """Say which version is released again, and which verdict is cleared by that."""
    verdict = rejection_of(found)
    why = f", rejected since {verdict.at:%Y-%m-%dT%H:%M:%SZ}: {verdict.cause}" if verdict else ""
    return f"{name}: releases {words.images(found)} again ({found.metadata.name}){why}"


def _begun(record: str) -> follow.Wanted:
    """Return the test for "it is released again", or waits at a step on the way there."""

    def begun(summary: view.Summary) -> bool:
        stands = summary.rejected is not None and summary.rejected.record == record
        return not stands and (summary.at_rest or summary.waiting)

    return begun
