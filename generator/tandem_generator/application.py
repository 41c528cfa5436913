"""An Application rendered without a cluster: the objects that KubeVela would apply."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from tandem_generator import cue, evaluate, patch
from tandem_generator.catalog import Catalog
from tandem_generator.evaluate import Definition, Rendered
from tandem_generator.labels import Labels
from tandem_generator.source import Document, SourceError, YamlPath


class Trait(msgspec.Struct, frozen=True):
    """One trait of a component."""

    type: str
    properties: dict[str, Any] = {}


class Component(msgspec.Struct, frozen=True):
    """One component of an Application."""

    name: str
    type: str
    properties: dict[str, Any] = {}
    traits: tuple[Trait, ...] = ()


class Metadata(msgspec.Struct, frozen=True):
    """The Application's metadata, as far as it reaches its objects."""

    name: str
    namespace: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class Spec(msgspec.Struct, frozen=True):
    """The Application's spec; policies and workflow need KubeVela and are not rendered."""

    components: tuple[Component, ...]
    policies: tuple[dict[str, Any], ...] = ()
    workflow: dict[str, Any] | None = None


class Application(msgspec.Struct, frozen=True, rename="camel"):
    """An Application of `core.oam.dev/v1beta1`."""

    api_version: str
    kind: str
    metadata: Metadata
    spec: Spec


class _Object(msgspec.Struct, frozen=True):
    """An object on its way out: who made it (`owner`), and which output it is."""

    owner: Definition
    name: str
    body: dict[str, Any]


def is_application(document: Document) -> bool:
    """Whether a document is an Application (other objects pass as they are)."""
    node = document.node
    return isinstance(node, Mapping) and node.get("kind") == "Application"


def left_out(document: Document) -> list[SourceError]:
    """Return what an Application states and only KubeVela can do, each with its line."""
    spec = document.node.get("spec")
    stated = [key for key in ("policies", "workflow") if isinstance(spec, Mapping) and key in spec]
    return [
        document.error(["spec", key], f"{key} is for KubeVela and is not rendered")
        for key in stated
    ]


def render(document: Document, catalog: Catalog, namespace: str) -> list[dict[str, Any]]:
    """Return the objects of an Application in the order in which KubeVela applies them."""
    application = document.convert(Application)
    labels = Labels(
        application.metadata.name,
        application.metadata.namespace or namespace,
        application.metadata.annotations,
    )
    objects: list[dict[str, Any]] = []
    for index in range(len(application.spec.components)):
        work = _ComponentRender(document, application, labels, catalog, index=index)
        objects.extend(work.objects())
    return objects


