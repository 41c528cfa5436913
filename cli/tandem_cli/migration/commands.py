"""`tandem migrate kruise --plan | --apply | --revert`.

Exit codes: 0 done, or nothing stands in the way; 1 refused, and why; 2 nobody could be asked for
a confirmation, or the words make no sense.
"""

from __future__ import annotations

import asyncio
import sys
from enum import StrEnum
from typing import Annotated

import msgspec
import typer

from tandem_cli import show
from tandem_cli.migration import apply as applying
from tandem_cli.migration import plan as plans
from tandem_cli.migration import revert as reverting
from tandem_cli.migration.inventory import observe
from tandem_cli.migration.plan import Plan
from tandem_cli.session import Access, ContextOption, KubeconfigOption, Refusal
from tandem_controller.kube.client import Client

ENABLE = "now start Tandem: vela addon enable tandem, or tandem controller run beside the cluster"


class Format(StrEnum):
    """How the plan is printed."""

    TEXT = "text"
    JSON = "json"


def register(app: typer.Typer) -> None:
    """Add the verb family."""
    family = typer.Typer(no_args_is_help=True, help="Move a cluster to Tandem.")
    family.callback()(lambda: None)
    family.command("kruise", help="From Kruise Rollouts, with releases in flight.")(kruise)
    app.add_typer(family, name="migrate")


def kruise(
    *,
    plan: Annotated[bool, typer.Option("--plan", help="Say what would be done")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Do it, or go on with it")] = False,
    revert: Annotated[bool, typer.Option("--revert", help="Put everything back")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask")] = False,
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Tandem's own namespace")
    ] = "vela-system",
    output: Annotated[
        Format,
        typer.Option("--output", "-o", show_default=False, help="With --plan. Default: text"),
    ] = Format.TEXT,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Move every Rollout of a cluster from Kruise Rollouts to Tandem. No pod is restarted.

    A call that was killed is gone on with by the same command.

    Exit code 0: done, or nothing in the way; 1: refused, and why; 2: nobody could be asked.
    """
    if [plan, apply, revert].count(True) != 1:
        raise typer.BadParameter("state one of --plan, --apply and --revert")

    async def work(client: Client) -> int:
        if plan:
            found = plans.make(await observe(client, namespace))
            _print_plan(found, output)
            return 1 if found.refusals else 0
        await (_apply if apply else _revert)(client, namespace, yes=yes)
        return 0

    raise typer.Exit(Access("migrate", kubeconfig, context).run(work))


async def _apply(client: Client, namespace: str, *, yes: bool) -> None:
    found = plans.make(await observe(client, namespace))
    _print_plan(found, Format.TEXT)
    if found.refusals:
        raise Refusal("nothing was changed")
    if found.finished:
        return
    await _confirm("Stop Kruise Rollouts and hand its Rollouts to Tandem?", yes=yes)
    await applying.apply(client, namespace, typer.echo)
    typer.echo(f"done; {ENABLE}")


async def _revert(client: Client, namespace: str, *, yes: bool) -> None:
    told = list(reverting.refusals(await observe(client, namespace)))
    if told:
        raise Refusal("; ".join(told))
    await _confirm("Put Kruise Rollouts back as it was?", yes=yes)
    await reverting.revert(client, namespace, typer.echo)
    typer.echo("done: Kruise Rollouts starts again")


async def _confirm(question: str, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise Refusal("nobody can be asked here: see --plan, then --yes", code=2)
    if not await asyncio.to_thread(typer.confirm, question):
        raise Refusal("nothing was changed")


def _print_plan(found: Plan, output: Format) -> None:
    if output is Format.JSON:
        typer.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
        return
    for line in _lines(found):
        typer.echo(line)


def _lines(found: Plan) -> list[str]:
    alive = found.controller or ("no sign of it",)
    rows = show.plain_table("ROLLOUT", "FATE", "WHY", "WHAT TO DO")
    for one in found.rollouts:
        rows.add_row(f"{one.namespace}/{one.name}", one.fate, one.why, one.remedy)
    table = show.lines(rows) if found.rollouts else ["no Rollouts to judge"]
    return [
        *(f"Kruise Rollouts: {sign}" for sign in alive),
        f"CRD of Rollouts: {found.crd}",
        *table,
        *(f"{'done' if s.done else 'to do'}  {s.what}" for s in found.steps if not found.finished),
        *(f"warning: {text}" for text in found.warnings),
        *(f"in the way: {text}" for text in found.refusals),
        *(["nothing to do"] if found.finished else []),
    ]
