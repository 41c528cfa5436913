"""Definitions as their authors keep them: CUE files of `vela def`, or YAML objects with CUE inside.

Only the syntax is read, so that a definition needs no cluster, no KubeVela package and no
`cue` to be looked at; and every offset of its template leads back to a line of its file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tandem_generator import cuesyntax
from tandem_generator.cuesyntax import nodes as n
from tandem_generator.source import SourceError
from tandem_generator.yamlnodes import YamlDefinition, definitions_of

LINTED = ("component", "trait")
"""Kinds whose templates reach pods that serve; a workflow step's Job does not."""


_TEMPLATE = re.compile(r'^"?template"?:', re.MULTILINE)


class Template(msgspec.Struct, frozen=True):
    """One definition of a file.

    `text` is CUE: the whole file, or what stands in a YAML definition as a string.
    `body` is the template in it; `yaml` is where the string stands, None in a CUE file.
    """

    file: str
    name: str
    kind: str
    version: str
    text: str
    tree: n.File
    body: n.Struct
    yaml: YamlDefinition | None = None

    def line(self, offset: int) -> int:
        """Return the line of the file for an offset of the text."""
        line = cuesyntax.line_of(self.text, offset)
        return self.yaml.line(line) if self.yaml else line

    def error(self, offset: int, message: str) -> SourceError:
        """Return an error that points at an offset of the text."""
        return SourceError(self.file, self.line(offset), message)


class Contents(msgspec.Struct, frozen=True):
    """What a file holds: templates, and objects whose schematic holds no CUE."""

    templates: tuple[Template, ...] = ()
    others: tuple[YamlDefinition, ...] = ()


def read(file: Path) -> Contents:
    """Read one file; raise SourceError where it is unreadable or holds broken CUE."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise SourceError(file, 1, f"cannot be read: {e}") from None
    return parse(text, str(file))


def parse(text: str, file: str) -> Contents:
    """Read the definitions of a text: CUE where the file's name says so or it looks like it."""
    if file.endswith(".cue") or (not file.endswith((".yaml", ".yml")) and _looks_like_cue(text)):
        return Contents(tuple(_from_cue(text, file)))
    found = definitions_of(text, file)
    with_cue = tuple(_from_yaml(d, file) for d in found if d.cue is not None)
    return Contents(with_cue, tuple(d for d in found if d.cue is None))


def below(folder: Path) -> list[Path]:
    """Return the files of a folder that may hold definitions, hidden folders left out."""
    return sorted(
        f
        for f in folder.rglob("*")
        if f.suffix in {".cue", ".yaml", ".yml"}
        and not any(p.startswith(".") for p in f.relative_to(folder).parts)
    )


def _looks_like_cue(text: str) -> bool:
    """A CUE definition has `template` at its top, which a Kubernetes object never has."""
    return bool(_TEMPLATE.search(text))


def _from_cue(text: str, file: str) -> Iterator[Template]:
    """Yield the definition of a CUE file; nothing where the file is something else."""
    if not _TEMPLATE.search(text):
        return
    tree = _parsed(text, file, YamlDefinition())
    body = n.field(tree.body, "template")
    for head in n.fields(tree.body):
        kind = _text_at(head.value, "type")
        if body and kind and head is not body and isinstance(body.value, n.Struct):
            version = _text_at(head.value, "attributes", "version")
            version = version or _text_at(head.value, "annotations", VERSION_ANNOTATION)
            yield Template(file, head.name, kind, version, text, tree, body.value)


def _from_yaml(definition: YamlDefinition, file: str) -> Template:
    text = definition.cue or ""
    tree = _parsed(text, file, definition)
    return Template(
        file=file,
        name=definition.name,
        kind=definition.kind,
        version=definition.version,
        text=text,
        tree=tree,
        body=tree.body,
        yaml=definition,
    )


def _parsed(text: str, file: str, place: YamlDefinition) -> n.File:
    try:
        return cuesyntax.parse(text)
    except cuesyntax.CueSyntaxError as e:
        line = place.line(cuesyntax.line_of(text, e.offset))
        raise SourceError(file, line, f"is not CUE that can be read: {e.message}") from None
    except RecursionError:
        raise SourceError(file, place.line(1), "is nested too deeply to be read") from None


def _text_at(value: n.Expression, *path: str) -> str:
    """Return a text below a struct, "" where there is none."""
    for name in path:
        found = n.field(value, name) if isinstance(value, n.Struct) else None
        if found is None:
            return ""
        value = found.value
    return value.value if isinstance(value, n.Text) else ""


VERSION_ANNOTATION = "definition.oam.dev/version"
"""Where definitions of KubeVela before 1.10 keep a version; later ones have an attribute."""
