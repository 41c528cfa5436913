"""Whether the steps of a strategy can be carried out, one by one and as a sequence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tandem_controller.api.rollout import CanaryStrategy, Step
from tandem_controller.decide.validity.problem import Problem, percentage
from tandem_controller.decide.validity.traffic import match_problems

STEPS = "spec.strategy.canary.steps"

MAX_STEPS = 50
"""As in the schema (upstream)."""

SHRINKING_STABLE_LIMIT = 50
"""Percentage of new pods up to which a batch release may run ahead of its traffic.

Upstream's limit (`--partition-percent-limit`). In a batch release the stable pods give
way to new ones; those that are left must still serve the traffic that stays with them.
"""


def step_problems(canary: CanaryStrategy, *, alpha: bool) -> Iterator[Problem]:
    """Yield what is wrong with the steps."""
    steps = canary.steps
    if not 1 <= len(steps) <= MAX_STEPS:
        yield Problem(
            field=STEPS,
            message=f"there are {len(steps)} steps" if steps else "there is no step",
            remedy=f"state between 1 and {MAX_STEPS}",
        )
    for index, step in enumerate(steps):
        yield from _problems_of(step, f"{STEPS}[{index}]", canary, alpha=alpha)
    yield from _falling_pods(steps)
    if canary.traffic_routings:
        yield from _falling_traffic(steps)
    yield from _threshold_problems(canary)


def _problems_of(
    step: Step, field: str, canary: CanaryStrategy, *, alpha: bool
) -> Iterator[Problem]:
    traffic = list(_traffic_problems(step, field))
    yield from traffic
    shown_as_traffic = alpha and step.replicas == step.traffic
    if not (traffic and shown_as_traffic):
        yield from _replicas_problems(step, field, alpha=alpha)
    if step.pause.duration is not None and step.pause.duration < 0:
        yield Problem(
            field=f"{field}.pause.duration",
            message=f"{step.pause.duration} seconds is no time to wait",
            remedy="state 0 or more seconds, or leave it out to wait for an approval",
        )
    yield from match_problems(step, field, canary)
    yield from _running_ahead(step, field, canary)


def _replicas_problems(step: Step, field: str, *, alpha: bool) -> Iterator[Problem]:
    """Require replicas of every step, as upstream does; v1alpha1 takes the weight instead."""
    replicas = step.replicas
    if replicas is None:
        name = "weight and replicas are" if alpha else "replicas is"
        yield Problem(
            field=f"{field}.{'weight' if alpha else 'replicas'}",
            message=f"{name} missing, so the step does not say how many pods are new",
            remedy='state a number of pods, or a percentage such as "20%"',
        )
    elif isinstance(replicas, str):
        yield from _share_problems(replicas, f"{field}.replicas", "pods")
    elif replicas <= 0:
        yield Problem(
            field=f"{field}.replicas",
            message=f"{replicas} pods is no step",
            remedy="state at least 1 pod, or leave the step out",
        )


def _traffic_problems(step: Step, field: str) -> Iterator[Problem]:
    if step.traffic is not None:
        yield from _share_problems(step.traffic, f"{field}.traffic", "traffic")


def _share_problems(value: str, field: str, what: str) -> Iterator[Problem]:
    share = percentage(value)
    if share is None:
        yield Problem(
            field=field,
            message=f"{value!r} is no percentage",
            remedy='write a whole number and a percent sign, such as "20%"',
        )
    elif not 1 <= share <= 100:  # noqa: PLR2004 percent
        yield Problem(
            field=field,
            message=f"{share} % of the {what} is {'above 100' if share else 'nothing'}",
            remedy="state a percentage from 1 to 100",
        )


def _falling_pods(steps: Sequence[Step]) -> Iterator[Problem]:
    """Numbers and percentages cannot be compared without knowing the workload (upstream)."""
    for index in range(1, len(steps)):
        before, after = steps[index - 1].replicas, steps[index].replicas
        low, high = _comparable(after), _comparable(before)
        if type(before) is type(after) and low is not None and high is not None and low < high:
            yield _falling(f"{STEPS}[{index}].replicas", f"{after} new pods", str(before), index)


def _falling_traffic(steps: Sequence[Step]) -> Iterator[Problem]:
    """Compare each share of traffic with the last one stated before it."""
    last: int | None = None
    for index, step in enumerate(steps):
        share = percentage(step.traffic) if step.traffic is not None else None
        if share is None:
            continue
        if last is not None and share < last:
            yield _falling(f"{STEPS}[{index}].traffic", f"{share}% of traffic", f"{last}%", index)
        last = share


def _falling(field: str, now: str, before: str, index: int) -> Problem:
    return Problem(
        field=field,
        message=f"the steps go down: step {index + 1} asks for {now}, an earlier one for {before}",
        remedy="sort the steps; going back is a rollback, not a step",
    )


def _comparable(replicas: int | str | None) -> int | None:
    return percentage(replicas) if isinstance(replicas, str) else replicas


def _running_ahead(step: Step, field: str, canary: CanaryStrategy) -> Iterator[Problem]:
    """Refuse batches that leave too few stable pods for the traffic that stays with them.

    Upstream refuses every percentage above the limit; we allow as many new pods as there
    is new traffic. A number of pods cannot be compared here, as upstream.
    """
    routed = canary.traffic_routings and (step.traffic is not None or step.matches)
    pods = percentage(step.replicas) if isinstance(step.replicas, str) else None
    if canary.enable_extra_workload_for_canary or not routed or pods is None:
        return
    share = (percentage(step.traffic) or 0) if step.traffic is not None else 0
    limit = max(SHRINKING_STABLE_LIMIT, share)
    if limit < pods <= 100:  # noqa: PLR2004 percent
        yield Problem(
            field=f"{field}.replicas",
            message=f"{pods}% of the pods are new while the stable ones still serve "
            f"{100 - share}% of the traffic",
            remedy=f"state at most {limit}%, raise the traffic, or use canary style, "
            "which keeps all stable pods",
        )


def _threshold_problems(canary: CanaryStrategy) -> Iterator[Problem]:
    threshold = canary.failure_threshold
    valid = (
        percentage(threshold) is not None
        if isinstance(threshold, str)
        else threshold is None or threshold >= 0
    )
    if not valid:
        yield Problem(
            field="spec.strategy.canary.failureThreshold",
            message=f"{threshold!r} is neither a number of pods nor a percentage",
            remedy='write for example 1 or "10%"',
        )
