"""What an Application states of itself, compared by property names alone.

For where nothing can be rendered: admission has no definitions at hand, and the overrides
of a policy are merged by KubeVela. A name says whose property it is, so this sees less than
the checkpoint does: not another definition under an unchanged type, and no property that
serves both parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from tandem_controller.decide.checkpoint.difference import Difference, Part
from tandem_controller.keys import TOGETHER

Obj = Mapping[str, Any]

PLATFORM_PROPERTIES = ("init*",)
"""Name patterns of properties of the platform part, as our own definitions call them."""

PLATFORM_TRAITS = ("init-container",)
"""Traits, of KubeVela itself, that put a container of the platform into the pods."""

NEUTRAL_PROPERTIES = frozenset(
    {"replicas", "minReadySeconds", "maxSurge", "maxUnavailable", "labels", "annotations"}
)
"""How many pods, how fast, and how they are marked: no part of the pods' containers."""


def component_differences(old: Obj, new: Obj, platform: Iterable[str]) -> Iterator[Difference]:
    """Yield what differs between two statements of one component."""
    if old.get("type") != new.get("type"):
        before, after = str(old.get("type", "")), str(new.get("type", ""))
        yield Difference(part=Part.PLATFORM, what="type", before=before, after=after)
    patterns = tuple(platform)
    yield from property_differences(_properties(old), _properties(new), patterns)
    before_traits, after_traits = _traits(old), _traits(new)
    for name in dict.fromkeys((*before_traits, *after_traits)):
        if before_traits.get(name) != after_traits.get(name):
            part = Part.PLATFORM if name.split("@")[0] in PLATFORM_TRAITS else Part.OPERATIONS
            yield Difference(part=part, what=f"trait {name}")


def property_differences(
    old: Obj, new: Obj, platform: Iterable[str], *, place: str = "properties"
) -> Iterator[Difference]:
    """Yield the properties that differ, each with the part that its name tells."""
    patterns = tuple(platform)
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            shown = [str(side.get(name, "")) if _is_image(name) else "" for side in (old, new)]
            what = f"{place}.{name}"
            yield Difference(part=_part(name, patterns), what=what, before=shown[0], after=shown[1])


def override_differences(
    old: Obj, new: Obj, component: str, platform: Iterable[str]
) -> Iterator[Difference]:
    """Yield what differs in the override policies of two Applications for one component."""
    before, after = (overrides_of(side, component) for side in (old, new))
    patterns = tuple(platform)
    for policy in sorted({*before, *after}):
        left, right = before.get(policy) or {}, after.get(policy) or {}
        yield from property_differences(left, right, patterns, place=policy)


def overrides_of(application: Obj, component: str) -> dict[str, Obj]:
    """Return the properties that override policies give a component, by policy."""
    found = _overrides(application)
    return {**found.get("*", {}), **found.get(component, {})}


def images_of(component: Obj) -> frozenset[str]:
    """Return the images that a component's properties name."""
    stated = _properties(component)
    return frozenset(str(stated[name]) for name in stated if _is_image(name))


def waiver(old: Obj, new: Obj) -> str:
    """Return why both may go out together this once; empty where nobody says so.

    The annotation counts only in the change that brings it or its value: a waiver that
    stays in the file must not wave the next change through.
    """
    before, after = (
        str(((side.get("metadata") or {}).get("annotations") or {}).get(TOGETHER) or "")
        for side in (old, new)
    )
    return after if after != before else ""


def _overrides(application: Obj) -> dict[str, dict[str, Obj]]:
    """Return the properties that override policies give, by component and policy.

    A policy that names no component speaks of every one (`*`).
    """
    found: dict[str, dict[str, Obj]] = {}
    for policy in _list((application.get("spec") or {}).get("policies")):
        if policy.get("type") != "override":
            continue
        for component in _list((policy.get("properties") or {}).get("components")):
            name = str(component.get("name") or "*")
            found.setdefault(name, {})[f"policy {policy.get('name')}"] = _properties(component)
    return found


def _part(name: str, platform: Iterable[str]) -> Part:
    if any(fnmatchcase(name, pattern) for pattern in platform):
        return Part.PLATFORM
    return Part.OPERATIONS if name in NEUTRAL_PROPERTIES else Part.BUSINESS


def _is_image(name: str) -> bool:
    return name.lower().endswith("image")


def _properties(component: Obj) -> Obj:
    found = component.get("properties")
    return found if isinstance(found, Mapping) else {}


def _traits(component: Obj) -> dict[str, list[object]]:
    traits: dict[str, list[object]] = {}
    for trait in _list(component.get("traits")):
        traits.setdefault(str(trait.get("type")), []).append(trait.get("properties") or {})
    return traits


def _list(value: object) -> list[Obj]:
    return [v for v in value if isinstance(v, Mapping)] if isinstance(value, list) else []
