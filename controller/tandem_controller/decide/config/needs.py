"""The ConfigMaps and Secrets that a pod template refers to, and what they hold.

A reference is something that a pod needs to start or reads while it runs: environment
variables, volumes and projected volumes. Not here: `imagePullSecrets` and the credentials of
volume drivers. Pods do not read those, and to restore an old one would break pulling.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tandem_controller.api.config import ConfigObject
from tandem_controller.effect import Kind, Look
from tandem_controller.snapshot import Snapshot

Template = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Reference:
    """One place in a pod template that names a ConfigMap or Secret.

    `field` is its path in the template; `key` the value that must exist, empty where any
    will do. A pod starts without what is optional.
    """

    kind: Kind
    name: str
    field: str
    key: str = ""
    optional: bool = False

    @property
    def look(self) -> Look:
        """How to see the object."""
        return Look(kind=self.kind, name=self.name)

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r}"


def references(template: Template) -> tuple[Reference, ...]:
    """Return every reference of a pod template, in its order."""
    spec = template.get("spec") or {}
    return (
        *(
            reference
            for field in ("initContainers", "containers")
            for at, container in enumerate(spec.get(field) or ())
            for reference in _of_container(container, f"spec.{field}[{at}]")
        ),
        *(
            reference
            for at, volume in enumerate(spec.get("volumes") or ())
            for reference in _of_volume(volume, f"spec.volumes[{at}]")
        ),
    )


def by_object(found: Iterable[Reference]) -> dict[Look, tuple[Reference, ...]]:
    """Group references by the object that they name."""
    grouped: dict[Look, tuple[Reference, ...]] = {}
    for reference in found:
        grouped[reference.look] = (*grouped.get(reference.look, ()), reference)
    return grouped


def unseen(snapshot: Snapshot, looks: Iterable[Look]) -> tuple[Look, ...]:
    """Return what still has to be looked at, each thing once."""
    return tuple(look for look in dict.fromkeys(looks) if snapshot.saw(look) is None)


def seen(snapshot: Snapshot, look: Look) -> ConfigObject | None:
    """Return the object that a look found; None where there is none, or it was refused."""
    found = snapshot.saw(look)
    return found.objects[0] if found and found.objects else None


def lacks(obj: ConfigObject, found: Iterable[Reference]) -> Reference | None:
    """Return the first reference to a key that an object does not hold."""
    return next((r for r in found if r.key and not r.optional and not obj.holds(r.key)), None)


def _of_container(container: Mapping[str, Any], path: str) -> Iterator[Reference]:
    for at, variable in enumerate(container.get("env") or ()):
        source = variable.get("valueFrom") or {}
        place = f"{path}.env[{at}].valueFrom"
        yield from _named(source, "configMapKeyRef", Kind.CONFIG_MAP, place)
        yield from _named(source, "secretKeyRef", Kind.SECRET, place)
    for at, source in enumerate(container.get("envFrom") or ()):
        yield from _named(source, "configMapRef", Kind.CONFIG_MAP, f"{path}.envFrom[{at}]")
        yield from _named(source, "secretRef", Kind.SECRET, f"{path}.envFrom[{at}]")


def _of_volume(volume: Mapping[str, Any], path: str) -> Iterator[Reference]:
    yield from _named(volume, "configMap", Kind.CONFIG_MAP, path)
    yield from _named(volume, "secret", Kind.SECRET, path, name="secretName")
    projected = volume.get("projected") or {}
    for at, source in enumerate(projected.get("sources") or ()):
        place = f"{path}.projected.sources[{at}]"
        yield from _named(source, "configMap", Kind.CONFIG_MAP, place)
        yield from _named(source, "secret", Kind.SECRET, place)


def _named(
    holder: Mapping[str, Any], field: str, kind: Kind, path: str, *, name: str = "name"
) -> Iterator[Reference]:
    """Yield one reference for each key that is asked for, or one for the whole object."""
    source = holder.get(field) or {}
    if not source.get(name):
        return
    keys = [item["key"] for item in source.get("items") or ()] or [source.get("key", "")]
    for key in keys:
        yield Reference(
            kind=kind,
            name=source[name],
            field=f"{path}.{field}",
            key=key,
            optional=bool(source.get("optional")),
        )
