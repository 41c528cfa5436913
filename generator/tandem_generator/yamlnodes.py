"""YAML definitions with the line on which everything stands.

PyYAML's nodes know where each scalar begins and in which style it is written; that is what
leads from a line of an embedded template back to a line of the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeAlias

import msgspec
import yaml

from tandem_generator.source import SourceError

Path: TypeAlias = tuple[str | int, ...]

_KIND = re.compile(r"^(Component|Trait|Policy|WorkflowStep|Workload)Definition$")
_KINDS = {"WorkflowStep": "workflow-step", "Workload": "component"}
_HELM = re.compile(r"\{\{.*?\}\}")
_VERSION_ANNOTATION = "definition.oam.dev/version"


class YamlScalar(msgspec.Struct, frozen=True):
    """A scalar of a YAML file: where it stands in the object, its text and its line."""

    path: Path
    value: str
    line: int


class YamlDefinition(msgspec.Struct, frozen=True):
    """A definition in a YAML file.

    `cue` is its embedded template. In a block scalar (`|`), line n of the template is line
    `first_line + n - 1` of the file and `indent` spaces stand before it; in any other style
    all its lines count as the one on which it begins, and it has no indent. `version_line` is
    0 where there is no version.
    """

    name: str = ""
    kind: str = ""
    version: str = ""
    version_line: int = 0
    cue: str | None = None
    first_line: int = 1
    indent: int | None = 0
    scalars: tuple[YamlScalar, ...] = ()

    def line(self, line: int) -> int:
        """Return the file's line for a line of the embedded template."""
        return self.first_line if self.indent is None else self.first_line + line - 1


def definitions_of(text: str, file: str) -> list[YamlDefinition]:
    """Return the definitions among the documents of a file, those in a List included."""
    if not re.search(r"kind:\s*[\"']?(\w+Definition|\w*List)\b", text):
        return []
    lines = text.splitlines()
    roots = (root for document in _documents(text, file) for root in _flattened(document))
    return [_definition(root, lines) for root in roots if _KIND.match(_at(root, "kind"))]


def _documents(text: str, file: str) -> list[yaml.Node]:
    """Compose the documents; a chart's template is tried again without its `{{ }}`."""
    try:
        return _compose(text)
    except yaml.MarkedYAMLError as e:
        if "{{" in text:
            try:
                return _compose(without_helm(text))
            except yaml.MarkedYAMLError:
                pass
        line = e.problem_mark.line + 1 if e.problem_mark else 1
        raise SourceError(file, line, f"not YAML: {e.problem or 'syntax error'}") from None


def without_helm(text: str) -> str:
    """Return a chart's template with a word for each value and without lines that only steer.

    The number of lines stays. Lines inside a block scalar lose their `{{ }}` too, which is what
    Helm does to them.
    """
    lines = ("" if _HELM.sub("", line).strip() == "" else line for line in text.split("\n"))
    return "\n".join(_HELM.sub("helm", line) for line in lines)


def _compose(text: str) -> list[yaml.Node]:
    return [node for node in yaml.compose_all(text, Loader=yaml.CSafeLoader) if node is not None]


def _flattened(node: yaml.Node) -> Iterator[yaml.Node]:
    items = _child(node, "items")
    if isinstance(items, yaml.SequenceNode) and _at(node, "kind").endswith("List"):
        yield from items.value
    else:
        yield node


def _definition(root: yaml.Node, lines: list[str]) -> YamlDefinition:
    word = _at(root, "kind").removesuffix("Definition")
    annotated = _descend(root, "metadata", "annotations", _VERSION_ANNOTATION)
    version = _descend(root, "spec", "version") or annotated
    template = _descend(root, "spec", "schematic", "cue", "template")
    found = YamlDefinition(
        name=_at(root, "metadata", "name"),
        kind=_KINDS.get(word, word.lower()),
        version=str(version.value) if isinstance(version, yaml.ScalarNode) else "",
        version_line=version.start_mark.line + 1 if version else 0,
        scalars=tuple(_scalars(_descend(root, "spec", "schematic"), ())),
    )
    return _with_cue(found, template, lines) if isinstance(template, yaml.ScalarNode) else found


def _with_cue(found: YamlDefinition, template: yaml.ScalarNode, lines: list[str]) -> YamlDefinition:
    line = template.start_mark.line + 1
    if template.style != "|":
        return msgspec.structs.replace(found, cue=template.value, first_line=line, indent=None)
    below = (raw for raw in lines[line:] if raw.strip())
    first = next(below, "")
    indent = len(first) - len(first.lstrip(" "))
    return msgspec.structs.replace(found, cue=template.value, first_line=line + 1, indent=indent)


def _scalars(node: yaml.Node | None, path: Path) -> Iterator[YamlScalar]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _scalars(value, (*path, str(key.value)))
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _scalars(item, (*path, index))
    elif isinstance(node, yaml.ScalarNode):
        yield YamlScalar(path, str(node.value), node.start_mark.line + 1)


def _child(node: yaml.Node | None, name: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for key, value in node.value if key.value == name), None)


def _descend(node: yaml.Node | None, *path: str) -> yaml.Node | None:
    for name in path:
        node = _child(node, name)
    return node


def _at(node: yaml.Node, *path: str) -> str:
    found = _descend(node, *path)
    return str(found.value) if isinstance(found, yaml.ScalarNode) else ""
