"""`tandem rollback`: ask for an earlier version; the controller brings it back.

The wish is an annotation on the Rollout, so kubectl can make it too:
`kubectl annotate rollout NAME tandem.oam.dev/rollback=`.
"""

from __future__ import annotations

from typing import Annotated

import typer

from tandem_cli import follow, view, wish
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
from tandem_controller.decide.history import records
from tandem_controller.kube.client import Client
from tandem_controller.snapshot import Snapshot


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("rollback", help="Bring an earlier version back, init image included.")(command)


def command(
    name: NameArgument,
    *,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="RECORD",
            help="ReleaseRecord to return to; default: the stable one in mid-release, else the "
            "one before it",
        ),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Return when the version is back, or waits at a step")
    ] = False,
    timeout: TimeoutOption = 600,
    namespace: NamespaceOption = "default",
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Ask for the rollback, or say why there is nothing to return to.

    In mid-release traffic and pods return at once. At rest the earlier version is released
    step by step, like any other.
    """

    async def work(client: Client) -> None:
        target = await rollback(client, namespace, name, to)
        images = ", ".join(i.image for i in target.spec.images)
        typer.echo(f"asked {name} back to {target.metadata.name}: {images}")
        if wait:
            back = _back_at(target.metadata.name)
            await wish.until(client, namespace, name, back, timeout)

    Access("rollback", kubeconfig, context).run(work)


def _back_at(record: str) -> follow.Wanted:
    """Return the test for "that record is back", or waits at a step of its own release."""

    def back(summary: view.Summary) -> bool:
        stable, release = summary.stable, summary.release
        if summary.at_rest:
            return stable is not None and stable.record == record
        return summary.waiting and release is not None and release.record == record

    return back


async def rollback(
    client: Client, namespace: str, name: str, to: str | None = None
) -> ReleaseRecord:
    """Annotate the Rollout; return the record that will come back.

    Raises:
        Refusal: when there is nothing to return to.
    """
    snapshot = await wish.find(client, namespace, name)
    wanted = target(snapshot, to)
    await wish.ask(client, snapshot.rollout, {keys.ROLLBACK: to or ""})
    return wanted


def target(snapshot: Snapshot, to: str | None) -> ReleaseRecord:
    """Return the record that a rollback leads to.

    Raises:
        Refusal: when there is none, or it runs already.
    """
    name = snapshot.rollout.metadata.name
    known = records.of_workload(snapshot)
    stable = records.stable(known)
    if stable is None:
        raise Refusal(f"Rollout {name!r} has recorded nothing to return to yet")
    if records.in_progress(known):
        return _in_mid_release(name, stable, to)
    return _at_rest(name, known, stable, to)


def _in_mid_release(name: str, stable: ReleaseRecord, to: str | None) -> ReleaseRecord:
    if to in (None, stable.metadata.name):
        return stable
    raise Refusal(
        f"a release of {name!r} is in progress and can only return to {stable.metadata.name!r}; "
        f"ask for {to!r} after that"
    )


def _at_rest(
    name: str, known: tuple[ReleaseRecord, ...], stable: ReleaseRecord, to: str | None
) -> ReleaseRecord:
    others = [r for r in known if r.metadata.name != stable.metadata.name]
    if to == stable.metadata.name:
        raise Refusal(f"{to!r} is the version that runs: there is nothing to roll back")
    if to:
        wanted = next((r for r in others if r.metadata.name == to), None)
    else:
        wanted = records.stable(others)
    if wanted is None:
        sought = f"no ReleaseRecord {to!r}" if to else "no version before the one that runs"
        raise Refusal(f"Rollout {name!r} has {sought}; see: tandem get {name}")
    return wanted