class _ComponentRender:
    """Renders one component; holds what every step needs to name a fault's place."""

    def __init__(
        self,
        document: Document,
        application: Application,
        labels: Labels,
        catalog: Catalog,
        *,
        index: int,
    ) -> None:
        component = application.spec.components[index]
        self._document = document
        self._place: YamlPath = ("spec", "components", index)
        self._component = component
        self._catalog = catalog
        self._labels = labels
        self._context = context(application, component, labels.namespace)

    def objects(self) -> Iterator[dict[str, Any]]:
        """Yield the objects: PreDispatch traits, the workload and its kin, PostDispatch."""
        definition = self._find("component", self._component.type, self._place)
        rendered = self._evaluate(
            definition, self._component.properties, [*self._place, "properties"], self._context
        )
        workload = rendered.output or {}
        extras = [_Object(definition, k, v) for k, v in rendered.outputs.items()]
        for i, trait in enumerate(self._component.traits):
            workload, extras = self._with_trait(i, trait, workload, extras)
        yield from self._in_order(definition, workload, extras)

    def _with_trait(
        self, index: int, trait: Trait, workload: dict[str, Any], extras: list[_Object]
    ) -> tuple[dict[str, Any], list[_Object]]:
        place = [*self._place, "traits", index]
        definition = self._find("trait", trait.type, place)
        context = {
            **self._context,
            "parameter": self._component.properties,
            "output": workload,
            "outputs": {o.name: o.body for o in extras},
        }
        rendered = self._evaluate(definition, trait.properties, [*place, "properties"], context)
        made = [_Object(definition, k, v) for k, v in rendered.outputs.items()]
        try:
            return _patched(definition, rendered, workload, [*extras, *made])
        except patch.PatchConflictError as e:
            raise self._fault(place, f"trait {trait.type}: {e}") from None

    def _in_order(
        self, definition: Definition, workload: dict[str, Any], extras: list[_Object]
    ) -> Iterator[dict[str, Any]]:
        name = self._component.name
        shown = {s: [o for o in extras if o.owner.stage == s] for s in _STAGES}
        for extra in shown["PreDispatch"]:
            yield self._labels.trait(extra.body, name, extra.owner.name, extra.name)
        if workload:
            yield self._labels.workload(workload, name, self._component.type)
        for extra in [*shown[""], *shown["DefaultDispatch"], *shown["PostDispatch"]]:
            made_by = "AuxiliaryWorkload" if extra.owner is definition else extra.owner.name
            yield self._labels.trait(extra.body, name, made_by, extra.name)

    def _find(self, kind: str, reference: str, place: YamlPath) -> Definition:
        try:
            return self._catalog.find(kind, reference)
        except LookupError as e:
            raise self._fault([*place, "type"], str(e.args[0])) from None

    def _evaluate(
        self,
        definition: Definition,
        properties: Mapping[str, Any],
        place: YamlPath,
        context: Mapping[str, Any],
    ) -> Rendered:
        what = f"{definition.kind} {definition.name}"
        try:
            rendered = evaluate.evaluate(definition, properties, context)
        except evaluate.ParameterError as e:
            fault = e.faults[0]
            raise self._fault([*place, *fault.path], f"{what}: {fault.message}") from None
        except cue.CueError as e:
            first = str(e).strip().partition("\n")[0]
            raise self._fault(place, f"{what} cannot be rendered: {first}") from None
        if rendered.errs:
            said = rendered.errs[0]
            raise self._fault([*place, *_named_in(said, properties)], f"{what}: {said}")
        return rendered

    def _fault(self, place: YamlPath, message: str) -> SourceError:
        return self._document.error(place, f"component {self._component.name}: {message}")


def _named_in(message: str, properties: Mapping[str, Any]) -> list[str]:
    """Return the property that a template's message begins with ("step 2 ..." is `steps`)."""
    return [name for name in properties if message.startswith(name.removesuffix("s"))][:1]


_STAGES = ("PreDispatch", "", "DefaultDispatch", "PostDispatch")


def _patched(
    definition: Definition, rendered: Rendered, workload: dict[str, Any], extras: list[_Object]
) -> tuple[dict[str, Any], list[_Object]]:
    by = patch.rules(definition.text)
    if rendered.patch:
        workload = patch.merge(workload, rendered.patch, by)
    for i, extra in enumerate(extras):
        if extra.name in rendered.patch_outputs:
            body = patch.merge(extra.body, rendered.patch_outputs[extra.name], by)
            extras[i] = _Object(extra.owner, extra.name, body)
    return workload, extras


def context(application: Application, component: Component, namespace: str) -> dict[str, Any]:
    """Return `context` as KubeVela fills it; the revision is unknown without a cluster."""
    metadata = application.metadata
    return {
        "name": component.name,
        "namespace": namespace,
        "appName": metadata.name,
        "appRevision": f"{metadata.name}-v0",
        "appRevisionNum": 0,
        "revision": "",
        "components": msgspec.to_builtins(application.spec.components),
        "componentType": component.type,
        "appLabels": metadata.labels,
        "appAnnotations": metadata.annotations,
        "replicaKey": "",
        "cluster": "local",
        "clusterVersion": {"major": "1", "minor": 30, "gitVersion": "v1.30.0"},
        "workflowName": metadata.annotations.get("app.oam.dev/workflowName", ""),
        "publishVersion": metadata.annotations.get("app.oam.dev/publishVersion", ""),
    }
