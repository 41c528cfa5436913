"""Updates of config in which a rollback put the old content back.

The owner of a rejected version goes on stating its ConfigMaps and Secrets, too (KubeVela with
each state keep). Such a write is admitted with the content that is stored, so that nothing is
written and no restarted pod of the old version reads the new config. Every other content passes:
it is a change that nobody has judged.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from tandem_controller.api.record import ReleaseRecord
from tandem_controller.decide.admission.review import (
    ALLOWED,
    AdmissionRequest,
    Operation,
    Verdict,
    annotations_of,
    labels_of,
    set_field,
)
from tandem_controller.decide.admission.workload import Guarded, takes_over
from tandem_controller.decide.config.mark import Mark, mark_in
from tandem_controller.decide.history.records import fault
from tandem_controller.decide.hold.withheld import rejected
from tandem_controller.keys import BREAK_GLASS, LAST_APPLIED, OAM_REVISION, WITHHELD_CONFIG

PARTS = ("data", "binaryData")
_LABEL = ("metadata", "labels", WITHHELD_CONFIG)
_ANNOTATION = ("metadata", "annotations", WITHHELD_CONFIG)

Obj = Mapping[str, Any]


def admit_config(
    request: AdmissionRequest, known: Guarded | None, writers: Collection[str]
) -> Verdict:
    """Answer an UPDATE of a ConfigMap or Secret that carries a mark.

    `known` is what the cache knows of the Rollout that the mark names; `writers` are the users
    that Tandem itself writes as.
    """
    if request.operation != "UPDATE" or request.user_info.username in writers:
        return ALLOWED
    mark = mark_in(annotations_of(request.old))
    if mark is None or labels_of(request.new).get(BREAK_GLASS) == "true":
        return ALLOWED
    if _content(request.new) == _content(request.old):
        return Verdict(patch=tuple(_marked(request, _after_no_change(request, mark))))
    if known is not None and _is_rejected(known, mark) and mark.names(_content(request.new)):
        return _admitted_as_stored(request, mark)
    return Verdict(patch=tuple(_unmarked(request)))


def marked_for(obj: Obj) -> str:
    """Return the Rollout that a mark names; empty where there is none."""
    return str(labels_of(obj).get(WITHHELD_CONFIG, ""))


def _is_rejected(known: Guarded, mark: Mark) -> bool:
    """Whether the version that the content belongs to is rejected by now."""
    if not takes_over(known.rollout):
        return False
    return any(r.metadata.name == mark.record for r in rejected(_present(known.records)))


def _present(records: Collection[ReleaseRecord]) -> Iterator[ReleaseRecord]:
    """Yield the sound records of the workload that exists now, as far as they tell.

    Those of one that is gone stay, and nothing is withheld for them.
    """
    sound = [r for r in records if r.status.attempts and fault(r) is None]
    newest = max(sound, key=lambda r: r.status.attempts[-1].started_at, default=None)
    return (r for r in sound if newest and r.spec.workload.uid == newest.spec.workload.uid)


def _admitted_as_stored(request: AdmissionRequest, mark: Mark) -> Verdict:
    patch = _marked(request, mark.is_stated_over(_content(request.old)))
    for part in (*PARTS, "immutable"):
        patch += set_field(request.new, (part,), request.old.get(part) or None)
    warning = (
        f"version {mark.record} is rejected, so its content is withheld and the stored one stays; "
        f"for the reason: tandem get {marked_for(request.old)}"
    )
    return Verdict(patch=tuple(patch), warnings=(warning,))


def _after_no_change(request: AdmissionRequest, mark: Mark) -> Mark:
    """Return the mark after a write that leaves the content as it is.

    With it an owner may have gone back to the old manifest: KubeVela writes the revision of
    its Application, kubectl the copy of the manifest. Where the rejected content written over
    the old one is the old one, this says nothing.
    """
    if mark.names(_content(request.old)):
        return mark
    told = ((labels_of, OAM_REVISION), *((annotations_of, key) for key in LAST_APPLIED))
    went_back = any(of(request.new).get(key) != of(request.old).get(key) for of, key in told)
    return mark.is_not_stated() if went_back else mark


def _marked(request: AdmissionRequest, mark: Mark) -> list[Operation]:
    """Keep the mark, whoever drops it."""
    return [
        *set_field(request.new, _LABEL, marked_for(request.old)),
        *set_field(request.new, _ANNOTATION, mark.text()),
    ]


def _unmarked(request: AdmissionRequest) -> list[Operation]:
    return [
        *set_field(request.new, _LABEL, None),
        *set_field(request.new, _ANNOTATION, None),
    ]


def _content(obj: Obj) -> dict[str, dict[str, str]]:
    return {part: obj[part] for part in PARTS if obj.get(part)}
