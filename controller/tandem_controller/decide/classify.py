"""Which part of a pod template a change touches: the business part, the platform's, or both.

Init containers and the sidecars that a policy names are the platform's; everything else is
business, pod-level fields included. A volume belongs to the platform where only its
containers mount it. Labels and annotations of the template belong to neither part.

Containers are compared within their part and in their order there, so that the two parts
can be put together again from different templates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from tandem_controller.api.fingerprint import digest
from tandem_controller.api.policy import Containers
from tandem_controller.api.record import Change

Template = Mapping[str, Any]
Container = Mapping[str, Any]

LISTS = ("initContainers", "containers", "volumes")
"""Fields of a pod's spec whose entries belong to one part or the other."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Fingerprints of the two parts of a pod template."""

    business: str
    platform: str


def parts(template: Template, containers: Containers) -> Parts:
    """Return the fingerprints of a template's parts."""
    return Parts(
        business=digest(content(template, containers, platform=False)),
        platform=digest(content(template, containers, platform=True)),
    )


def classify(before: Template, after: Template, containers: Containers) -> Change:
    """Return which parts differ between two templates."""
    return change_of(parts(before, containers), parts(after, containers))


def change_of(before: Parts, after: Parts) -> Change:
    """Return which parts differ between two templates of which the parts are known."""
    business = before.business != after.business
    platform = before.platform != after.platform
    if business and platform:
        return Change.BOTH
    if business:
        return Change.BUSINESS
    return Change.PLATFORM if platform else Change.NEITHER


def content(template: Template, containers: Containers, *, platform: bool) -> dict[str, Any]:
    """Return one part of a pod's spec: its containers and volumes, and for business the rest."""
    lists = {field: _own(template, field, containers, platform=platform) for field in LISTS}
    rest = {} if platform else {k: v for k, v in _spec(template).items() if k not in LISTS}
    return {**rest, **{field: entries for field, entries in lists.items() if entries}}


def compose(business: Template, platform: Template, containers: Containers) -> dict[str, Any]:
    """Return the template `business` with the platform part of `platform` in it.

    Labels and annotations are those of `business`. The platform's containers keep the places
    that they have in `platform`, and find every volume that they mount.
    """
    spec = {k: v for k, v in _spec(business).items() if k not in LISTS}
    for field in LISTS:
        merged = _merged(
            _own(business, field, containers, platform=False),
            _entries(platform, field),
            _own(platform, field, containers, platform=True),
        )
        if merged:
            spec[field] = merged
    volumes = [*spec.get("volumes", ()), *_missing_volumes(spec, platform)]
    if volumes:
        spec["volumes"] = volumes
    return {**business, "spec": spec}


def without_images(template: Template) -> dict[str, Any]:
    """Return a template whose containers name no image."""
    spec = dict(_spec(template))
    for field in ("initContainers", "containers"):
        if field in spec:
            spec[field] = [{k: v for k, v in c.items() if k != "image"} for c in spec[field]]
    return {**template, "spec": spec}


def is_platform(container: Container, containers: Containers, *, init: bool) -> bool:
    """Whether a container is the platform's; a business pattern outweighs a platform one."""
    name = str(container.get("name", ""))
    if _matches(name, containers.business):
        return False
    return init or _matches(name, containers.platform)


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _own(
    template: Template, field: str, containers: Containers, *, platform: bool
) -> list[Mapping[str, Any]]:
    """Return the entries of a list in the pod's spec that belong to a part."""
    if field == "volumes":
        theirs = _platform_volumes(template, containers)
        return [v for v in _entries(template, field) if (v.get("name") in theirs) is platform]
    init = field == "initContainers"
    return [
        c for c in _entries(template, field) if is_platform(c, containers, init=init) is platform
    ]


def _platform_volumes(template: Template, containers: Containers) -> set[str]:
    """Return the volumes that the platform's containers mount, and no other."""
    mounted: dict[bool, set[str]] = {True: set(), False: set()}
    for field in ("initContainers", "containers"):
        for container in _entries(template, field):
            side = is_platform(container, containers, init=field == "initContainers")
            mounted[side] |= _mounts(container)
    return mounted[True] - mounted[False]


def _mounts(container: Container) -> set[str]:
    return {
        str(mount.get("name"))
        for field in ("volumeMounts", "volumeDevices")
        for mount in container.get(field) or ()
    }


def _missing_volumes(spec: Mapping[str, Any], source: Template) -> list[Mapping[str, Any]]:
    """Return the volumes that containers mount and only `source` has.

    They were shared between the parts there, and are no longer in the other template.
    """
    have = {str(volume.get("name")) for volume in spec.get("volumes", ())}
    wanted = {
        name
        for field in ("initContainers", "containers")
        for container in spec.get(field, ())
        for name in _mounts(container)
    }
    missing = wanted - have
    return [v for v in _entries(source, "volumes") if str(v.get("name")) in missing]


def _merged(
    business: list[Mapping[str, Any]],
    order: list[Mapping[str, Any]],
    platform: list[Mapping[str, Any]],
) -> list[Mapping[str, Any]]:
    """Put the platform's entries among the business ones, at the places that they had.

    Of two entries of one name the business one stays: both parts share that volume now.
    """
    names = {entry.get("name") for entry in business}
    merged = list(business)
    for entry in platform:
        if entry.get("name") not in names:
            merged.insert(min(order.index(entry), len(merged)), entry)
    return merged


def _entries(template: Template, field: str) -> list[Mapping[str, Any]]:
    return list(_spec(template).get(field) or ())


def _spec(template: Template) -> Mapping[str, Any]:
    return template.get("spec") or {}
