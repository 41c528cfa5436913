"""From objects to the two sides that are compared: Applications are rendered, the rest is taken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tandem_controller.api.fingerprint import digest
from tandem_controller.decide.checkpoint.difference import config_used, pod_template
from tandem_controller.decide.checkpoint.judge import Component, Definition, Side, Subject
from tandem_controller.decide.checkpoint.properties import overrides_of, waiver
from tandem_controller.keys import (
    COMPONENT_VERSION,
    DEFINITION_TYPE,
    OAM_COMPONENT,
    OAM_NAME,
    OAM_PREFIX,
)
from tandem_generator import application
from tandem_generator.catalog import Catalog
from tandem_generator.source import Document, SourceError, plain

Obj = dict[str, Any]
Name = tuple[str, str]
"""Namespace and name of an Application."""

_STATED = ("dependsOn", "inputs", "outputs")
"""What an Application says of a component that is only for KubeVela."""


@dataclass(frozen=True)
class Sides:
    """Both sides, what could not be told, and the waivers that the new side brings."""

    before: Side
    after: Side
    notes: tuple[str, ...]
    waivers: Mapping[Name, str]


@dataclass(frozen=True)
class Input:
    """The objects of one side, and the definitions that render its Applications.

    `exact`: the definitions are the files they were made as, so that their texts can be
    compared; KubeVela keeps them in a form of its own.
    """

    documents: list[Document]
    catalog: Catalog
    namespace: str
    exact: bool = True

    @property
    def applications(self) -> dict[Name, Document]:
        """The Applications by namespace and name."""
        found = filter(application.is_application, self.documents)
        return {_name(document.node, self.namespace): document for document in found}


def build(old: Input, new: Input) -> Sides:
    """Render both sides; raise SourceError for what cannot be rendered."""
    notes: list[str] = []
    before, after = _side(old), _side(new)
    mine = new.applications
    for name, document in old.applications.items():
        notes += _not_judged(name, document, mine.get(name))
        if name in mine:
            before = _with_updated(before, name, document, mine[name], new, notes)
    return Sides(before, after, tuple(notes), _waivers(old.applications, mine))


def _side(side: Input) -> Side:
    found: dict[Subject, Component] = {}
    loose: list[Obj] = []
    for document in side.documents:
        if application.is_application(document):
            found |= _rendered(document, side)
        else:
            loose.append(plain(document.node))
    return {**found, **_loose(loose, side.namespace)}


def _rendered(document: Document, side: Input) -> dict[Subject, Component]:
    objects = application.render(document, side.catalog, side.namespace)
    namespace, name = _name(document.node, side.namespace)
    node = plain(document.node)
    return {
        Subject(namespace=namespace, application=name, name=str(stated["name"])): Component(
            definition=_definition(str(stated["type"]), side),
            objects=tuple(o for o in objects if _labels(o).get(OAM_COMPONENT) == stated["name"]),
            overrides=overrides_of(node, str(stated["name"])),
            stated={key: stated[key] for key in _STATED if key in stated},
        )
        for stated in node["spec"]["components"]
    }


def _definition(reference: str, side: Input) -> Definition:
    found = side.catalog.find("component", reference)
    content = digest(found.text) if side.exact else ""
    return Definition(name=found.name, version=found.version, content=content)


def _with_updated(
    before: Side, name: Name, old: Document, new: Document, side: Input, notes: list[str]
) -> Side:
    """Render an old Application with the definitions of the new side, to tell who changes what."""
    try:
        updated = _rendered(_retyped(old, new), side)
    except SourceError as error:
        notes.append(
            f"Application {'/'.join(name)} of the old side cannot be rendered with the new "
            f"definitions, so that what they change counts as the Application's: {error.message}"
        )
        return before
    return {
        subject: replace(component, updated=updated[subject].objects)
        if subject in updated
        else component
        for subject, component in before.items()
    }


def _retyped(old: Document, new: Document) -> Document:
    """Return the old Application with the types, and their versions, of the new one."""
    node, theirs = plain(old.node), plain(new.node)
    types = {c["name"]: c for c in theirs["spec"]["components"]}
    for component in node["spec"]["components"]:
        if counterpart := types.get(component["name"]):
            component["type"] = counterpart["type"]
            traits = {_bare(t["type"]): t["type"] for t in counterpart.get("traits") or ()}
            for trait in component.get("traits") or ():
                trait["type"] = traits.get(_bare(trait["type"]), trait["type"])
    return Document(old.file, node)


def _bare(reference: str) -> str:
    return reference.partition("@")[0]


def _loose(objects: Iterable[Obj], namespace: str) -> dict[Subject, Component]:
    """Gather rendered objects around their component, or around the workload that uses them."""
    listed = list(objects)
    around = {_subject(o, namespace): [o] for o in listed if pod_template(o) is not None}
    users = {
        (subject.namespace, *key): subject
        for subject, (workload, *_) in around.items()
        for key in config_used(pod_template(workload) or {})
    }
    for item in listed:
        if pod_template(item) is None:
            around.setdefault(_owner(item, namespace, around, users), []).append(item)
    return {
        subject: Component(definition=_stamped(found), objects=tuple(found))
        for subject, found in around.items()
    }


def _owner(
    item: Obj,
    namespace: str,
    around: Mapping[Subject, list[Obj]],
    users: Mapping[tuple[str, str, str], Subject],
) -> Subject:
    """Return the workload that uses a config object, or has the object's name; else itself."""
    own = _subject(item, namespace)
    if own in around or own.application:
        return own
    _, name = own.name.split(" ", 1)
    user = users.get((own.namespace, str(item.get("kind")), name))
    named = (s for s in around if s.namespace == own.namespace and s.name.endswith(f" {name}"))
    return user or next(named, own)


