"""Whether a component update and a business release would go out together.

A component update is another version of a component's definition, or a change of the
platform part of its pods; a business release changes the business part. Going out in one
step they are released by one canary and cannot be judged, or taken back, apart
(openkruise/kruise#1792). The checkpoint refuses such a step before anything is applied.

What another definition alone does to the pods is the update's, whichever containers it
touches: it is told from what the Application states by `Component.updated`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby
from typing import Any

from tandem_controller.api.policy import Containers
from tandem_controller.api.record import Change
from tandem_controller.decide.checkpoint.difference import Difference, Part, differences
from tandem_controller.decide.checkpoint.properties import (
    PLATFORM_PROPERTIES,
    property_differences,
)

Obj = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, order=True)
class Subject:
    """A component of an Application, or a workload that belongs to none (no application)."""

    namespace: str
    application: str
    name: str

    def __str__(self) -> str:
        if self.application:
            return f"component {self.name} of Application {self.namespace}/{self.application}"
        return f"{self.name} in namespace {self.namespace}"


@dataclass(frozen=True, kw_only=True)
class Definition:
    """What rendered a component; `content` is a fingerprint, empty where it is not known."""

    name: str = ""
    version: str = ""
    content: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, (self.name, self.version))) or "not known"


@dataclass(frozen=True, kw_only=True)
class Component:
    """A component with everything that is rendered for it.

    `updated` are the objects that the *old* Application gives with the definitions of the
    new side: what the definitions alone change. None: not known, or nothing to tell apart.
    `overrides` are properties that policies give it, by policy: KubeVela merges them, so they
    are told by their names. `stated` is what else the Application says of it.
    """

    definition: Definition = Definition()
    objects: tuple[Obj, ...] = ()
    updated: tuple[Obj, ...] | None = None
    overrides: Mapping[str, Obj] = field(default_factory=dict)
    stated: Mapping[str, Any] = field(default_factory=dict)


Side = Mapping[Subject, Component]


class Presence(StrEnum):
    """Whether a component is on both sides."""

    KEPT = "Kept"
    ADDED = "Added"
    REMOVED = "Removed"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What changes in one component."""

    subject: Subject
    presence: Presence
    before: Definition | None
    after: Definition | None
    differences: tuple[Difference, ...]

    @property
    def change(self) -> Change:
        """The class of the whole change."""
        return change_of(self.differences)


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """A component update and a business release that would go out together."""

    what: str
    application: tuple[str, str]
    """Namespace and name; the name is empty where there is no Application."""
    update: tuple[Difference, ...]
    release: tuple[Difference, ...]


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was found; it may go out when there is no conflict."""

    findings: tuple[Finding, ...]
    conflicts: tuple[Conflict, ...]


def check(before: Side, after: Side, *, containers: Containers, whole: bool) -> Report:
    """Compare two sides.

    `containers` adds name patterns to those that the ReleasePolicies of the components
    state. With `whole`, an update of one component counts against a release of another one
    of the same Application; otherwise each component is judged by itself.
    """
    findings = tuple(
        _finding(subject, before.get(subject), after.get(subject), containers)
        for subject in sorted({*before, *after})
    )
    return Report(findings=findings, conflicts=tuple(_conflicts(findings, whole=whole)))


def change_of(found: Iterable[Difference]) -> Change:
    """Return the class of some differences; operations belong to neither part."""
    parts = {difference.part for difference in found}
    if {Part.PLATFORM, Part.BUSINESS} <= parts:
        return Change.BOTH
    if Part.PLATFORM in parts:
        return Change.PLATFORM
    return Change.BUSINESS if Part.BUSINESS in parts else Change.NEITHER


def _finding(
    subject: Subject, before: Component | None, after: Component | None, containers: Containers
) -> Finding:
    if before is None or after is None:
        found: tuple[Difference, ...] = (_came_or_went(before, after),)
    else:
        found = (*_definition(before, after), *_objects(before, after, containers))
    return Finding(
        subject=subject,
        presence=_presence(before, after),
        before=before.definition if before else None,
        after=after.definition if after else None,
        differences=found,
    )


def _presence(before: Component | None, after: Component | None) -> Presence:
    if before is None:
        return Presence.ADDED
    return Presence.REMOVED if after is None else Presence.KEPT


def _came_or_went(before: Component | None, after: Component | None) -> Difference:
    """A component that comes or goes is the product's own decision: no pod of it is shared."""
    old, new = (str(side.definition) if side else "" for side in (before, after))
    return Difference(part=Part.BUSINESS, what="component", before=old, after=new)


def _definition(before: Component, after: Component) -> Iterable[Difference]:
    """Yield another definition; what a side does not know (a manifest's) is not compared."""
    old, new = before.definition, after.definition
    if _differ(old.name, new.name) or _differ(old.version, new.version):
        yield Difference(part=Part.PLATFORM, what="definition", before=str(old), after=str(new))
    elif _differ(old.content, new.content):
        what = f"definition {new} (other content under the same version)"
        yield Difference(part=Part.PLATFORM, what=what)


def _differ(old: str, new: str) -> bool:
    return bool(old and new and old != new)


def _objects(before: Component, after: Component, extra: Containers) -> Iterable[Difference]:
    """Yield what the definitions change, all of it an update, then what is stated."""
    containers = _containers((*before.objects, *after.objects), extra)
    base = before.objects
    if before.updated is not None:
        for found in differences(before.objects, before.updated, containers):
            yield found.by_definition()
        base = before.updated
    yield from differences(base, after.objects, containers)
    for policy in sorted({*before.overrides, *after.overrides}):
        old, new = (side.overrides.get(policy) or {} for side in (before, after))
        yield from property_differences(old, new, PLATFORM_PROPERTIES, place=policy)
    for key in sorted({*before.stated, *after.stated}):
        if before.stated.get(key) != after.stated.get(key):
            yield Difference(part=Part.OPERATIONS, what=key)


def _containers(objects: Iterable[Obj], extra: Containers) -> Containers:
    """Return the patterns of both sides' ReleasePolicies and those that the caller adds."""
    stated = [
        (obj.get("spec") or {}).get("containers") or {}
        for obj in objects
        if obj.get("kind") == "ReleasePolicy"
    ]
    return Containers(
        platform=(*extra.platform, *(p for s in stated for p in s.get("platform") or ())),
        business=(*extra.business, *(p for s in stated for p in s.get("business") or ())),
    )


def _conflicts(findings: Iterable[Finding], *, whole: bool) -> Iterable[Conflict]:
    for what, group in _groups(findings, whole=whole):
        application = _application(group[0])
        found = [difference for finding in group for difference in finding.differences]
        if change_of(found) is Change.BOTH:
            yield Conflict(
                what=what,
                application=application,
                update=tuple(d for d in found if d.part is Part.PLATFORM),
                release=tuple(d for d in found if d.part is Part.BUSINESS),
            )


def _groups(findings: Iterable[Finding], *, whole: bool) -> Iterable[tuple[str, list[Finding]]]:
    if not whole:
        yield from ((str(finding.subject), [finding]) for finding in findings)
        return
    for (namespace, name), group in groupby(findings, key=_application):
        what = f"Application {namespace}/{name}" if name else f"namespace {namespace}"
        yield what, list(group)


def _application(finding: Finding) -> tuple[str, str]:
    return finding.subject.namespace, finding.subject.application
