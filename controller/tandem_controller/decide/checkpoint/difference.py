"""What differs between two sets of rendered objects, each difference with its part.

Values are shown only where they are image references: whatever else an object holds may
be a secret, and a checkpoint prints into the log of a CI job.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import zip_longest
from typing import Any

from tandem_controller.api.policy import Containers
from tandem_controller.decide.classify import LISTS, content

Obj = Mapping[str, Any]
Key = tuple[str, str]
"""Kind and name of an object within its component."""

CONFIG_KINDS = ("ConfigMap", "Secret")

_UNTOUCHED = ("apiVersion", "kind", "metadata", "status")
"""Fields that say which object it is, or that a server writes."""


class Part(StrEnum):
    """Whose change a difference is."""

    PLATFORM = "Platform"
    BUSINESS = "Business"
    OPERATIONS = "Operations"
    """Replicas, strategy, traits, routes: how it is released, not what."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that differs; `before` and `after` only where they may be shown."""

    part: Part
    what: str
    before: str = ""
    after: str = ""

    def by_definition(self) -> Difference:
        """Return it as the doing of another definition, which is an update whatever it touches."""
        part = Part.OPERATIONS if self.part is Part.OPERATIONS else Part.PLATFORM
        return replace(self, part=part, what=f"{self.what} (by the definition)")

    def __str__(self) -> str:
        if self.before or self.after:
            return f"{self.what}: {self.before or 'none'} -> {self.after or 'none'}"
        return self.what


def differences(
    before: Iterable[Obj], after: Iterable[Obj], containers: Containers
) -> Iterator[Difference]:
    """Yield what differs between the objects of a component."""
    old, new = list(before), list(after)
    yield from _workloads(_having_pods(old), _having_pods(new), containers)
    templates = [t for obj in (*old, *new) if (t := pod_template(obj)) is not None]
    for key, left, right in _others(old, new):
        part = _config_part(key, templates, containers)
        if _rest(left) != _rest(right):
            yield Difference(part=part, what=" ".join(key))


def pod_template(obj: Obj) -> Obj | None:
    """Return an object's pod template, whatever its kind; None where it has none."""
    if obj.get("kind") == "Pod":
        return {"metadata": obj.get("metadata"), "spec": obj.get("spec")}
    spec = obj.get("spec") or {}
    job = (spec.get("jobTemplate") or {}).get("spec") or {}
    for template in (spec.get("template"), job.get("template")):
        if isinstance(template, Mapping) and "containers" in (template.get("spec") or {}):
            return template
    return None


def _workloads(
    before: dict[Key, Obj], after: dict[Key, Obj], containers: Containers
) -> Iterator[Difference]:
    """Yield what differs in the workloads; one that changed its kind or name is still the same."""
    several = len(before | after) > 1
    for old, new in _pairs(before, after):
        if old != new:
            yield _came_or_went(old, new)
        if old and new:
            place = f"{' '.join(new)} " if several else ""
            yield from _workload(before[old], after[new], containers, place)


def _pairs(before: Iterable[Key], after: Iterable[Key]) -> Iterator[tuple[Key | None, Key | None]]:
    """Pair workloads by kind and name, then what is left in its order."""
    old, new = list(before), list(after)
    yield from ((key, key) for key in old if key in new)
    yield from zip_longest((k for k in old if k not in new), (k for k in new if k not in old))


def _came_or_went(old: Key | None, new: Key | None) -> Difference:
    """A workload alone on its side is the product's; nothing of it runs on the other."""
    part = Part.OPERATIONS if old and new else Part.BUSINESS
    before, after = (" ".join(key) if key else "" for key in (old, new))
    return Difference(part=part, what="workload", before=before, after=after)


def _workload(old: Obj, new: Obj, containers: Containers, place: str) -> Iterator[Difference]:
    yield from _template(pod_template(old) or {}, pod_template(new) or {}, containers, place)
    if _beside_the_template(old) != _beside_the_template(new):
        what = f"{' '.join(_key(new))} (outside its pod template)"
        yield Difference(part=Part.OPERATIONS, what=what)


