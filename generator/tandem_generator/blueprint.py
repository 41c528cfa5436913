"""Blueprints: what a platform engineer writes, from which the CUE definitions are made.

A blueprint never names an image. It names the *parameter* that carries one, because
an image in a definition, even as a default, moves with the definition and not with
the release (openkruise/kruise#1792).
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import msgspec

from tandem_generator import source

Identifier: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[a-z][A-Za-z0-9]*$")]
DnsLabel: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]
Version: TypeAlias = Annotated[
    str, msgspec.Meta(pattern=r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$")
]
"""Exactly X.Y.Z: KubeVela refuses anything else (webhook `ValidateSemanticVersion`)."""
PortNumber: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=65535)]


class Strict(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A frozen struct that refuses fields it does not know."""


class ImageParameter(Strict, frozen=True):
    """The required parameter that carries a container's image. It cannot have a default."""

    parameter: Identifier
    usage: str


class Parameter(Strict, frozen=True):
    """An optional parameter of the Application."""

    parameter: Identifier
    usage: str


class PathParameter(Strict, frozen=True):
    """A path that the Application may change."""

    parameter: Identifier
    usage: str
    default: str


class EnvVar(Strict, frozen=True):
    """A fixed environment variable."""

    name: str
    value: str


class Port(Strict, frozen=True):
    """A fixed port of a container."""

    name: DnsLabel
    port: PortNumber


class ResourceList(Strict, frozen=True):
    """Requests and limits of a container."""

    requests: dict[str, str] = {}
    limits: dict[str, str] = {}


class Resources(Strict, frozen=True):
    """Either a parameter or fixed requests and limits."""

    parameter: Identifier | None = None
    usage: str = ""
    fixed: ResourceList | None = None

    def __post_init__(self) -> None:
        _one_of(self.parameter, self.fixed)


class Probe(Strict, frozen=True):
    """Either a parameter or a fixed Kubernetes probe."""

    parameter: Identifier | None = None
    usage: str = ""
    fixed: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        _one_of(self.parameter, self.fixed)


class Probes(Strict, frozen=True):
    """The probes of a container."""

    startup: Probe | None = None
    readiness: Probe | None = None
    liveness: Probe | None = None


class Container(Strict, frozen=True):
    """What platform and business containers share. A field is fixed or a parameter."""

    image: ImageParameter
    command: Parameter | tuple[str, ...] | None = None
    args: Parameter | tuple[str, ...] | None = None
    env: Parameter | tuple[EnvVar, ...] | None = None
    ports: Parameter | tuple[Port, ...] = ()
    resources: Resources | None = None
    probes: Probes = Probes()
    mounts: dict[str, PathParameter | str] = {}


class PlatformKind(StrEnum):
    """How a platform container runs beside the business container."""

    INIT = "init"
    SIDECAR = "sidecar"


class PlatformContainer(Container, frozen=True, kw_only=True):
    """A container that the platform team owns."""

    name: DnsLabel
    kind: PlatformKind


class BusinessContainer(Container, frozen=True, kw_only=True):
    """The product's container; its name is a parameter, by default the component's."""

    name: Parameter


class Volume(Strict, frozen=True):
    """An emptyDir that the pod's containers share."""

    name: DnsLabel


class WorkloadKind(StrEnum):
    """The workload that a component becomes."""

    DEPLOYMENT = "Deployment"
    STATEFUL_SET = "StatefulSet"
    DAEMON_SET = "DaemonSet"
    CLONE_SET = "CloneSet"


class Blueprint(Strict, frozen=True):
    """A component: one workload, its platform containers and its business container.

    One that is not `published` is checked like the others and is in no package.
    """

    name: DnsLabel
    version: Version
    description: str
    workload: WorkloadKind
    business: BusinessContainer
    platform: tuple[PlatformContainer, ...] = ()
    volumes: tuple[Volume, ...] = ()
    labels: dict[str, str] = {}
    published: bool = True

    @property
    def containers(self) -> tuple[Container, ...]:
        """All containers, the platform's first."""
        return (*self.platform, self.business)

    def of_kind(self, kind: PlatformKind) -> tuple[PlatformContainer, ...]:
        """Return the platform containers of one kind, in order."""
        return tuple(c for c in self.platform if c.kind is kind)


class TraitBlueprint(Strict, frozen=True):
    """A trait whose CUE is a template of the generator, `trait-<name>.cue.j2`.

    Forms ask for `images` as images and leave out what is `hidden`: other words for the same.
    """

    name: DnsLabel
    version: Version
    description: str
    images: tuple[Identifier, ...] = ()
    hidden: tuple[Identifier, ...] = ()


class StepBlueprint(TraitBlueprint, frozen=True):
    """A workflow step; its CUE is a template of the generator, `workflowstep-<name>.cue.j2`."""


def load_component(file: Path) -> Blueprint:
    """Read and check a component's blueprint."""
    document = source.load_one(file)
    _check_images(document)
    blueprint = document.convert(Blueprint)
    _check_mounts(document, blueprint)
    _check_names(document, blueprint)
    _check_probes(document, blueprint)
    return blueprint


def load_trait(file: Path) -> TraitBlueprint:
    """Read and check a trait's blueprint."""
    return source.load_one(file).convert(TraitBlueprint)


def load_step(file: Path) -> StepBlueprint:
    """Read and check a workflow step's blueprint."""
    return source.load_one(file).convert(StepBlueprint)


def _one_of(parameter: object, fixed: object) -> None:
    if (parameter is None) == (fixed is None):
        raise ValueError("needs exactly one of `parameter` and `fixed`")


def _check_images(document: source.Document) -> None:
    """Say what is wrong with `image: shop:v1` before the schema says "expected object"."""
    raw = source.plain(document.node)
    if not isinstance(raw, dict):
        raise document.error([], "is no blueprint: expected fields such as name and version")
    platform = raw.get("platform")
    named: list[tuple[list[str | int], Any]] = [(["business"], raw.get("business"))]
    named += [(["platform", i], c) for i, c in enumerate(platform or [])]
    for place, container in named:
        image = container.get("image") if isinstance(container, dict) else None
        if isinstance(image, str) or (isinstance(image, dict) and "default" in image):
            message = (
                "a blueprint holds no image: name the Application's parameter that carries it, "
                "as in {parameter: businessImage, usage: ...}"
            )
            raise document.error([*place, "image"], message)


def _places(blueprint: Blueprint) -> list[tuple[list[str | int], Container]]:
    platform: list[tuple[list[str | int], Container]] = [
        (["platform", i], c) for i, c in enumerate(blueprint.platform)
    ]
    return [*platform, (["business"], blueprint.business)]


def _check_mounts(document: source.Document, blueprint: Blueprint) -> None:
    known = {v.name for v in blueprint.volumes}
    for place, container in _places(blueprint):
        for volume in container.mounts:
            if volume not in known:
                message = f"mounts the volume `{volume}`, which `volumes` does not list"
                raise document.error([*place, "mounts", volume], message)


def _check_names(document: source.Document, blueprint: Blueprint) -> None:
    seen: set[str] = set()
    for i, container in enumerate(blueprint.platform):
        if container.name in seen:
            message = f"two containers are named `{container.name}`"
            raise document.error(["platform", i, "name"], message)
        seen.add(container.name)


def _check_probes(document: source.Document, blueprint: Blueprint) -> None:
    for i, container in enumerate(blueprint.platform):
        if container.kind is PlatformKind.INIT and container.probes != Probes():
            message = f"the init container `{container.name}` cannot have probes"
            raise document.error(["platform", i, "probes"], message)
