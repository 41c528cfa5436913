"""How plan, status and a running roll read, on a terminal and in a log."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from msgspec.structs import replace
from rich.console import Console, RenderableType

from tandem_cli.platform import course as courses
from tandem_cli.platform import overview
from tandem_cli.platform.course import Course
from tandem_cli.platform.plan import make, sizes
from tandem_cli.platform.report import report
from tandem_cli.platform.standing import Standing, Workload
from tests.cli.releases import NOON
from tests.cli.test_platform_course import STUCK, TARGET, TICK, World, options, planned

WIDE = 200


def printed(view: RenderableType) -> list[str]:
    console = Console(file=io.StringIO(), width=WIDE, record=True)
    console.print(view)
    return [line.rstrip() for line in console.export_text().splitlines()]


def test_a_plan_shows_its_waves_and_who_is_left_out() -> None:
    fleet = [Workload(namespace="a", name=f"w{i}", standing=Standing.HELD) for i in range(6)]
    fleet.append(Workload(namespace="a", name="x", standing=Standing.BUSY, why="a release"))
    assert printed(overview.plan_view(make(TARGET, fleet, {}, sizes("1,100%")))) == [
        "web@2: 0 of 6 workloads have it, 0 are on the way",
        "",
        "WAVE SIZE BEGINS THEN HAVE IT WHO",
        "1    1    1      1 of 6       a/w0",
        "2    100% 5      6 of 6       a/w1, a/w2, a/w3 and 2 more",
        "",
        "1 left out:",
        "NAMESPACE NAME WHY",
        "a         x    a release",
    ]


def test_status_counts_and_shows_who_needs_a_look() -> None:
    fleet = [
        Workload(namespace="a", name="1", standing=Standing.DONE, runs="2 (init:2)"),
        Workload(namespace="b", name="2", standing=Standing.HELD, runs="init:1", images="init=i:2"),
        Workload(namespace="b", name="3", standing=Standing.REJECTED, runs="init:1", why="bad"),
    ]
    assert printed(overview.status_view("web@2", fleet, {"b": "holidays", "c": "no matter"})) == [
        "web@2: 1 of 3 workloads have it",
        "",
        "STANDING WORKLOADS",
        "done     1",
        "held     1",
        "rejected 1",
        "",
        "RUNS       WORKLOADS",
        "2 (init:2) 1",
        "init:1     2",
        "",
        "HELD     WORKLOADS",
        "init=i:2 1",
        "",
        "NAMESPACE NAME STANDING WHY",
        "b         3    rejected bad",
        "namespace b is frozen: holidays",
    ]


def _stopped() -> tuple[World, Course]:
    world = World({"a0": STUCK, "a1": STUCK, "a2": STUCK})
    course = courses.start(planned(world, "2,100%"), options(), NOON)
    course, actions = courses.advance(course, world.workloads, {}, NOON)
    for action in actions:
        world.do(action)
    world.live()
    world.standing["a1"] = replace(
        world.standing["a1"], standing=Standing.REJECTED, why="rejected: asked for"
    )
    course, _ = courses.advance(course, world.workloads, {}, NOON + TICK)
    return world, course


def test_live_it_shows_what_runs_and_why_it_stopped() -> None:
    world, course = _stopped()
    wave = courses.current_wave(course, world.workloads, {})
    assert printed(overview.live_view(course, world.workloads, wave)) == [
        "web@2: 0 of 3 have it, 1 run; wave 1/2 (2): until 2 have it",
        "STOP: nothing further begins, for a/a1: rejected: asked for",
        "WORKLOAD STANDING  WHY",
        "a/a0     releasing 0 of 1 pods are ready",
        "a/a1 rolled back rejected: asked for",
    ]


def test_in_a_log_each_thing_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    world, course = _stopped()
    with overview.Screen(Console(file=io.StringIO())) as screen:
        for _ in range(2):
            screen.show(course, world.workloads, {}, ())
    lines = [line[10:] for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "a/a1 rolled back after 10.0 s: rejected: asked for",
        "STOP: nothing further begins, for a/a1: rejected: asked for",
    ]


def test_beside_a_document_lines_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    world = World({"a0": STUCK})
    course = courses.start(planned(world, "1"), options(), NOON)
    course, actions = courses.advance(course, world.workloads, {}, NOON)
    with overview.Screen(Console(file=io.StringIO(), force_terminal=True), quiet=True) as screen:
        screen.show(course, world.workloads, {}, actions)
    said = capsys.readouterr()
    assert said.out == ""
    assert [line[10:] for line in said.err.splitlines()] == [
        "wave 1/1 (1): until 1 have it",
        "a/a0 begins: ",
    ]


def test_at_the_end_it_says_who_is_left_and_how_to_go_on() -> None:
    world, course = _stopped()
    course, _ = courses.advance(course, world.workloads, {}, NOON + timedelta(hours=1))
    told: list[str] = []
    overview.end_lines(report(course, world.workloads, {}), told.append)
    stop = "stopped at a/a1: rejected: asked for. 0 of 3 have web@2; "
    assert told == [
        "left out: a/a0: not through within 200 s (releasing): 0 of 1 pods are ready",
        "left out: a/a1: rejected: asked for",
        "left out: a/a2: not begun: the roll stopped before",
        stop + "the same command goes on with those that are left",
    ]
