"""Carrying a roll out: what `course` says is done against the cluster, and shown."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from tandem_cli import approve
from tandem_cli.platform import course as courses
from tandem_cli.platform.course import Accept, Action, Approve, Course, Options, TakeBack
from tandem_cli.platform.fleet import Fleet
from tandem_cli.platform.plan import Plan
from tandem_cli.platform.standing import Key, Workload
from tandem_cli.session import Refusal
from tandem_controller import keys
from tandem_controller.effect import Kind
from tandem_controller.kinds import WATCHED
from tandem_controller.kube.client import Client, PatchType
from tandem_controller.kube.errors import Conflict, NotFound

Workloads = Mapping[Key, Workload]
Show = Callable[[Course, Workloads, Mapping[str, str], tuple[Action, ...]], None]


def now() -> datetime:
    """Return the present."""
    return datetime.now(UTC)


async def roll(client: Client, fleet: Fleet, plan: Plan, options: Options, show: Show) -> Course:
    """Do what the plan says until nothing runs and nothing more is to begin."""
    course = courses.start(plan, options, now())
    sent: set[Action] = set()
    while True:
        workloads, frozen = fleet.workloads(), fleet.frozen()
        course, actions = courses.advance(course, workloads, frozen, now())
        # What was asked for is seen again until the watch tells that it was done.
        fresh = tuple(action for action in actions if action not in sent)
        sent.update(fresh)
        show(course, workloads, frozen, fresh)
        await asyncio.gather(*(_act(client, action) for action in fresh))
        if course.over:
            return course
        await fleet.change(_patience_seconds(course))


def _patience_seconds(course: Course) -> float | None:
    due = courses.deadline(course)
    return None if due is None else max(0.0, (due - now()).total_seconds())


async def _act(client: Client, action: Action) -> None:
    """Do one thing; where the object has moved on meanwhile, the next look decides anew."""
    try:
        match action:
            case Accept(workload=workload):
                await _annotate(client, workload, keys.ACCEPT, workload.record)
            case TakeBack(workload=workload):
                # Named, so that it means the same if the release has just ended.
                await _annotate(client, workload, keys.ROLLBACK, workload.stable)
            case Approve(workload=workload, waiting=waiting):
                await approve.approve(
                    client,
                    workload.namespace,
                    workload.name,
                    waiting.step,
                    revision=waiting.revision,
                )
    except (Refusal, NotFound, Conflict):
        return


async def _annotate(client: Client, workload: Workload, wish: str, record: str) -> None:
    await client.patch(
        WATCHED[Kind.ROLLOUT].resource,
        workload.name,
        {"metadata": {"annotations": {wish: record}}},
        workload.namespace,
        patch_type=PatchType.MERGE,
        field_manager="tandem",
    )
