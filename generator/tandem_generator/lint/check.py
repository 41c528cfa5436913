"""From a definition to its findings."""

from __future__ import annotations

from collections.abc import Iterator

from tandem_generator.definitionfile import Template
from tandem_generator.lint import containers as lc
from tandem_generator.lint import images as li
from tandem_generator.lint import values as v
from tandem_generator.lint import walk
from tandem_generator.lint.finding import Finding, Kind, Severity
from tandem_generator.yamlnodes import YamlDefinition, YamlScalar

_REMEDY_IMAGE = "Make it a required parameter (`tandem decouple` does)."
_REMEDY_PART = "Let the parameter carry the whole image."
_REMEDY_CONTAINER = {
    True: "Make its image a required parameter (`tandem decouple` does).",
    False: "Raise the definition's major version when it changes (`tandem semver`).",
}


def check(template: Template) -> tuple[Finding, ...]:
    """Return what a definition fixes, in the order of its lines; raise SourceError."""
    try:
        visits = list(walk.fields(template.body))
        images = li.places(visits)
        found = [_image(template, place) for place in images]
        found += _containers(template, lc.containers(visits), images)
    except RecursionError:
        raise template.error(0, "refers to itself in a circle and cannot be read") from None
    return tuple(sorted(found, key=lambda f: (f.line, f.start, f.kind)))


def _image(template: Template, place: li.ImagePlace) -> Finding:
    start, end = place.text.start, place.text.end
    return Finding(
        file=template.file,
        line=template.line(start),
        severity=place.severity,
        kind=place.kind,
        definition=_named(template),
        path=place.visit.path,
        message=_said(place),
        remedy=_REMEDY_PART if place.kind is Kind.IMAGE_PART else _REMEDY_IMAGE,
        start=start,
        end=end,
    )


def _said(place: li.ImagePlace) -> str:
    where, text = place.visit.path, place.text.value
    if place.kind is Kind.IMAGE_PART:
        return f"{where} is `{place.image}`, in which the definition holds `{text}`"
    if place.parameter is not None and place.parameter:
        name = ".".join(place.parameter)
        return f"the parameter {name} has the default `{text}`{_used(place)}"
    verb = "falls back to" if place.kind is Kind.IMAGE_DEFAULT else "is"
    return f"{where} {verb} `{place.image}`"


def _used(place: li.ImagePlace) -> str:
    return "" if place.visit.schema else f", which goes into {place.visit.path}"


def _containers(
    template: Template, found: list[lc.Container], images: list[li.ImagePlace]
) -> Iterator[Finding]:
    for container in found:
        if not container.main:
            yield _container(template, container, _has_image(container, images))


def _has_image(container: lc.Container, images: list[li.ImagePlace]) -> bool:
    """Whether the container's image is held by the definition, wherever the text stands."""
    held = {p.text.start for p in images if p.severity is Severity.ERROR}
    return any(start in held for bound in container.images for start in _texts(v.values(bound)))


def _texts(values: tuple[v.Value, ...]) -> Iterator[int]:
    for value in values:
        if isinstance(value, v.Held):
            yield value.node.start
        elif isinstance(value, v.Composed):
            yield from (start for part in value.parts for start in _texts(part))


def _container(template: Template, container: lc.Container, fixed: bool) -> Finding:
    struct = container.struct
    return Finding(
        file=template.file,
        line=template.line(struct.start),
        severity=Severity.ERROR if fixed else Severity.WARNING,
        kind=container.kind,
        definition=_named(template),
        path=container.visit.path,
        message=_stated(template, container) + (", with its image" if fixed else ""),
        remedy=_REMEDY_CONTAINER[fixed],
        start=struct.start,
        end=struct.end,
    )


def _stated(template: Template, container: lc.Container) -> str:
    word = "init container" if container.kind is Kind.INIT_CONTAINER else "sidecar"
    what = f"the {word} `{container.name}` is"
    if container.parameter is not None:
        return f"{what} in the default of the parameter {'.'.join(container.parameter[:-1])}"
    guard = container.optional
    condition = f" where {template.text[guard.start : guard.end]}" if guard is not None else ""
    return f"{what} part of the template{condition}"


def check_other(file: str, definition: YamlDefinition) -> tuple[Finding, ...]:
    """Return the images of a definition whose schematic is a plain Kubernetes object."""
    in_template = [s for s in definition.scalars if s.path[:2] == ("kube", "template")]
    return tuple(
        _plain(file, definition, s) for s in in_template if s.path[-1] == "image" and s.value
    )


def _plain(file: str, definition: YamlDefinition, scalar: YamlScalar) -> Finding:
    path = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in scalar.path[2:])
    return Finding(
        file=file,
        line=scalar.line,
        severity=Severity.ERROR,
        kind=Kind.IMAGE_FIXED,
        definition=f"{definition.kind} {definition.name}",
        path=path.lstrip("."),
        message=f"{path.lstrip('.')} is `{scalar.value}`",
        remedy="Rewrite the definition in CUE with a required parameter for the image.",
    )


def _named(template: Template) -> str:
    return f"{template.kind} {template.name}"
