"""Creation and updates of Rollouts: refuse what cannot be carried out, give back what was lost."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec

from tandem_controller import keys
from tandem_controller.api.conversion import (
    V1ALPHA1,
    UnknownVersionError,
    dropped_by_old_client,
    rollout_of,
)
from tandem_controller.api.reshape import FIELD_ANNOTATIONS, without
from tandem_controller.api.rollout import Rollout
from tandem_controller.decide.admission.review import (
    ALLOWED,
    AdmissionRequest,
    Verdict,
    annotations_of,
    denied,
    set_field,
)
from tandem_controller.decide.validity.rollout import validate_rollout

_SWITCHES = ("paused", "disabled")
"""Fields that stop and start a release; they must work on any Rollout, however wrong."""


def admit_rollout(
    request: AdmissionRequest, others: Iterable[Rollout], writers: Collection[str]
) -> Verdict:
    """Answer CREATE and UPDATE of a Rollout: refused with every field, fault and remedy.

    `others` are the other Rollouts of the namespace. An update that leaves the spec as it
    is passes, also where the stored one is wrong: it was let in while no Tandem ran.
    """
    if request.user_info.username in writers or _deleting(request.new):
        return ALLOWED
    if request.operation == "UPDATE" and _asked(request.old) == _asked(request.new):
        return ALLOWED
    try:
        new = rollout_of(request.new)
        old = rollout_of(request.old) if request.old else None
    except (msgspec.ValidationError, UnknownVersionError) as error:
        return denied(f"the Rollout cannot be read: {error}")
    alpha = request.new.get("apiVersion") == V1ALPHA1
    problems = validate_rollout(new.spec, old=old, others=others, alpha=alpha)
    if not problems:
        return ALLOWED
    return denied("; ".join(map(str, problems)))


def give_back(request: AdmissionRequest, writers: Collection[str]) -> Verdict:
    """Answer an UPDATE of a Rollout in which an old client dropped newer fields.

    KubeVela suspends and resumes through a struct that does not know them. The spec
    comes back as it was, with the one thing that was really changed.
    """
    if request.operation != "UPDATE" or request.user_info.username in writers:
        return ALLOWED
    if request.new.get("apiVersion") != V1ALPHA1:
        return ALLOWED
    if not dropped_by_old_client(request.old, request.new):
        return ALLOWED
    paused = (request.new["spec"].get("strategy") or {}).get("paused")
    spec = request.old.get("spec") or {}
    strategy = {**without(spec.get("strategy") or {}, ("paused",))}
    if paused is not None:
        strategy["paused"] = paused
    restored = {**spec, "strategy": strategy}
    return Verdict(patch=tuple(set_field(request.new, ("spec",), restored)))


def note_approver(request: AdmissionRequest, writers: Collection[str]) -> Verdict:
    """Answer an UPDATE of a Rollout: keep in it who set the annotation that approves a step.

    What the request states about that does not count.
    """
    if request.operation != "UPDATE" or request.user_info.username in writers:
        return ALLOWED
    old, new = annotations_of(request.old), annotations_of(request.new)
    approver = None
    if keys.APPROVE in new:
        known = new[keys.APPROVE] == old.get(keys.APPROVE)
        approver = old.get(keys.APPROVED_BY) if known else request.user_info.username
    path = ("metadata", "annotations", keys.APPROVED_BY)
    return Verdict(patch=tuple(set_field(request.new, path, approver)))


def _asked(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a Rollout asks for, without the switches."""
    spec = obj.get("spec") or {}
    annotations = annotations_of(obj)
    strategy = without(spec.get("strategy") or {}, _SWITCHES)
    return {
        "spec": {**without(spec, _SWITCHES), "strategy": strategy},
        "annotations": {key: annotations.get(key) for key in FIELD_ANNOTATIONS},
    }


def _deleting(obj: Mapping[str, Any]) -> bool:
    return bool((obj.get("metadata") or {}).get("deletionTimestamp"))
