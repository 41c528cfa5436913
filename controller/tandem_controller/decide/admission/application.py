"""Updates of Applications: warn of, or refuse, a component update in one step with a release.

This is the checkpoint's last line, behind the one in CI: it sees the Application's own old
and new spec and no definition, so properties are told by their names. A way back is never
refused: KubeVela's own writes pass, and so does a pair of images that has run before.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tandem_controller.api.record import Change, Outcome, ReleaseRecord
from tandem_controller.decide.admission.review import ALLOWED, AdmissionRequest, Verdict, denied
from tandem_controller.decide.checkpoint.difference import Difference, Part
from tandem_controller.decide.checkpoint.judge import change_of
from tandem_controller.decide.checkpoint.properties import (
    PLATFORM_PROPERTIES,
    component_differences,
    images_of,
    override_differences,
    waiver,
)
from tandem_controller.keys import TOGETHER

KUBEVELA = "system:serviceaccounts:vela-system"
"""Group of KubeVela's own service accounts; people and GitOps tools are not in it."""

_PROVEN = (Outcome.COMPLETED, Outcome.BASELINE)

Obj = Mapping[str, Any]
Proven = Callable[[str, str], Iterable[Collection[str]]]
"""Given namespace and component: the images of each version that has run to its end."""


class Mode(StrEnum):
    """What admission does about both in one step."""

    OFF = "off"
    WARN = "warn"
    DENY = "deny"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """How admission judges Applications; `platform` are name patterns of properties."""

    mode: Mode = Mode.OFF
    platform: tuple[str, ...] = PLATFORM_PROPERTIES


NO_CHECKPOINT = Checkpoint()
"""Every Application passes."""


def nothing_proven(_namespace: str, _component: str) -> Iterable[Collection[str]]:
    """Say that no version is known to have run."""
    return ()


def proven_images(records: Iterable[ReleaseRecord]) -> Iterable[Collection[str]]:
    """Return the images of each recorded version that was released whole."""
    for record in records:
        if any(attempt.outcome in _PROVEN for attempt in record.status.attempts):
            yield frozenset(found.image for found in record.spec.images)


def admit_application(
    request: AdmissionRequest, checkpoint: Checkpoint, proven: Proven = nothing_proven
) -> Verdict:
    """Answer an UPDATE of an Application."""
    if checkpoint.mode is Mode.OFF or _passes(request):
        return ALLOWED
    found = dict(_both(request, checkpoint.platform, proven))
    if not found:
        return ALLOWED
    if checkpoint.mode is Mode.WARN:
        return Verdict(warnings=tuple(_warning(name, both) for name, both in found.items()))
    return denied("; ".join(_refusal(name, both) for name, both in found.items()))


def _passes(request: AdmissionRequest) -> bool:
    return (
        request.operation != "UPDATE"
        or KUBEVELA in request.user_info.groups
        or bool((request.new.get("metadata") or {}).get("deletionTimestamp"))
        or bool(waiver(request.old, request.new))
    )


def _both(
    request: AdmissionRequest, platform: tuple[str, ...], proven: Proven
) -> Iterator[tuple[str, tuple[Difference, ...]]]:
    """Yield the components with an update and a release in one, and what differs in each."""
    old, new = (_components(side) for side in (request.old, request.new))
    for name in (name for name in old if name in new):
        found = tuple(component_differences(old[name], new[name], platform))
        found += tuple(override_differences(request.old, request.new, name, platform))
        before = proven(request.namespace, name)
        if change_of(found) is Change.BOTH and not _has_run(images_of(new[name]), before):
            yield name, found


def _components(application: Obj) -> dict[str, Obj]:
    listed = (application.get("spec") or {}).get("components") or ()
    return {str(component.get("name")): component for component in listed}


def _has_run(images: Collection[str], proven: Iterable[Collection[str]]) -> bool:
    """Whether these images ran together before: then it is a way back, and proven."""
    return bool(images) and any(set(images) <= set(version) for version in proven)


def _warning(name: str, both: Iterable[Difference]) -> str:
    update, release = (_names(both, part) for part in (Part.PLATFORM, Part.BUSINESS))
    return (
        f"component {name}: a component update ({update}) and a business release ({release}) "
        "go out together; release one of them first"
    )


def _refusal(name: str, both: Iterable[Difference]) -> str:
    update, release = (_names(both, part) for part in (Part.PLATFORM, Part.BUSINESS))
    return (
        f"spec.components[{name}]: a component update ({update}) and a business release "
        f"({release}) would go out together: release one of the two first, then the other. To go "
        "back to an earlier version, or where both belong together, set the annotation "
        f"{TOGETHER} of the Application to the reason"
    )


def _names(both: Iterable[Difference], part: Part) -> str:
    return ", ".join(difference.what for difference in both if difference.part is part)
