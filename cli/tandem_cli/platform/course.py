"""What is to be done next in a roll: pure, from the plan, what was begun, and what is so now.

`advance` is asked after each change. Whatever it answers may be done late or twice: an accept
names the record that was planned, an approval the release and the step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from tandem_cli.platform.plan import Plan
from tandem_cli.platform.standing import Key, Standing, Waiting, Workload

ON_THE_WAY = (Standing.HELD, Standing.ACCEPTED, Standing.RELEASING, Standing.RETURNING)
"""Where a workload may be seen while its release runs: watches of two kinds are not in step."""


class OnRegression(StrEnum):
    """What becomes of the releases that run when one of them regresses."""

    FINISH = "finish"
    ROLLBACK = "rollback"


class Outcome(StrEnum):
    """How the release of one workload ended, as far as a roll goes."""

    DONE = "done"
    ROLLED_BACK = "rolled back"
    LATE = "late"
    OVERTAKEN = "overtaken"
    """Something else came in between; no verdict on the version."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a roll is carried out."""

    max_concurrent: int
    timeout: timedelta
    """From the acceptance to the end of one workload's release."""
    approve_steps: bool
    on_regression: OnRegression


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How and when the release of one workload ended, with the reason where it is no success."""

    outcome: Outcome
    at: datetime
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Accept:
    """Release the held record."""

    workload: Workload


@dataclass(frozen=True, kw_only=True)
class Approve:
    """Let the step pass at which the release waits."""

    workload: Workload
    waiting: Waiting


@dataclass(frozen=True, kw_only=True)
class TakeBack:
    """Roll the release back to the version that is stable."""

    workload: Workload


Action = Accept | Approve | TakeBack


@dataclass(frozen=True, kw_only=True)
class Course:
    """What this call has done so far. Nothing of it is needed to go on in another call."""

    plan: Plan
    options: Options
    begun: Mapping[Key, datetime] = field(default_factory=dict)
    ended: Mapping[Key, Ending] = field(default_factory=dict)
    taken_back: Mapping[Key, datetime] = field(default_factory=dict)
    regression: tuple[Key, str] | None = None
    """The workload that stopped the roll, and why."""
    over: bool = False
    """Nothing runs and nothing more begins."""

    @property
    def running(self) -> tuple[Key, ...]:
        """Begun and not ended, in the order of the plan."""
        return tuple(key for key in self.begun if key not in self.ended)


def start(plan: Plan, options: Options, now: datetime) -> Course:
    """Return the beginning: what is under way already counts as begun now."""
    return Course(plan=plan, options=options, begun=dict.fromkeys(plan.under_way, now))


def advance(
    course: Course, workloads: Mapping[Key, Workload], frozen: Mapping[str, str], now: datetime
) -> tuple[Course, tuple[Action, ...]]:
    """Return the course as it is now, and what is to be done.

    `frozen` maps namespaces to reasons. Nothing begins in one; what runs there goes on.
    """
    course = _noticed(course, workloads, now)
    actions: list[Action] = [*_steps(course, workloads)]
    if course.regression is None:
        fresh = tuple(_next(course, workloads, frozen))
        actions += [Accept(workload=workload) for workload in fresh]
        course = replace(course, begun={**course.begun, **{w.key: now for w in fresh}})
    elif course.options.on_regression is OnRegression.ROLLBACK:
        back = tuple(_to_take_back(course, workloads))
        actions += [TakeBack(workload=workload) for workload in back]
        taken_back = {**course.taken_back, **{w.key: now for w in back}}
        course = replace(course, taken_back=taken_back)
    return replace(course, over=not course.running), tuple(actions)


def deadline(course: Course) -> datetime | None:
    """Return when the first of the releases that run is late; None where none runs."""
    return min((_deadline(course, key) for key in course.running), default=None)


def current_wave(
    course: Course, workloads: Mapping[Key, Workload], frozen: Mapping[str, str]
) -> int | None:
    """Return the index of the first wave that is not through; None when all are."""
    for index, wave in enumerate(course.plan.waves):
        if any(_pending(course, key, workloads, frozen) for key in wave.members):
            return index
    return None


def _noticed(course: Course, workloads: Mapping[Key, Workload], now: datetime) -> Course:
    """Note what has ended, and the first regression."""
    ended, regression = dict(course.ended), course.regression
    for key in course.running:
        seen = workloads.get(key)
        ending = _ending(course, key, seen, now)
        if ending is not None:
            ended[key] = ending
        bad = _bad(course, key, seen, ending, now)
        if regression is None and bad is not None:
            regression = (key, bad)
    return replace(course, ended=ended, regression=regression)


def _ending(course: Course, key: Key, seen: Workload | None, now: datetime) -> Ending | None:
    """Return how a release ended, or None while it runs."""
    if seen is None:
        return Ending(outcome=Outcome.OVERTAKEN, at=now, why="its Rollout is gone")
    if seen.standing is Standing.DONE:
        return Ending(outcome=Outcome.DONE, at=now)
    if seen.standing is Standing.REJECTED:
        return Ending(outcome=Outcome.ROLLED_BACK, at=now, why=seen.why)
    if seen.standing not in ON_THE_WAY:
        return Ending(outcome=Outcome.OVERTAKEN, at=now, why=seen.why)
    if now < _deadline(course, key) or _will_be_taken_back(course, key, seen):
        return None
    return Ending(outcome=Outcome.LATE, at=now, why=_late(course, seen))


def _deadline(course: Course, key: Key) -> datetime:
    return course.taken_back.get(key, course.begun[key]) + course.options.timeout


def _will_be_taken_back(course: Course, key: Key, seen: Workload) -> bool:
    """Whether a late release is rolled back yet, and has another while for that."""
    if course.options.on_regression is not OnRegression.ROLLBACK:
        return False
    return seen.standing is Standing.RELEASING and key not in course.taken_back


def _late(course: Course, seen: Workload) -> str:
    seconds = course.options.timeout.total_seconds()
    return f"not through within {seconds:g} s ({seen.standing}): {seen.why or 'no reason is known'}"


def _bad(
    course: Course, key: Key, seen: Workload | None, ending: Ending | None, now: datetime
) -> str | None:
    """Return why a release is a regression of the version, or None where it is none."""
    if ending is not None:
        return ending.why if ending.outcome in (Outcome.ROLLED_BACK, Outcome.LATE) else None
    if seen is None or now < _deadline(course, key):
        return seen.why if seen and seen.standing is Standing.RETURNING else None
    return _late(course, seen)


def _steps(course: Course, workloads: Mapping[Key, Workload]) -> Iterator[Approve]:
    """Yield the approvals that are due: of releases that were begun here, and of no other."""
    stopped = course.regression is not None
    if not course.options.approve_steps or (
        stopped and course.options.on_regression is OnRegression.ROLLBACK
    ):
        return
    for key in course.running:
        seen = workloads[key]
        if seen.standing is Standing.RELEASING and seen.waiting is not None:
            yield Approve(workload=seen, waiting=seen.waiting)


def _next(
    course: Course, workloads: Mapping[Key, Workload], frozen: Mapping[str, str]
) -> Iterator[Workload]:
    """Yield whom to begin now: of the waves up to the current one, as many as may run at once."""
    current = current_wave(course, workloads, frozen)
    if current is None:
        return
    room = course.options.max_concurrent - len(course.running)
    for wave in course.plan.waves[: current + 1]:
        for key in wave.members:
            if room > 0 and key not in course.begun and _free(key, workloads, frozen):
                room -= 1
                yield workloads[key]


def _pending(
    course: Course, key: Key, workloads: Mapping[Key, Workload], frozen: Mapping[str, str]
) -> bool:
    """Whether a wave has to wait for a workload; one that cannot begin is passed over."""
    if key in course.begun:
        return key not in course.ended
    return _free(key, workloads, frozen)


def _free(key: Key, workloads: Mapping[Key, Workload], frozen: Mapping[str, str]) -> bool:
    seen = workloads.get(key)
    return seen is not None and seen.standing is Standing.HELD and key[0] not in frozen


def _to_take_back(course: Course, workloads: Mapping[Key, Workload]) -> Iterator[Workload]:
    for key in course.running:
        seen = workloads[key]
        if seen.standing is Standing.RELEASING and key not in course.taken_back:
            yield seen
