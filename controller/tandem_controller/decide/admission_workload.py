"""Updates of workloads: take a new version over, and hold what a release has set.

A new template is paused and marked before the Deployment controller can see it, from the
moment that a Rollout names the Deployment. While the release runs, the fields that steer
it keep their values against whoever re-applies a manifest; everything else passes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from tandem_controller.api.fingerprint import canonical, template_fingerprint
from tandem_controller.api.rollout import Rollout
from tandem_controller.decide.admission import (
    ALLOWED,
    AdmissionRequest,
    Operation,
    Verdict,
    set_field,
)
from tandem_controller.keys import BREAK_GLASS, IN_PROGRESSING

KNOBS: Mapping[str, object] = {
    "strategy": None,
    "minReadySeconds": 0,
    "progressDeadlineSeconds": None,
    "paused": False,
}
"""Fields of the spec that steer a release, with the value that an absent one has."""

_SERVER_FIELDS = ("managedFields", "resourceVersion", "generation")


def admit_workload(
    request: AdmissionRequest, rollouts: Iterable[Rollout], writers: Collection[str]
) -> Verdict:
    """Answer an UPDATE of a Deployment.

    `rollouts` are those that name it, `writers` the users that Tandem itself writes as.
    """
    known = tuple(rollouts)
    if request.operation != "UPDATE" or request.user_info.username in writers or not known:
        return ALLOWED
    if _labels(request.new).get(BREAK_GLASS) == "true":
        return Verdict(
            warnings=(f"label {BREAK_GLASS} is set: Tandem neither takes over nor holds",)
        )
    if IN_PROGRESSING in _annotations(request.old):
        return _hold(request)
    rollout = next(filter(_takes_over, known), None)
    return _take_over(request, rollout) if rollout and _starts_release(request) else ALLOWED


def marker(rollout: str) -> str:
    """Return the value of the in-progressing annotation (upstream's format)."""
    return canonical({"rolloutName": rollout}).decode()


def _takes_over(rollout: Rollout) -> bool:
    """Whether a Rollout releases at all (upstream's conditions)."""
    strategy = rollout.spec.strategy
    steps = strategy.canary.steps if strategy.canary else ()
    return not rollout.metadata.deleting and not rollout.spec.disabled and bool(steps)


def _starts_release(request: AdmissionRequest) -> bool:
    """Whether running pods would be replaced; with no replicas there is nothing to protect."""
    runs = all(_spec(obj).get("replicas", 1) != 0 for obj in (request.old, request.new))
    return runs and _template_changed(request)


def _take_over(request: AdmissionRequest, rollout: Rollout) -> Verdict:
    name = rollout.metadata.name
    patch = [
        *set_field(request.new, ("spec", "paused"), True),
        *set_field(request.new, ("metadata", "annotations", IN_PROGRESSING), marker(name)),
    ]
    return Verdict(patch=tuple(patch))


def _hold(request: AdmissionRequest) -> Verdict:
    """Keep the knobs and the marker of a release in progress.

    A template that changes again is paused like the first one, whatever it is: the
    decision tells a rollback from a newer version. `kubectl rollout resume` passes: it is
    the way out while no Tandem process runs, and must not become a habit otherwise.
    """
    if _only_unpauses(request):
        return Verdict(warnings=(_unpaused_warning(request),))
    held = [knob for knob in KNOBS if _knob(request.old, knob) != _knob(request.new, knob)]
    patch: list[Operation] = []
    for knob in held:
        patch += set_field(request.new, ("spec", knob), _spec(request.old).get(knob))
    if _template_changed(request):
        patch = [op for op in patch if op["path"] != "/spec/paused"]
        patch += set_field(request.new, ("spec", "paused"), True)
    mark = _annotations(request.old)[IN_PROGRESSING]
    path = ("metadata", "annotations", IN_PROGRESSING)
    dropped = set_field(request.new, path, mark)
    return Verdict(patch=(*patch, *dropped), warnings=_hold_warnings(held))


def _only_unpauses(request: AdmissionRequest) -> bool:
    old_paused, new_paused = (_knob(obj, "paused") for obj in (request.old, request.new))
    return old_paused is True and new_paused is False and _rest(request.old) == _rest(request.new)


def _rest(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object without `paused`, its status and what the server writes itself."""
    metadata = {k: v for k, v in (obj.get("metadata") or {}).items() if k not in _SERVER_FIELDS}
    spec = {key: value for key, value in _spec(obj).items() if key != "paused"}
    return {"metadata": metadata, "spec": spec}


def _unpaused_warning(request: AdmissionRequest) -> str:
    return (
        f"Deployment {request.name!r} is in the middle of a release: un-paused by hand, it rolls "
        "on to the template it states, past all steps. While Tandem runs, approve or roll back "
        "the Rollout instead"
    )


def _hold_warnings(held: Collection[str]) -> tuple[str, ...]:
    if not held:
        return ()
    fields = ", ".join(f"spec.{knob}" for knob in held)
    text = (
        f"a release is in progress: {fields} kept as it was and restored at its end; "
        "to stop the release set strategy.paused of the Rollout"
    )
    return (text,)


def _template_changed(request: AdmissionRequest) -> bool:
    old, new = (_spec(obj).get("template") or {} for obj in (request.old, request.new))
    return template_fingerprint(old) != template_fingerprint(new)


def _knob(obj: Mapping[str, Any], knob: str) -> object:
    value = _spec(obj).get(knob)
    return KNOBS[knob] if value is None else value


def _spec(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    return obj.get("spec") or {}


def _annotations(obj: Mapping[str, Any]) -> Mapping[str, str]:
    return (obj.get("metadata") or {}).get("annotations") or {}


def _labels(obj: Mapping[str, Any]) -> Mapping[str, str]:
    return (obj.get("metadata") or {}).get("labels") or {}
