"""Tables and lines for people: the same words in `get` and in `watch`."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from rich.console import Console, RenderableType
from rich.table import Table

from tandem_cli.view import Summary, Version

PLAIN_WIDTH = 1000
"""Where nobody looks at a terminal, a line stays a line."""


def console() -> Console:
    """Return a console on standard output: coloured on a terminal, plain lines elsewhere."""
    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(highlight=False, width=PLAIN_WIDTH, no_color=True)


def plain_table(*columns: str) -> Table:
    """Return an empty table without borders."""
    table = Table(box=None, pad_edge=False, header_style="bold", collapse_padding=True)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=False)
    return table


def lines(what: RenderableType) -> list[str]:
    """Return what is printed, line by line: Rich pads each row to the table's width."""
    printer = console()
    with printer.capture() as printed:
        printer.print(what)
    return [row.rstrip() for row in printed.get().splitlines()]


def summary_table(summaries: Iterable[Summary], *, wide: bool, with_namespace: bool) -> Table:
    """Return one row a Rollout."""
    namespace = ["NAMESPACE"] if with_namespace else []
    extra = ["WORKLOAD", "RECORD"] if wide else []
    table = plain_table(
        *namespace, "NAME", "PHASE", "STEP", "STATE", "WEIGHT", "INIT", "BUSINESS", *extra, "WHY"
    )
    for one in summaries:
        place = [one.namespace] if with_namespace else []
        records = " → ".join(v.record for v in (one.stable, one.release) if v)
        details = [one.workload, records] if wide else []
        table.add_row(
            *place,
            one.name,
            one.phase,
            step(one),
            one.state,
            percent(one.weight),
            change(one, init=True, full=wide),
            change(one, init=False, full=wide),
            *details,
            one.message,
        )
    return table


def line(summary: Summary) -> str:
    """Return a release as one line."""
    parts = [summary.name, summary.phase]
    if summary.step:
        parts += [f"step {step(summary)}", summary.state]
    if summary.weight is not None:
        parts.append(f"weight {percent(summary.weight)}")
    images = ", ".join(filter(None, (change(summary, init=i, full=False) for i in (True, False))))
    return f"{'  '.join(parts)}  [{images}]  {summary.message}"


def step(summary: Summary) -> str:
    """Return where the release stands in its plan."""
    return f"{summary.step}/{summary.steps}" if summary.step else "-"


def percent(weight: int | None) -> str:
    """Return a weight, or a dash where no route splits traffic."""
    return "-" if weight is None else f"{weight} %"


def change(summary: Summary, *, init: bool, full: bool) -> str:
    """Return the images of one kind, stable to release; a repository is said once."""
    before, after = (_images(v, init=init) for v in (summary.stable, summary.release))
    if not after or before == after:
        return ", ".join(before or after)
    if not before:
        return f"→ {', '.join(after)}"
    if len(before) != len(after) or full:
        return f"{', '.join(before)} → {', '.join(after)}"
    return ", ".join(_step_of_image(a, b) for a, b in zip(before, after, strict=True))


def _images(version: Version | None, *, init: bool) -> tuple[str, ...]:
    if version is None:
        return ()
    return version.init if init else version.business


def _step_of_image(before: str, after: str) -> str:
    old, new = _repository(before), _repository(after)
    if before == after:
        return before
    shown = after[len(new) + 1 :] if old == new and len(new) < len(after) else after
    return f"{before} → {shown}"


def _repository(image: str) -> str:
    """Return an image without its tag or digest; a port is no tag."""
    name = image.partition("@")[0]
    head, colon, tag = name.rpartition(":")
    return head if colon and "/" not in tag else name
