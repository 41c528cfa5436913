"""What a roll does next: played against a fleet whose releases go well, badly, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tandem_cli.platform import course as courses
from tandem_cli.platform.course import (
    Accept,
    Action,
    Approve,
    Course,
    OnRegression,
    Options,
    Outcome,
    TakeBack,
)
from tandem_cli.platform.plan import Plan, make, sizes
from tandem_cli.platform.report import ExitCode, have_it, report
from tandem_cli.platform.standing import Key, Standing, Waiting, Workload
from tandem_cli.platform.target import Target
from tests.cli.releases import NOON

GOOD, BAD, STUCK, OVERTAKEN = "good", "bad", "stuck", "overtaken"
STUBBORN = "stuck, and no rollback helps"
STEPS = 2
TARGET = Target(component="web", version="2")
TICK = timedelta(seconds=10)
TIMEOUT = timedelta(seconds=200)


@dataclass
class World:
    """A fleet: an accepted release waits at each step, then ends as its fate says."""

    fates: dict[str, str]
    standing: dict[str, Workload] = field(default_factory=dict)
    step: dict[str, int] = field(default_factory=dict)
    frozen: dict[str, str] = field(default_factory=dict)
    begun: list[str] = field(default_factory=list)
    most: int = 0

    def __post_init__(self) -> None:
        """Let every workload hold the version."""
        self.standing = {
            name: Workload(namespace=name[0], name=name, standing=Standing.HELD, stable="old")
            for name in self.fates
        }

    @property
    def workloads(self) -> dict[Key, Workload]:
        """What a roll sees."""
        return {w.key: w for w in self.standing.values()}

    def of(self, *standings: Standing) -> set[str]:
        """Return who stands there."""
        return {name for name, w in self.standing.items() if w.standing in standings}

    def do(self, action: Action) -> None:
        """Carry out an action as the controller does; one that comes late has no effect."""
        name = action.workload.name
        now = self.standing[name]
        match action:
            case Accept():
                assert now.standing is Standing.HELD
                assert now.namespace not in self.frozen
                self.begun.append(name)
                self._set(name, Standing.ACCEPTED)
            case Approve(waiting=waiting) if now.waiting == waiting:
                self._set(name, Standing.RELEASING)
            case TakeBack() if self.fates[name] != STUBBORN:
                assert now.standing is Standing.RELEASING
                self._set(name, Standing.RETURNING, why="rolling back: asked for")
            case _:
                pass
        self.most = max(self.most, len(self.of(Standing.ACCEPTED, Standing.RELEASING)))

    def live(self) -> None:
        """Let some time pass for every release."""
        for name, seen in list(self.standing.items()):
            if seen.standing is Standing.RETURNING:
                self._set(name, Standing.REJECTED, why="rejected: asked for")
            elif seen.standing in (Standing.ACCEPTED, Standing.RELEASING) and not seen.waiting:
                self._move(name)

    def _move(self, name: str) -> None:
        at = self.step[name] = self.step.get(name, 0) + 1
        fate = self.fates[name]
        if fate in (STUCK, STUBBORN):
            self._set(name, Standing.RELEASING, why="0 of 1 pods are ready")
        elif at == 1:
            waiting = Waiting(revision=f"revision-of-{name}", step=1, steps=STEPS)
            self._set(name, Standing.RELEASING, waiting=waiting)
        elif fate == GOOD:
            self._set(name, Standing.DONE)
        elif fate == BAD:
            self._set(name, Standing.RETURNING, why="rolling back: somebody asked")
        else:
            self._set(name, Standing.BUSY, why="a business release")

    def _set(
        self, name: str, standing: Standing, *, why: str = "", waiting: Waiting | None = None
    ) -> None:
        old = self.standing[name]
        self.standing[name] = replace(old, standing=standing, why=why, waiting=waiting)


def options(
    *,
    most: int = 3,
    approve: bool = True,
    on_regression: OnRegression = OnRegression.FINISH,
) -> Options:
    return Options(
        max_concurrent=most, timeout=TIMEOUT, approve_steps=approve, on_regression=on_regression
    )


def planned(world: World, waves: str) -> Plan:
    return make(TARGET, world.workloads.values(), world.frozen, sizes(waves))


def play(
    world: World,
    waves: str = "1,50%,100%",
    how: Options | None = None,
    freezes: Mapping[int, str] | None = None,
) -> Course:
    """Roll until it is over; namespaces are frozen at some ticks. Checks each moment."""
    plan = planned(world, waves)
    course = courses.start(plan, how or options(), NOON)
    for tick in range(1000):
        before = course
        now = NOON + tick * TICK
        course, actions = courses.advance(course, world.workloads, world.frozen, now)
        _check(world, before, course, actions)
        for action in actions:
            world.do(action)
        if course.over:
            return course
        world.live()
        if freezes and tick in freezes:
            world.frozen[freezes[tick]] = "why"
    raise AssertionError("it never ends")


def _check(world: World, before: Course, course: Course, actions: tuple[Action, ...]) -> None:
    accepts = [a.workload.key for a in actions if isinstance(a, Accept)]
    assert course.regression is None or accepts == []
    assert {a.workload.key for a in actions} <= set(course.begun)
    assert not {a.workload.key for a in actions} & set(course.ended)
    waves = course.plan.waves
    for index, wave in enumerate(waves):
        if set(accepts) & set(wave.members):
            for earlier in (key for w in waves[:index] for key in w.members):
                cannot = earlier[0] in world.frozen or earlier in course.ended
                assert cannot or earlier in before.begun
                assert cannot or earlier in course.ended


def test_all_go_through_wave_by_wave_when_nothing_regresses() -> None:
    world = World({f"a{i}": GOOD for i in range(9)})
    course = play(world)
    assert world.of(Standing.DONE) == set(world.fates)
    assert world.begun == sorted(world.fates)
    ended = report(course, world.workloads, world.frozen)
    assert (ended.exit_code, ended.have_it, ended.left) == (ExitCode.ALL_DONE, 9, ())


@pytest.mark.parametrize(
    ("fate", "outcome", "why"),
    [
        (BAD, Outcome.ROLLED_BACK, "rolling back: somebody asked"),
        (STUCK, Outcome.LATE, "not through within 200 s (releasing): 0 of 1 pods are ready"),
    ],
)
def test_the_first_regression_stops_it_and_what_runs_is_let_finish(
    fate: str, outcome: Outcome, why: str
) -> None:
    world = World({f"a{i}": fate if i == 2 else GOOD for i in range(9)})
    course = play(world, waves="1,4,100%")
    assert course.regression == (("a", "a2"), why)
    assert course.ended["a", "a2"].outcome is outcome
    assert world.begun == ["a0", "a1", "a2", "a3"]
    assert world.of(Standing.DONE) == {"a0", "a1", "a3"}
    ended = report(course, world.workloads, world.frozen)
    assert ended.exit_code is ExitCode.STOPPED
    assert [one.name for one in ended.left] == ["a2", "a4", "a5", "a6", "a7", "a8"]


def test_with_rollback_what_runs_goes_back_and_what_is_through_stays() -> None:
    world = World({"a0": GOOD, "a1": STUCK, "a2": STUCK, "a3": GOOD})
    course = play(world, "1,3,100%", options(on_regression=OnRegression.ROLLBACK))
    assert world.of(Standing.DONE) == {"a0"}
    assert world.of(Standing.REJECTED) == {"a1", "a2"}
    assert world.of(Standing.HELD) == {"a3"}
    assert {ending.outcome for ending in course.ended.values()} == {
        Outcome.DONE,
        Outcome.ROLLED_BACK,
    }


def test_a_rollback_that_does_not_come_through_is_given_up_after_another_while() -> None:
    world = World({"a0": STUBBORN})
    course = play(world, how=options(on_regression=OnRegression.ROLLBACK))
    late = course.ended["a", "a0"]
    assert late.outcome is Outcome.LATE
    assert late.at >= NOON + 2 * TIMEOUT


def test_a_release_that_something_else_replaced_is_no_regression() -> None:
    world = World({"a0": OVERTAKEN, "a1": GOOD})
    course = play(world)
    ended = report(course, world.workloads, world.frozen)
    assert (ended.exit_code, ended.stopped_by) == (ExitCode.SOME_LEFT, None)
    assert [(one.name, one.why) for one in ended.left] == [("a0", "a business release")]


def test_a_namespace_frozen_meanwhile_is_passed_over_and_what_runs_there_goes_on() -> None:
    world = World({"a0": GOOD, "b1": GOOD, "b2": GOOD, "c3": GOOD})
    course = play(world, "1,2,100%", options(most=1), freezes={3: "b"})
    assert world.of(Standing.DONE) == {"a0", "b1", "c3"}
    ended = report(course, world.workloads, world.frozen)
    assert ended.exit_code is ExitCode.SOME_LEFT
    assert [one.why for one in ended.left] == ["namespace 'b' is frozen: why"]


def test_steps_wait_for_people_where_nobody_asked_to_approve_them() -> None:
    world = World({"a0": GOOD})
    course = play(world, how=options(approve=False))
    assert course.ended["a", "a0"].outcome is Outcome.LATE
    assert world.standing["a0"].waiting is not None


def test_only_releases_of_this_roll_are_approved() -> None:
    world = World({"a0": GOOD, "a1": GOOD})
    plan = planned(world, "1")
    foreign = Waiting(revision="of somebody", step=1, steps=STEPS)
    world.standing["a1"] = replace(
        world.standing["a1"], standing=Standing.RELEASING, waiting=foreign
    )
    course = courses.start(plan, options(), NOON)
    _, actions = courses.advance(course, world.workloads, {}, NOON)
    assert [type(a) for a in actions] == [Accept]


def test_the_deadline_is_that_of_the_release_begun_first() -> None:
    world = World({"a0": GOOD, "a1": GOOD})
    course = courses.start(planned(world, "2"), options(most=1), NOON)
    assert courses.deadline(course) is None
    course, _ = courses.advance(course, world.workloads, {}, NOON + TICK)
    assert courses.deadline(course) == NOON + TICK + TIMEOUT


fates = st.dictionaries(
    st.from_regex("[a-c][0-9]", fullmatch=True),
    st.sampled_from([GOOD, GOOD, GOOD, BAD, STUCK, OVERTAKEN]),
    min_size=1,
    max_size=12,
)


@given(
    fates=fates,
    most=st.integers(1, 4),
    on_regression=st.sampled_from(OnRegression),
    waves=st.sampled_from(["1,10%,100%", "100%", "1,2,3", "50%"]),
    freezes=st.dictionaries(st.integers(0, 20), st.sampled_from("abc"), max_size=2),
)
def test_whatever_happens_it_ends_within_its_bounds_and_the_next_call_goes_on(
    fates: dict[str, str],
    most: int,
    on_regression: OnRegression,
    waves: str,
    freezes: dict[int, str],
) -> None:
    world = World(fates)
    how = options(most=most, on_regression=on_regression)
    course = play(world, waves, how, freezes)
    assert world.most <= most
    assert set(course.begun) == set(course.ended)
    regressed = [fates[key[1]] for key in course.ended if fates[key[1]] in (BAD, STUCK)]
    assert bool(regressed) is (course.regression is not None)

    # Somebody repairs what was bad; the same command then begins nothing twice.
    done = world.of(Standing.DONE)
    again = World(dict.fromkeys(fates, GOOD))
    again.standing.update({name: world.standing[name] for name in done})
    second = play(again, "100%")
    assert not done & set(again.begun)
    assert again.of(Standing.DONE) == set(fates)
    assert have_it(second.plan, again.workloads) == len(fates)
