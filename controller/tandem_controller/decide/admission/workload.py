"""Updates of workloads: take a new version over, and hold what a release has set.

A new template is paused and marked before the Deployment controller can see it, from the
moment that a Rollout names the Deployment. While the release runs, the fields that steer
it keep their values against whoever re-applies a manifest; everything else passes.

A template that is withheld (rejected, or a held platform change) is admitted as the one that
is stored, so that its owner may re-apply it for ever and nothing is written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tandem_controller.api.fingerprint import canonical, template_fingerprint
from tandem_controller.api.policy import DEFAULT_POLICY, ReleasePolicySpec
from tandem_controller.api.record import ReleaseRecord
from tandem_controller.api.rollout import Rollout
from tandem_controller.decide.admission.delivery import with_delivery
from tandem_controller.decide.admission.review import (
    ALLOWED,
    AdmissionRequest,
    Operation,
    Verdict,
    annotations_of,
    labels_of,
    set_field,
)
from tandem_controller.decide.classify import parts
from tandem_controller.decide.history.records import fault
from tandem_controller.decide.history.records import stable as stable_record
from tandem_controller.decide.hold.withheld import release_id, withheld
from tandem_controller.keys import BREAK_GLASS, IN_PROGRESSING, RECORD_ROLLOUT

KNOBS: Mapping[str, object] = {
    "strategy": None,
    "minReadySeconds": 0,
    "progressDeadlineSeconds": None,
    "paused": False,
}
"""Fields of the spec that steer a release, with the value that an absent one has."""

RESUMING_MANAGER = "kubectl-rollout"
"""The field manager of `kubectl rollout resume`, unless its user names another."""

_SERVER_FIELDS = ("managedFields", "resourceVersion", "generation")


@dataclass(frozen=True, kw_only=True)
class Guarded:
    """What the cache knows of a workload: a Rollout that names it, its policy and its records."""

    rollout: Rollout
    policy: ReleasePolicySpec = DEFAULT_POLICY
    records: tuple[ReleaseRecord, ...] = ()


def admit_workload(
    request: AdmissionRequest, guarded: Iterable[Guarded], writers: Collection[str]
) -> Verdict:
    """Answer an UPDATE of a Deployment.

    `guarded` is known of it, one entry for each Rollout that names it; `writers` are the users
    that Tandem itself writes as.
    """
    known = tuple(guarded)
    if request.operation != "UPDATE" or request.user_info.username in writers or not known:
        return ALLOWED
    return with_delivery(request, _answered(request, known))


def _answered(request: AdmissionRequest, known: tuple[Guarded, ...]) -> Verdict:
    if labels_of(request.new).get(BREAK_GLASS) == "true":
        return Verdict(
            warnings=(f"label {BREAK_GLASS} is set: Tandem neither takes over nor holds",)
        )
    if found := next(filter(None, (_withheld(request, each) for each in known)), None):
        return _admitted_as_stored(request, found)
    if IN_PROGRESSING in annotations_of(request.old):
        return _resumed(request) or _hold(request)
    rollout = next((each.rollout for each in known if takes_over(each.rollout)), None)
    return _take_over(request, rollout) if rollout and _starts_release(request) else ALLOWED


def _withheld(request: AdmissionRequest, known: Guarded) -> ReleaseRecord | None:
    """Return the record that withholds the stated template, if the stored one may stand.

    Where the stored template is withheld itself, it came while no webhook answered; it stays
    paused until the controller has put the one in force back.
    """
    if not (takes_over(known.rollout) and _template_changed(request)):
        return None
    records = _of_workload(request, known.records)
    stable = stable_record(records)
    if stable is None:
        return None
    containers = known.policy.containers
    found = withheld(records, stable, containers)
    name = release_id(request.new.get("metadata") or {})
    refused = found.match(parts(_template(request.new), containers), name)
    stored = found.match(parts(_template(request.old), containers), name)
    return refused if stored is None else None


def _of_workload(
    request: AdmissionRequest, records: Iterable[ReleaseRecord]
) -> tuple[ReleaseRecord, ...]:
    uid = (request.old.get("metadata") or {}).get("uid")
    return tuple(r for r in records if r.spec.workload.uid == uid and fault(r) is None)


def _admitted_as_stored(request: AdmissionRequest, refused: ReleaseRecord) -> Verdict:
    """Give back template, take-over mark and the fields that steer a release.

    The policies in the API server were asked first, and may have paused the new template.
    """
    mark = annotations_of(request.old).get(IN_PROGRESSING)
    patch = [
        *set_field(request.new, ("spec", "template"), _spec(request.old).get("template")),
        *set_field(request.new, ("metadata", "annotations", IN_PROGRESSING), mark),
    ]
    knobs = KNOBS if mark else ("paused",)
    for knob in knobs:
        if _knob(request.old, knob) != _knob(request.new, knob):
            patch += set_field(request.new, ("spec", knob), _spec(request.old).get(knob))
    rollout = refused.metadata.labels.get(RECORD_ROLLOUT, "")
    warning = (
        f"spec.template: version {refused.metadata.name} is withheld, the template stays as it is; "
        f"for the reason: tandem get {rollout}"
    )
    return Verdict(patch=tuple(patch), warnings=(warning,))


def marker(rollout: str) -> str:
    """Return the value of the in-progressing annotation (upstream's format)."""
    return canonical({"rolloutName": rollout}).decode()


def takes_over(rollout: Rollout) -> bool:
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
    decision tells a rollback from a newer version.
    """
    held = [knob for knob in KNOBS if _knob(request.old, knob) != _knob(request.new, knob)]
    patch: list[Operation] = []
    for knob in held:
        patch += set_field(request.new, ("spec", knob), _spec(request.old).get(knob))
    if _template_changed(request):
        patch = [op for op in patch if op["path"] != "/spec/paused"]
        patch += set_field(request.new, ("spec", "paused"), True)
    mark = annotations_of(request.old)[IN_PROGRESSING]
    path = ("metadata", "annotations", IN_PROGRESSING)
    dropped = set_field(request.new, path, mark)
    return Verdict(patch=(*patch, *dropped), warnings=_hold_warnings(held))


def _resumed(request: AdmissionRequest) -> Verdict | None:
    """Let `kubectl rollout resume` pass, and say what it does.

    It is the way out while no Tandem process runs, and must not become a habit otherwise. An
    owner that re-applies `paused: false` sends the same change; only the field manager tells
    a hand from it (the default of that command in kubectl is `kubectl-rollout`).
    """
    by_hand = request.options.field_manager == RESUMING_MANAGER
    if not (by_hand and _only_unpauses(request)):
        return None
    return Verdict(warnings=(_unpaused_warning(request),))


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
    old, new = _template(request.old), _template(request.new)
    return template_fingerprint(old) != template_fingerprint(new)


def _template(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    return _spec(obj).get("template") or {}


def _knob(obj: Mapping[str, Any], knob: str) -> object:
    value = _spec(obj).get(knob)
    return KNOBS[knob] if value is None else value


def _spec(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    return obj.get("spec") or {}
