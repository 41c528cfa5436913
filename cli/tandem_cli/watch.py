"""`tandem watch`: one live line a release, and waiting without polling.

Exit codes: 0 when what was waited for came to be (or the watch was ended), 1 for an error,
2 for wrong usage, 3 when the time was over.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Self

import typer
from rich.console import Console
from rich.live import Live

from tandem_cli import follow, show
from tandem_cli.session import Access, ContextOption, KubeconfigOption, NamespaceOption
from tandem_cli.view import Summary
from tandem_controller.kube.client import Client


class Until(StrEnum):
    """What ends the watch."""

    HEALTHY = "healthy"
    PAUSED = "paused"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("watch", help="Follow releases live, or wait for them.")(command)


def command(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Name of a Rollout; default: all")
    ] = None,
    *,
    namespace: NamespaceOption = "default",
    all_namespaces: Annotated[
        bool, typer.Option("--all-namespaces", "-A", help="Releases of all namespaces")
    ] = False,
    until: Annotated[
        Until | None,
        typer.Option(
            help="End with code 0 when every release shown is healthy (no release in progress or "
            "due) or paused (waits for an approval, or for the end of a pause)"
        ),
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(min=0, help="Seconds after which to end, with code 3")
    ] = None,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Follow until interrupted, or until it is so.

    Exit code 0: it came to be; 1: an error; 2: wrong usage; 3: the time was over.
    """
    place = None if all_namespaces else namespace
    wanted = follow.UNTIL[until] if until else _never

    async def work(client: Client) -> None:
        with _Screen(show.console()) as screen:
            await follow.wait(
                client, place, name, wanted, timeout_seconds=timeout, show=screen.show
            )

    Access("watch", kubeconfig, context).run(work)


def _never(_: Summary) -> bool:
    return False


class _Screen:
    """Live lines on a terminal; elsewhere a line for each change."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._said: dict[tuple[str, str], str] = {}

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def show(self, summaries: list[Summary]) -> None:
        """Show what is so now."""
        if self._live:
            with_namespace = len({s.namespace for s in summaries}) > 1
            table = show.summary_table(summaries, wide=False, with_namespace=with_namespace)
            self._live.update(table, refresh=True)
            return
        for summary in summaries:
            self._say(summary)

    def _say(self, summary: Summary) -> None:
        key, line = (summary.namespace, summary.name), show.line(summary)
        if self._said.get(key) != line:
            self._said[key] = line
            typer.echo(f"{datetime.now(UTC):%H:%M:%S}  {line}")
