"""What existing Applications need so that nothing changes for them, and the proof of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from tandem_generator import application as ap
from tandem_generator import cue, cuetemplate, evaluate
from tandem_generator.decouple import given
from tandem_generator.decouple.plan import Plan
from tandem_generator.definitionfile import Template
from tandem_generator.evaluate import Rendered
from tandem_generator.semver import probe, schema
from tandem_generator.source import Document, Json, YamlPath


class NotEqualError(Exception):
    """Rendering before and after differs, or one of them is impossible; the text says where."""


class ApplicationPatch(msgspec.Struct, frozen=True):
    """A JSON Patch (RFC 6902) of an Application, and which component it was proved for.

    A merge patch would have to repeat the whole list of components, and so would undo what
    others changed in it meanwhile; this one adds values and tests that its places are still
    the same.
    """

    name: str
    namespace: str
    operations: tuple[dict[str, Any], ...]
    proved: tuple[str, ...]


class _Use(msgspec.Struct, frozen=True):
    """One place of an Application at which the definition is used."""

    path: YamlPath
    what: str
    component: ap.Component
    properties: dict[str, Any]


def patches(
    old: Template, new: Template, planned: Plan, documents: Sequence[Document]
) -> list[ApplicationPatch]:
    """Return a patch for each Application that uses the definition; raise NotEqualError."""
    return [
        _patch(old, new, planned, document)
        for document in documents
        if ap.is_application(document) and any(_uses(document, old))
    ]


def prove_smallest(old: Template, new: Template, planned: Plan) -> None:
    """Prove it for the smallest Application that the definition accepts; raise NotEqualError."""
    properties = probe.properties(schema.parameters(old.body))
    context = cuetemplate.probing_context(old.name, properties)
    try:
        _completed(old, new, planned, properties, context)
    except NotEqualError as e:
        message = f"{e} (the smallest Application that {old.name} seems to accept was tried)"
        raise NotEqualError(f"{message}; give one that uses it with --application") from None


def _patch(old: Template, new: Template, planned: Plan, document: Document) -> ApplicationPatch:
    application = document.convert(ap.Application)
    namespace = application.metadata.namespace
    operations: list[dict[str, Any]] = []
    proved: list[str] = []
    for use in _uses(document, old):
        context = cuetemplate.with_workload(
            ap.context(application, use.component, namespace or "default"), use.component.name
        )
        try:
            completed = _completed(old, new, planned, use.properties, context)
        except NotEqualError as e:
            raise NotEqualError(str(document.error(use.path, f"{use.what}: {e}"))) from None
        operations += _operations(use, completed)
        proved.append(use.what)
    return ApplicationPatch(application.metadata.name, namespace, tuple(operations), tuple(proved))


def _uses(document: Document, template: Template) -> Iterator[_Use]:
    """Yield where an Application uses the definition; a pinned version (`x@v1`) does not move."""
    for i, component in enumerate(document.convert(ap.Application).spec.components):
        path: list[str | int] = ["spec", "components", i]
        what = f"component {component.name}"
        if (template.kind, template.name) == ("component", component.type):
            yield _Use(path, what, component, component.properties)
        for j, trait in enumerate(component.traits):
            if (template.kind, template.name) == ("trait", trait.type):
                at = [*path, "traits", j]
                yield _Use(at, f"{what}, trait {trait.type}", component, trait.properties)


def _completed(
    old: Template, new: Template, planned: Plan, properties: dict[str, Any], context: dict[str, Any]
) -> dict[str, Any]:
    """Return the properties with the fewest values that keep the rendering as it was."""
    before = _render(old, properties, context, "before")
    values = given.values(planned, schema.parameters(new.body), properties)
    completed = given.with_values(properties, values)
    after = _render(new, completed, context, "after")
    if before != after:
        raise NotEqualError(f"rendered otherwise: {_difference(before, after)}")
    for value in values:
        fewer = given.with_values(properties, [v for v in values if v is not value])
        if value.optional and _renders_as(before, new, fewer, context):
            values = [v for v in values if v is not value]
    return given.with_values(properties, values)


def _render(
    template: Template, properties: dict[str, Any], context: dict[str, Any], when: str
) -> Rendered:
    try:
        return evaluate.evaluate(cuetemplate.definition(template), properties, context)
    except (cue.CueError, evaluate.ParameterError, msgspec.DecodeError) as e:
        first = str(e).strip().partition("\n")[0]
        raise NotEqualError(f"cannot be rendered {when} the change: {first}") from None


def _renders_as(
    wanted: Rendered, template: Template, properties: dict[str, Any], context: dict[str, Any]
) -> bool:
    try:
        return _render(template, properties, context, "after") == wanted
    except NotEqualError:
        return False


def _difference(before: Rendered, after: Rendered) -> str:
    """Return the first place at which two renderings differ."""
    return next(_differences("", msgspec.to_builtins(before), msgspec.to_builtins(after)))


def _differences(path: str, one: Json, other: Json) -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            yield from _differences(f"{path}.{key}".lstrip("."), one.get(key), other.get(key))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            yield from _differences(f"{path}[{i}]", a, b)
    elif one != other:
        yield f"{path} was {one!r} and would be {other!r}"


def _operations(use: _Use, completed: dict[str, Any]) -> Iterator[dict[str, Any]]:
    changed = {k: v for k, v in completed.items() if use.properties.get(k) != v}
    if not changed:
        return
    pointer = "".join(f"/{part}" for part in use.path)
    component = "/".join(map(str, ["", *use.path[:3]]))
    yield {"op": "test", "path": f"{component}/name", "value": use.component.name}
    if pointer != component:
        yield {"op": "test", "path": f"{pointer}/type", "value": use.what.rpartition(" ")[2]}
    if not use.properties:
        yield {"op": "add", "path": f"{pointer}/properties", "value": changed}
        return
    for name, value in changed.items():
        escaped = name.replace("~", "~0").replace("/", "~1")
        if name in use.properties:
            before = use.properties[name]
            yield {"op": "test", "path": f"{pointer}/properties/{escaped}", "value": before}
        yield {"op": "add", "path": f"{pointer}/properties/{escaped}", "value": value}
