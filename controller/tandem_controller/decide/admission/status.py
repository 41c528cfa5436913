"""Writes of a Rollout's status by others: approvals, and who gave them.

Clients approve a step by writing `currentStepState: StepReady`, and jump by writing
`nextStepIndex` (OpenKruise's command, KubeVela). The writer's name is kept here, because
the API server drops metadata that comes with a status.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from tandem_controller.api.rollout import StepState
from tandem_controller.decide.admission.review import (
    ALLOWED,
    AdmissionRequest,
    Operation,
    Verdict,
    denied,
    set_field,
)

UNKNOWN_TO_OLD_CLIENTS = ("nextStepIndex", "finalisingStep")
"""Fields of `canaryStatus` that KubeVela's struct drops with every PUT of a status."""

_APPROVABLE = (StepState.PAUSED, StepState.READY)


def admit_status(request: AdmissionRequest, writers: Collection[str]) -> Verdict:
    """Answer an UPDATE of `rollouts/status`.

    An approval counts only where a step waits for one: written earlier, it would pass a
    step that nobody has seen (upstream has this rule, commented out).
    """
    if request.operation != "UPDATE" or request.user_info.username in writers:
        return ALLOWED
    old, new = _canary(request.old), _canary(request.new)
    before, after = old.get("currentStepState"), new.get("currentStepState")
    if after == StepState.READY and before not in _APPROVABLE:
        return denied(_not_waiting(before))
    if not new:
        return ALLOWED
    approver = old.get("approvedBy")
    if after == StepState.READY and before == StepState.PAUSED and _outdated(request.old):
        return Verdict(
            patch=(*_state(request.new, before), *_given_back(request.new, old)),
            warnings=(_NOT_SEEN,),
        )
    if after == StepState.READY and before == StepState.PAUSED:
        approver = request.user_info.username
    return Verdict(patch=(*_approver(request.new, approver), *_given_back(request.new, old)))


_NOT_SEEN = (
    "nothing was approved: the spec of the Rollout was changed a moment ago and the controller "
    "has not seen it yet; look at the Rollout and approve again"
)


def _outdated(rollout: Mapping[str, Any]) -> bool:
    """Whether the spec was changed since the controller wrote the status.

    `vela workflow resume` un-pauses and then approves the StepPaused that it reads, which may
    be the one of before the suspension. It is admitted without the approval, not refused: the
    rest of the command goes on, and a repeated one would approve.
    """
    seen = (rollout.get("status") or {}).get("observedGeneration")
    return seen is not None and seen != (rollout.get("metadata") or {}).get("generation")


def _state(obj: Mapping[str, Any], state: object) -> list[Operation]:
    return set_field(obj, ("status", "canaryStatus", "currentStepState"), state)


def _not_waiting(state: object) -> str:
    where = f"it is in {state}" if state else "no release is in progress"
    return (
        "status.canaryStatus.currentStepState: the step does not wait for an approval: "
        f"{where} (approve when it is {StepState.PAUSED}, or end a pause early by setting "
        "pause.duration of the step to 0)"
    )


def _approver(obj: Mapping[str, Any], name: object) -> list[Operation]:
    return set_field(obj, ("status", "canaryStatus", "approvedBy"), name)


def _given_back(obj: Mapping[str, Any], old: Mapping[str, Any]) -> list[Operation]:
    """Put back what an old client dropped."""
    new = _canary(obj)
    operations: list[Operation] = []
    for name in UNKNOWN_TO_OLD_CLIENTS:
        if name in old and name not in new:
            operations += set_field(obj, ("status", "canaryStatus", name), old[name])
    return operations


def _canary(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    return (obj.get("status") or {}).get("canaryStatus") or {}
