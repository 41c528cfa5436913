"""How plan, status and a running roll look: tables, live on a terminal, else lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Self

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tandem_cli import show
from tandem_cli.platform import course as courses
from tandem_cli.platform.course import Accept, Action, Approve, Course, Outcome, TakeBack
from tandem_cli.platform.plan import LeftOut, Plan
from tandem_cli.platform.report import Report, have_it
from tandem_cli.platform.standing import Key, Standing, Workload

NAMES_SHOWN = 3
ENDINGS_SHOWN = 5
Workloads = Mapping[Key, Workload]


def plan_view(plan: Plan) -> RenderableType:
    """Return a plan: its waves, and who is left out and why."""
    head = (
        f"{plan.target}: {len(plan.done)} of {plan.total} workloads have it, "
        f"{len(plan.under_way)} are on the way"
    )
    waves = show.plain_table("WAVE", "SIZE", "BEGINS", "THEN HAVE IT", "WHO")
    for index, wave in enumerate(plan.waves, 1):
        then = f"{wave.until} of {plan.total}"
        waves.add_row(str(index), wave.size, str(len(wave.members)), then, _names(wave.members))
    parts: list[RenderableType] = [Text(head), Text(), waves]
    if plan.left_out:
        parts += [Text(), Text(f"{len(plan.left_out)} left out:"), _left_out(plan.left_out)]
    return Group(*parts)


def _left_out(left: Iterable[LeftOut]) -> Table:
    table = show.plain_table("NAMESPACE", "NAME", "WHY")
    for one in left:
        table.add_row(one.namespace, one.name, one.why)
    return table


def _names(keys: tuple[Key, ...]) -> str:
    shown = ", ".join("/".join(key) for key in keys[:NAMES_SHOWN])
    more = len(keys) - NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def status_view(target: str, workloads: Iterable[Workload], frozen: Mapping[str, str]) -> Group:
    """Return where all workloads stand: numbers, then whoever needs a look."""
    known = sorted(workloads, key=lambda w: w.key)
    done = sum(w.standing is Standing.DONE for w in known)
    standings = _counts("STANDING", (str(w.standing) for w in known))
    runs = _counts("RUNS", (w.runs or "nothing recorded" for w in known))
    parts: list[RenderableType] = [
        Text(f"{target}: {done} of {len(known)} workloads have it"),
        *(Text(), standings, Text(), runs),
    ]
    held = [w.images for w in known if w.standing is Standing.HELD]
    if held:
        parts += [Text(), _counts("HELD", held)]
    calm = (Standing.DONE, Standing.HELD)
    rows = [w for w in known if w.standing not in calm]
    if rows:
        parts += [Text(), _workloads(rows)]
    kept = {ns: why for ns, why in frozen.items() if any(w.namespace == ns for w in known)}
    parts += [Text(f"namespace {ns} is frozen: {why}") for ns, why in sorted(kept.items())]
    return Group(*parts)


def _counts(title: str, values: Iterable[str]) -> Table:
    table = show.plain_table(title, "WORKLOADS")
    for value, count in sorted(Counter(values).items()):
        table.add_row(value, str(count))
    return table


def _workloads(rows: Iterable[Workload]) -> Table:
    table = show.plain_table("NAMESPACE", "NAME", "STANDING", "WHY")
    for one in rows:
        table.add_row(one.namespace, one.name, str(one.standing), one.why or one.images)
    return table


def print_view(view: RenderableType) -> None:
    """Print it to standard output; rows end where their text does."""
    console = show.console()
    with console.capture() as printed:
        console.print(view)
    for row in printed.get().splitlines():
        typer.echo(row.rstrip())


class Screen:
    """A roll while it runs: a live table on a terminal, elsewhere a line for each thing done.

    With `quiet`, standard output is left to a document, and the lines go to standard error.
    """

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        live = console.is_terminal and not quiet
        self._live = Live(console=console, auto_refresh=False) if live else None
        self._quiet = quiet
        self._wave: int | None = None
        self._ended: set[Key] = set()
        self._stopped = False

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def show(
        self,
        course: Course,
        workloads: Workloads,
        frozen: Mapping[str, str],
        actions: tuple[Action, ...],
    ) -> None:
        """Show what is so now and what is done about it."""
        wave = courses.current_wave(course, workloads, frozen)
        if self._live:
            self._live.update(live_view(course, workloads, wave), refresh=True)
            return
        self._tell_endings(course)
        if wave not in (None, self._wave) and course.regression is None:
            self._wave = wave
            self._say(_wave(course, wave or 0))
        for action in actions:
            self._say(_doing(action))

    def _tell_endings(self, course: Course) -> None:
        for key, ending in course.ended.items():
            if key not in self._ended:
                self._ended.add(key)
                seconds = (ending.at - course.begun[key]).total_seconds()
                why = f": {ending.why}" if ending.why else ""
                self._say(f"{'/'.join(key)} {ending.outcome} after {seconds:.1f} s{why}")
        if course.regression and not self._stopped:
            self._stopped = True
            key, why = course.regression
            self._say(f"STOP: nothing further begins, for {'/'.join(key)}: {why}")

    def _say(self, line: str) -> None:
        typer.echo(f"{datetime.now(UTC):%H:%M:%S}  {line}", err=self._quiet)


def _wave(course: Course, index: int) -> str:
    wave = course.plan.waves[index]
    total = len(course.plan.waves)
    return f"wave {index + 1}/{total} ({wave.size}): until {wave.until} have it"


def _doing(action: Action) -> str:
    place = action.workload.place
    match action:
        case Accept(workload=workload):
            return f"{place} begins: {workload.images}"
        case Approve(waiting=waiting):
            return f"{place} step {waiting.step}/{waiting.steps} approved"
        case TakeBack():
            return f"{place} is rolled back"


def live_view(course: Course, workloads: Workloads, wave: int | None) -> RenderableType:
    """Return a running roll: where it is, what runs, what ended last."""
    have = have_it(course.plan, workloads)
    where = _wave(course, wave) if wave is not None else "no wave is left"
    head = (
        f"{course.plan.target}: {have} of {course.plan.total} have it, "
        f"{len(course.running)} run; {where}"
    )
    parts: list[RenderableType] = [Text(head, style="bold")]
    if course.regression:
        key, why = course.regression
        parts.append(Text(f"STOP: nothing further begins, for {'/'.join(key)}: {why}", style="red"))
    table = show.plain_table("WORKLOAD", "STANDING", "WHY")
    for key in course.running:
        seen = workloads.get(key)
        if seen is not None:
            table.add_row(seen.place, str(seen.standing), seen.why or seen.images)
    parts.append(table)
    for key, ending in list(course.ended.items())[-ENDINGS_SHOWN:]:
        style = "" if ending.outcome is Outcome.DONE else "yellow"
        parts.append(Text(f"{'/'.join(key)} {ending.outcome} {ending.why}".rstrip(), style=style))
    return Group(*parts)


def end_lines(report: Report, tell: Callable[[str], None]) -> None:
    """Say what a roll came to, and how to go on."""
    for one in report.left:
        tell(f"left out: {one.namespace}/{one.name}: {one.why}")
    sums = f"{report.have_it} of {report.total} have {report.target}"
    if report.stopped_by is None:
        tell(f"{'ended' if report.left else 'done'}: {sums}")
        return
    stop = report.stopped_by
    tell(
        f"stopped at {stop.namespace}/{stop.name}: {stop.why}. {sums}; the same command goes on "
        "with those that are left"
    )
