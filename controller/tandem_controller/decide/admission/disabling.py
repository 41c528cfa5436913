"""Deletion of the addon's Application: refused while releases run.

Disabling the addon takes the controller away. A release would stand where it is, its workload
paused, with nobody to finish it or to take it back. `vela addon disable` itself refuses only
while Applications use the addon's definitions, and `-f` passes over that; this holds for both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tandem_controller.api.rollout import Phase, Rollout
from tandem_controller.decide.admission.review import ALLOWED, AdmissionRequest, Verdict, denied
from tandem_controller.keys import BREAK_GLASS, FINALIZER

ADDON = "addon-tandem"
"""The Application that `vela addon enable` makes (kubevela `addonutil.Addon2AppName`)."""

ADDON_NAMESPACE = "vela-system"
_LISTED = 10
_RUNNING = (Phase.PROGRESSING, Phase.TERMINATING, Phase.DISABLING)


def admit_disabling(request: AdmissionRequest, rollouts: Iterable[Rollout] | None) -> Verdict:
    """Answer a DELETE of an Application; `rollouts` are all there are, None if not yet known."""
    if not _is_addon(request) or has_break_glass(request):
        return ALLOWED
    if rollouts is None:
        return denied(
            "metadata: Tandem has just started and does not know yet which releases run; "
            "disable the addon in a moment"
        )
    running = sorted(_running(rollouts))
    return denied(_refusal(running)) if running else ALLOWED


def has_break_glass(request: AdmissionRequest) -> bool:
    """Whether whoever disables the addon said that running releases may be left frozen."""
    labels = _metadata(request).get("labels") or {}
    return bool(labels.get(BREAK_GLASS) == "true")


def _is_addon(request: AdmissionRequest) -> bool:
    place = (request.operation, request.namespace, _metadata(request).get("name"))
    return place == ("DELETE", ADDON_NAMESPACE, ADDON)


def _metadata(request: AdmissionRequest) -> Mapping[str, Any]:
    metadata: Mapping[str, Any] = request.old.get("metadata") or {}
    return metadata


def _running(rollouts: Iterable[Rollout]) -> Iterator[str]:
    """Yield what runs: a Rollout in a release, or held by the finalizer until one has ended."""
    for rollout in rollouts:
        meta, canary = rollout.metadata, rollout.status.canary_status
        if rollout.status.phase in _RUNNING or FINALIZER in meta.finalizers:
            step = f" (step {canary.current_step_index})" if canary else ""
            yield f"{meta.namespace}/{meta.name}{step}"


def _refusal(running: list[str]) -> str:
    named = ", ".join(running[:_LISTED])
    if more := len(running) - _LISTED:
        named += f" and {more} more" if more > 0 else ""
    return (
        f"metadata: the addon is not disabled while releases run: {named}. Finish each or roll it "
        "back (`tandem get` shows them), or leave them frozen where they stand with "
        f"`kubectl label application {ADDON} -n {ADDON_NAMESPACE} {BREAK_GLASS}=true`"
    )