def _subject(item: Obj, namespace: str) -> Subject:
    metadata, labels = item.get("metadata") or {}, _labels(item)
    place = str(metadata.get("namespace") or namespace)
    if OAM_NAME in labels and OAM_COMPONENT in labels:
        app, component = labels[OAM_NAME], labels[OAM_COMPONENT]
        owner = labels.get(f"{OAM_PREFIX}namespace", place)
        return Subject(namespace=owner, application=app, name=component)
    name = f"{item.get('kind')} {metadata.get('name')}"
    return Subject(namespace=place, application="", name=name)


def _stamped(objects: Iterable[Obj]) -> Definition:
    """Return the definition that KubeVela's label and our annotation name on a workload."""
    for item in objects:
        annotations = (item.get("metadata") or {}).get("annotations") or {}
        if pod_template(item) is not None and DEFINITION_TYPE in _labels(item):
            version = str(annotations.get(COMPONENT_VERSION) or "")
            return Definition(name=_bare(_labels(item)[DEFINITION_TYPE]), version=version)
    return Definition()


def _not_judged(name: Name, old: Document, new: Document | None) -> Iterator[str]:
    """Yield what KubeVela alone does with an Application, where that changes."""
    for key in ("policies", "workflow"):
        if new is not None and _spec(old).get(key) != _spec(new).get(key):
            yield f"Application {'/'.join(name)}: {key} change; only overrides in them are judged"


def _waivers(old: Mapping[Name, Document], new: Mapping[Name, Document]) -> dict[Name, str]:
    found = {
        name: waiver(plain(old[name].node) if name in old else {}, plain(document.node))
        for name, document in new.items()
    }
    return {name: reason for name, reason in found.items() if reason}


def _spec(document: Document) -> Mapping[str, Any]:
    found: Mapping[str, Any] = plain(document.node).get("spec") or {}
    return found


def _labels(item: Mapping[str, Any]) -> dict[str, str]:
    return (item.get("metadata") or {}).get("labels") or {}


def _name(node: Mapping[str, Any], namespace: str) -> Name:
    metadata = node.get("metadata") or {}
    return str(metadata.get("namespace") or namespace), str(metadata.get("name"))
