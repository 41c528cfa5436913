"""A Rollout's steps, resolved for a number of replicas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from tandem_controller.api.fingerprint import digest
from tandem_controller.api.rollout import CanaryStrategy, Step
from tandem_controller.traffic.split import Split
from tandem_controller.workloads.batch import scaled

HASH_LENGTH = 10
EVERYTHING = "100%"


@dataclass(frozen=True, kw_only=True)
class PlannedStep:
    """One step in pods and traffic.

    `split` is None where the step states no traffic: then pods alone decide. `pause_seconds`
    None waits for an approval. `finishing` marks a last step of exactly "100%", which passes
    by itself (upstream): the workload's own controller may roll out the rest.
    """

    index: int
    replicas: int
    split: Split | None
    pause_seconds: int | None
    finishing: bool
    everything: bool
    """Whether the whole workload and all of its traffic may be new."""


Plan = tuple[PlannedStep, ...]


def resolve(strategy: CanaryStrategy, replicas: int) -> Plan:
    """Resolve a strategy's steps; percentages of pods are rounded up (upstream's rule)."""
    steps = strategy.steps
    routed = bool(strategy.traffic_routings)
    return tuple(
        _planned(step, index, replicas, last=index == len(steps), routed=routed)
        for index, step in enumerate(steps, start=1)
    )


def _planned(step: Step, index: int, replicas: int, *, last: bool, routed: bool) -> PlannedStep:
    asked = step.replicas if step.replicas is not None else (step.traffic or EVERYTHING)
    pods = min(replicas, scaled(asked, replicas, up=True))
    split = _split(step) if routed else None
    all_traffic = split is None or split == Split(weight=100)
    return PlannedStep(
        index=index,
        replicas=pods,
        split=split,
        pause_seconds=step.pause.duration,
        finishing=last and asked == EVERYTHING and all_traffic,
        everything=pods == replicas and all_traffic,
    )


def _split(step: Step) -> Split | None:
    if step.traffic is None and not step.matches:
        return None
    weight = None if step.traffic is None else int(step.traffic.rstrip("%"))
    return Split(weight=weight, matches=step.matches)


def plan_hash(strategy: CanaryStrategy) -> str:
    """Return the hash by which a change of the plan is seen.

    Pauses and the failure threshold do not count: editing them changes no step
    (upstream, `rolloutHash`).
    """
    block: dict[str, Any] = msgspec.to_builtins(strategy)
    block.pop("failureThreshold", None)
    block["steps"] = [
        {key: value for key, value in step.items() if key != "pause"}
        for step in block.get("steps", ())
    ]
    return digest(block)[:HASH_LENGTH]


def step_after_change(plan: Plan, current: int, new_pods: int) -> int:
    """Return the step at which a changed plan goes on.

    It is the current one when it still covers the pods that run, else the first that
    does, else the last (upstream's rule).
    """
    if 1 <= current <= len(plan) and plan[current - 1].replicas >= new_pods:
        return current
    covering = (step.index for step in plan if step.replicas >= new_pods)
    return next(covering, len(plan))
