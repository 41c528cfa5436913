"""What a roll came to: for scripts as data, and as an exit code."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from tandem_cli.platform.course import Course
from tandem_cli.platform.plan import LeftOut, Plan
from tandem_cli.platform.standing import Key, Standing, Workload
from tandem_controller.api.meta import Model


class ExitCode(IntEnum):
    """What `tandem platform roll` tells a script."""

    ALL_DONE = 0
    STOPPED = 1
    """By a regression, or by an error in the middle of it."""
    CANNOT_BEGIN = 2
    SOME_LEFT = 3
    """Nothing regressed, but not every workload of the definition has the version."""


class Release(Model, frozen=True, omit_defaults=False):
    """What became of one workload that was begun."""

    namespace: str
    name: str
    outcome: str
    seconds: float
    why: str


class Stop(Model, frozen=True, omit_defaults=False):
    """The workload whose release stopped the roll."""

    namespace: str
    name: str
    why: str


class Report(Model, frozen=True, omit_defaults=False):
    """The end of a roll."""

    target: str
    exit_code: int
    have_it: int
    total: int
    """Workloads that have the version, or could get it when the roll was planned."""
    stopped_by: Stop | None
    releases: tuple[Release, ...]
    left: tuple[LeftOut, ...]


def report(course: Course, workloads: Mapping[Key, Workload], frozen: Mapping[str, str]) -> Report:
    """Return what a roll came to."""
    left = (*course.plan.left_out, *_left(course, workloads, frozen))
    stop = course.regression
    return Report(
        target=course.plan.target,
        exit_code=_code(stopped=stop is not None, left=bool(left)),
        have_it=have_it(course.plan, workloads),
        total=course.plan.total,
        stopped_by=Stop(namespace=stop[0][0], name=stop[0][1], why=stop[1]) if stop else None,
        releases=tuple(_releases(course)),
        left=left,
    )


def have_it(plan: Plan, workloads: Mapping[Key, Workload]) -> int:
    """Return how many of the planned workloads have the version."""
    known = (workloads.get(key) for key in (*plan.done, *plan.members))
    return sum(seen is not None and seen.standing is Standing.DONE for seen in known)


def _code(*, stopped: bool, left: bool) -> ExitCode:
    if stopped:
        return ExitCode.STOPPED
    return ExitCode.SOME_LEFT if left else ExitCode.ALL_DONE


def _left(
    course: Course, workloads: Mapping[Key, Workload], frozen: Mapping[str, str]
) -> list[LeftOut]:
    found = []
    for key in course.plan.members:
        seen, ending = workloads.get(key), course.ended.get(key)
        if seen is not None and seen.standing is Standing.DONE:
            continue
        why = ending.why if ending else _unbegun(course, key, seen, frozen)
        found.append(LeftOut(namespace=key[0], name=key[1], why=why))
    return found


def _unbegun(course: Course, key: Key, seen: Workload | None, frozen: Mapping[str, str]) -> str:
    if seen is None:
        return "its Rollout is gone"
    if course.regression is not None:
        return "not begun: the roll stopped before"
    if key[0] in frozen:
        return f"namespace {key[0]!r} is frozen: {frozen[key[0]]}"
    return seen.why or str(seen.standing)


def _releases(course: Course) -> list[Release]:
    return [
        Release(
            namespace=key[0],
            name=key[1],
            outcome=ending.outcome,
            seconds=round((ending.at - course.begun[key]).total_seconds(), 1),
            why=ending.why,
        )
        for key, ending in course.ended.items()
    ]
