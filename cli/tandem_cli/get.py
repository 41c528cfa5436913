"""`tandem get`: where releases stand, and everything about one of them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import msgspec
import typer
import yaml
from rich.console import Console, Group, RenderableType
from rich.text import Text

from tandem_cli import details, ran_with, show, view
from tandem_cli.session import Access, ContextOption, KubeconfigOption, NamespaceOption, Refusal
from tandem_controller.api.record import Attempt
from tandem_controller.kube.client import Client


class Format(StrEnum):
    """How releases are printed."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("get", help="Show releases, or everything about one.")(command)


def command(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Name of a Rollout; default: all")
    ] = None,
    *,
    namespace: NamespaceOption = "default",
    all_namespaces: Annotated[
        bool, typer.Option("--all-namespaces", "-A", help="Releases of all namespaces")
    ] = False,
    output: Annotated[
        Format, typer.Option("--output", "-o", show_default=False, help="Default: a table")
    ] = Format.TABLE,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Read once and print."""
    if name and all_namespaces:
        raise typer.BadParameter("a NAME is looked for in one namespace: leave -A out")
    place = None if all_namespaces else namespace

    async def work(client: Client) -> None:
        if name:
            print_details(await read_details(client, namespace, name), output)
        else:
            caches = await view.read(client, place)
            found = [view.summarise(s) for s in view.snapshots(caches, place)]
            _print_summaries(found, output, with_namespace=all_namespaces)

    Access("get", kubeconfig, context).run(work)


async def read_details(client: Client, namespace: str, name: str) -> details.Details:
    """Return everything about one release.

    Raises:
        Refusal: when there is no such Rollout.
    """
    caches = await view.read(client, namespace)
    found = view.snapshots(caches, namespace, name)
    if not found:
        raise Refusal(f"there is no Rollout {name!r} in namespace {namespace!r}")
    return await details.read(client, found[0])


def _print_summaries(
    summaries: list[view.Summary], output: Format, *, with_namespace: bool
) -> None:
    if output in (Format.JSON, Format.YAML):
        _print_data(summaries, output)
    elif not summaries:
        typer.echo("tandem: there are no Rollouts here; see -n and -A", err=True)
    else:
        wide = output is Format.WIDE
        table = show.summary_table(summaries, wide=wide, with_namespace=with_namespace)
        _print(show.console(), table)


def print_details(found: details.Details, output: Format) -> None:
    """Print everything about one release."""
    if output in (Format.JSON, Format.YAML):
        _print_data(found, output)
        return
    wide = output is Format.WIDE
    summary = show.summary_table([found.summary], wide=wide, with_namespace=True)
    sections: list[RenderableType] = [summary, *_withheld(found.summary)]
    for title, table in (
        ("Steps", _steps(found)),
        ("Releases", _records(found)),
        ("Pods", _pods(found)),
        *_ran_with(found, wide=wide),
    ):
        sections += [Text(), Text(title, style="bold"), table]
    _print(show.console(), Group(*sections))


def _withheld(summary: view.Summary) -> list[RenderableType]:
    """What is held and what is rejected; nothing where neither is."""
    found = [("held", summary.held), ("rejected", summary.rejected)]
    if not any(one for _, one in found):
        return []
    table = show.plain_table("WITHHELD", "IMAGES", "RECORD", "SINCE", "BECAUSE", "WAY OUT")
    for what, one in found:
        if one:
            since = f"{one.since:%Y-%m-%dT%H:%M:%SZ}"
            table.add_row(what, one.images, one.record, since, one.cause, one.way_out)
    return [Text(), table]


def _ran_with(found: details.Details, *, wide: bool) -> list[tuple[str, RenderableType]]:
    if not wide:
        return []
    return [
        ("Images that ran", ran_with.images_table(found.records)),
        ("Config that was read", ran_with.config_table(found.records)),
    ]


def _steps(found: details.Details) -> RenderableType:
    table = show.plain_table("", "STEP", "ASKS FOR", "THEN")
    for step in found.steps:
        then = "approval" if step.pause_seconds is None else f"{step.pause_seconds} s"
        mark = "➤" if step.current else ""
        table.add_row(mark, str(step.index), step.asks, "" if step.pause_seconds == 0 else then)
    return table


def _records(found: details.Details) -> RenderableType:
    table = show.plain_table(
        "RECORD", "INIT", "BUSINESS", "OUTCOME", "STARTED", "ENDED", "APPROVED BY", "MESSAGE"
    )
    for record in found.records:
        if record.damaged:
            table.add_row(record.name, *[""] * 2, "damaged", *[""] * 3, record.damaged)
        for attempt in record.attempts:
            table.add_row(
                record.name,
                ", ".join(record.init),
                ", ".join(record.business),
                attempt.outcome or "in progress",
                f"{attempt.started_at:%Y-%m-%dT%H:%M:%SZ}",
                f"{attempt.completed_at:%Y-%m-%dT%H:%M:%SZ}" if attempt.completed_at else "",
                _approvals(attempt),
                attempt.message,
            )
    return table


def _approvals(attempt: Attempt) -> str:
    return ", ".join(f"{a.step}: {a.by or 'someone unknown'}" for a in attempt.approvals)


def _pods(found: details.Details) -> RenderableType:
    table = show.plain_table("POD", "VERSION", "READY", "STATE", "INIT", "BUSINESS")
    for pod in found.pods:
        table.add_row(
            pod.name,
            pod.version,
            "yes" if pod.ready else "no",
            pod.state,
            ", ".join(pod.init),
            ", ".join(pod.business),
        )
    return table


def _print(console: Console, what: RenderableType) -> None:
    with console.capture() as printed:
        console.print(what)
    # Rich pads each row to the table's width.
    for row in printed.get().splitlines():
        typer.echo(row.rstrip())


def _print_data(data: Any, output: Format) -> None:  # noqa: ANN401 - any struct
    if output is Format.YAML:
        typer.echo(yaml.safe_dump(msgspec.to_builtins(data), sort_keys=False), nl=False)
    else:
        typer.echo(msgspec.json.format(msgspec.json.encode(data)).decode())
