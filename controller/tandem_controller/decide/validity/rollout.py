"""Whether a Rollout can be carried out as it is written.

Admission asks before the API server stores it, and the controller asks again, because
admission lets everything pass while no Tandem process runs. The rules are upstream's
(OpenKruise Rollouts, `pkg/webhook/rollout/validating`); where ours differ, the function says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tandem_controller.api.rollout import (
    CanaryStrategy,
    Phase,
    Rollout,
    RolloutSpec,
    RolloutStrategy,
    WorkloadRef,
)
from tandem_controller.decide.validity.problem import Problem, in_v1alpha1
from tandem_controller.decide.validity.steps import step_problems
from tandem_controller.decide.validity.traffic import routing_problems

__all__ = ["Problem", "validate_rollout"]

SUPPORTED_WORKLOADS = (("apps/v1", "Deployment"),)
_SUPPORTED = ", ".join(f"{version} {kind}" for version, kind in SUPPORTED_WORKLOADS)

_FROZEN = (Phase.PROGRESSING, Phase.TERMINATING)
"""Phases in which the objects that a release has touched must not change."""


def validate_rollout(
    spec: RolloutSpec,
    *,
    old: Rollout | None = None,
    others: Iterable[Rollout] = (),
    alpha: bool = False,
) -> tuple[Problem, ...]:
    """Return what is wrong with a Rollout; an empty tuple when nothing is.

    `old` is the stored object that is being updated, `others` are the other Rollouts of
    the namespace. `alpha` names fields as v1alpha1 does; its steps may change in number
    during a release (upstream).
    """
    problems = [
        *_workload_problems(spec.workload_ref),
        *_rival_problems(spec.workload_ref, others),
        *_strategy_problems(spec.strategy, alpha=alpha),
        *(_frozen_problems(old.spec, spec, alpha=alpha) if old and _frozen(old) else ()),
    ]
    return tuple(in_v1alpha1(problem) if alpha else problem for problem in problems)


def _workload_problems(ref: WorkloadRef) -> Iterator[Problem]:
    parts = {"apiVersion": ref.api_version, "kind": ref.kind, "name": ref.name}
    for name, value in parts.items():
        if not value:
            yield Problem(
                field=f"spec.workloadRef.{name}",
                message=f"the Rollout does not say which workload it releases: {name} is missing",
                remedy=f"set it; supported are {_SUPPORTED}",
            )
    if ref.api_version and ref.kind and (ref.api_version, ref.kind) not in SUPPORTED_WORKLOADS:
        yield Problem(
            field="spec.workloadRef.kind",
            message=f"{ref.api_version} {ref.kind} is not supported",
            remedy=f"name a workload of a supported kind: {_SUPPORTED}",
        )


def _rival_problems(ref: WorkloadRef, others: Iterable[Rollout]) -> Iterator[Problem]:
    """One Rollout per workload, even where it is disabled (upstream)."""
    if not ref.name:
        return
    for other in others:
        if other.spec.workload_ref == ref:
            yield Problem(
                field="spec.workloadRef",
                message=f"{ref.kind} {ref.name!r} is already released by Rollout "
                f"{other.metadata.name!r}",
                remedy="a workload has one Rollout: change that one, or delete it first",
            )


def _strategy_problems(strategy: RolloutStrategy, *, alpha: bool) -> Iterator[Problem]:
    if strategy.blue_green is not None and strategy.canary is not None:
        yield Problem(
            field="spec.strategy",
            message="both canary and blueGreen are set",
            remedy="keep exactly one of them",
        )
    elif strategy.blue_green is not None:
        yield Problem(
            field="spec.strategy.blueGreen",
            message="blue-green releases are not supported yet",
            remedy="use spec.strategy.canary with enableExtraWorkloadForCanary: true, which "
            "also runs the new version in a Deployment of its own",
        )
    elif strategy.canary is None:
        yield Problem(
            field="spec.strategy.canary",
            message="the Rollout does not say how to release: there is no strategy",
            remedy="add canary with at least one step",
        )
    else:
        yield from _canary_problems(strategy.canary, alpha=alpha)


def _canary_problems(canary: CanaryStrategy, *, alpha: bool) -> Iterator[Problem]:
    yield from step_problems(canary, alpha=alpha)
    yield from routing_problems(canary)


def _frozen(old: Rollout) -> bool:
    return old.status.phase in _FROZEN


def _frozen_problems(old: RolloutSpec, new: RolloutSpec, *, alpha: bool) -> Iterator[Problem]:
    """What a release has touched can only be undone if it is still the same afterwards."""
    if old.workload_ref != new.workload_ref:
        yield _unchangeable("spec.workloadRef", "the workload")
    before, after = old.strategy.canary, new.strategy.canary
    if before is None or after is None:
        return
    if before.traffic_routings != after.traffic_routings:
        yield _unchangeable("spec.strategy.canary.trafficRoutings", "the traffic routing")
    if before.enable_extra_workload_for_canary != after.enable_extra_workload_for_canary:
        yield _unchangeable("spec.strategy.canary.enableExtraWorkloadForCanary", "the style")
    if not alpha and len(before.steps) != len(after.steps):
        yield _unchangeable("spec.strategy.canary.steps", "the number of steps")


def _unchangeable(field: str, what: str) -> Problem:
    return Problem(
        field=field,
        message=f"{what} cannot change while a release is in progress",
        remedy="finish the release or roll it back first",
    )