def _template(before: Obj, after: Obj, containers: Containers, place: str) -> Iterator[Difference]:
    for part, platform in ((Part.PLATFORM, True), (Part.BUSINESS, False)):
        old, new = (content(t, containers, platform=platform) for t in (before, after))
        for found in _fields(old, new):
            yield replace(found, part=part, what=place + found.what)
    if (before.get("metadata") or {}) != (after.get("metadata") or {}):
        yield Difference(part=Part.OPERATIONS, what=f"{place}labels or annotations of the pods")


def _fields(old: Obj, new: Obj) -> Iterator[Difference]:
    for name in sorted({*old, *new}):
        if name in LISTS:
            yield from _entries(name, old.get(name) or [], new.get(name) or [])
        elif old.get(name) != new.get(name):
            yield _difference(name)


def _entries(name: str, old: list[Obj], new: list[Obj]) -> Iterator[Difference]:
    before, after = ({str(entry.get("name")): entry for entry in side} for side in (old, new))
    for key in dict.fromkeys((*before, *after)):
        yield from _entry(f"{name}[{key}]", before.get(key, {}), after.get(key, {}))
    if list(before) != list(after) and set(before) == set(after):
        yield _difference(f"order of {name}")


def _entry(place: str, old: Obj, new: Obj) -> Iterator[Difference]:
    if not (old and new):
        before, after = (str(side.get("image", "present")) if side else "" for side in (old, new))
        yield _difference(place, before, after)
        return
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            shown = (str(side.get(name, "")) if name == "image" else "" for side in (old, new))
            yield _difference(f"{place}.{name}", *shown)


def _difference(what: str, before: str = "", after: str = "") -> Difference:
    """Return a difference whose part the caller knows."""
    return Difference(part=Part.BUSINESS, what=what, before=before, after=after)


def _config_part(key: Key, templates: Iterable[Obj], containers: Containers) -> Part:
    """A config object is the platform's where only the platform's containers use it."""
    if key[0] not in CONFIG_KINDS:
        return Part.OPERATIONS
    users = {
        platform
        for template in templates
        for platform in (True, False)
        if key in config_used(content(template, containers, platform=platform))
    }
    return Part.PLATFORM if users == {True} else Part.BUSINESS


_REFERENCES = {
    "configMap": "ConfigMap",
    "configMapRef": "ConfigMap",
    "configMapKeyRef": "ConfigMap",
    "secret": "Secret",
    "secretRef": "Secret",
    "secretKeyRef": "Secret",
}
"""Fields of a pod's spec that name a config object (core/v1 volumes, env and envFrom)."""


def config_used(node: object) -> Iterator[Key]:
    """Yield the config objects that a pod's spec, or anything in it, names."""
    if isinstance(node, Mapping):
        for name, value in node.items():
            if name in _REFERENCES and isinstance(value, Mapping):
                yield _REFERENCES[name], str(value.get("secretName") or value.get("name"))
            yield from config_used(value)
    elif isinstance(node, list):
        for value in node:
            yield from config_used(value)


def _others(old: Iterable[Obj], new: Iterable[Obj]) -> Iterator[tuple[Key, Obj, Obj]]:
    """Yield the objects without pods, each from both sides."""
    before, after = (
        {_key(obj): obj for obj in side if pod_template(obj) is None} for side in (old, new)
    )
    for key in dict.fromkeys((*before, *after)):
        yield key, before.get(key, {}), after.get(key, {})


def _having_pods(objects: Iterable[Obj]) -> dict[Key, Obj]:
    return {_key(obj): obj for obj in objects if pod_template(obj) is not None}


def _key(obj: Obj) -> Key:
    return str(obj.get("kind")), str((obj.get("metadata") or {}).get("name"))


def _rest(obj: Obj) -> dict[str, Any]:
    return {key: value for key, value in obj.items() if key not in _UNTOUCHED}


def _beside_the_template(obj: Obj) -> dict[str, Any]:
    if obj.get("kind") == "Pod":
        return {}
    return {
        key: value
        for key, value in (obj.get("spec") or {}).items()
        if key not in ("template", "jobTemplate")
    }
