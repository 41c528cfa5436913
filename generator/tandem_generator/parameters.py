"""The Application's parameters that a blueprint asks for, in the order they are shown."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tandem_generator import blueprint as bp
from tandem_generator.cuetext import literal

STANDARD = (
    "replicas",
    "minReadySeconds",
    "maxSurge",
    "maxUnavailable",
    "drainSeconds",
    "imagePullPolicy",
    "imagePullSecrets",
    "labels",
    "annotations",
    "nodeSelector",
    "tolerations",
)
"""What every component offers (`templates/component-parameters.cue.j2`)."""


class ClashError(ValueError):
    """A parameter that cannot be; `parameter` names it."""

    def __init__(self, parameter: str, message: str) -> None:
        self.parameter = parameter
        super().__init__(message)


class CueParameter(msgspec.Struct, frozen=True):
    """One field of `parameter`: name, usage line, CUE type and whether it must be given."""

    name: str
    usage: str
    type: str
    required: bool = False

    @property
    def field(self) -> str:
        """The field's label; `?` marks what may be absent."""
        return self.name if self.required or self.type.startswith("*") else f"{self.name}?"


def collect(blueprint: bp.Blueprint) -> tuple[CueParameter, ...]:
    """Return the parameters of a blueprint, images first; raise ClashError where two differ."""
    containers = (blueprint.business, *blueprint.platform)
    found: dict[str, CueParameter] = {}
    for parameter in (*_images(containers), *_others(blueprint)):
        _check(found, parameter)
        found[parameter.name] = parameter
    return tuple(found.values())


def of_platform(blueprint: bp.Blueprint) -> tuple[str, ...]:
    """Return the parameters that only containers of the platform use."""
    business = {blueprint.business.name.parameter, *_names((blueprint.business,))}
    return tuple(name for name in _names(blueprint.platform) if name not in business)


def _names(containers: tuple[bp.Container, ...]) -> list[str]:
    """Return the parameters of some containers, each once."""
    found = [p for c in containers for p in (*_images((c,)), *_of_container(c))]
    return list(dict.fromkeys(p.name for p in found))


def _images(containers: tuple[bp.Container, ...]) -> Iterator[CueParameter]:
    for container in containers:
        image = container.image
        yield CueParameter(image.parameter, image.usage, "string", required=True)


def _others(blueprint: bp.Blueprint) -> Iterator[CueParameter]:
    name = blueprint.business.name
    yield CueParameter(name.parameter, name.usage, "string")
    for container in (blueprint.business, *blueprint.platform):
        yield from _of_container(container)


def _of_container(container: bp.Container) -> Iterator[CueParameter]:
    typed = (
        (container.ports, "int"),
        (container.command, "[...string]"),
        (container.args, "[...string]"),
        (container.env, "[...#Env]"),
    )
    for value, cue_type in typed:
        if isinstance(value, bp.Parameter):
            yield CueParameter(value.parameter, value.usage, cue_type)
    yield from _choices(container)
    for mount in container.mounts.values():
        if isinstance(mount, bp.PathParameter):
            cue_type = f"*{literal(mount.default)} | string"
            yield CueParameter(mount.parameter, mount.usage, cue_type)


def _choices(container: bp.Container) -> Iterator[CueParameter]:
    resources, probes = container.resources, container.probes
    if resources and resources.parameter:
        yield CueParameter(resources.parameter, resources.usage, "#Resources")
    for probe in (probes.startup, probes.readiness, probes.liveness):
        if probe and probe.parameter:
            yield CueParameter(probe.parameter, probe.usage, "#Probe")


def _check(found: dict[str, CueParameter], new: CueParameter) -> None:
    if new.name in STANDARD:
        raise ClashError(new.name, f"the parameter `{new.name}` is one that every component has")
    old = found.get(new.name)
    if old is None:
        return
    if old.required or new.required:
        raise ClashError(new.name, f"the image parameter `{new.name}` serves more than one purpose")
    if old.type != new.type:
        raise ClashError(
            new.name, f"the parameter `{new.name}` is both `{old.type}` and `{new.type}`"
        )
