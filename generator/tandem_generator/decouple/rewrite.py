"""A definition's file with the edits of a plan, its new parameters and its next version."""

from __future__ import annotations

from tandem_generator import definitionfile
from tandem_generator.cuesyntax import nodes as n
from tandem_generator.cuetext import literal
from tandem_generator.decouple import edit
from tandem_generator.decouple.edit import Edit
from tandem_generator.decouple.plan import NewParameter, Plan, remaining
from tandem_generator.definitionfile import Template
from tandem_generator.semver import Step, Version
from tandem_generator.source import SourceError
from tandem_generator.yamlnodes import YamlDefinition


def rewrite(template: Template, whole: str, planned: Plan) -> tuple[str, Template]:
    """Return the file's new text and the definition in it; raise SourceError.

    `whole` is the text of the file that the template was read from.
    """
    edits = [*planned.edits, *_parameters(template, planned.added)]
    if template.yaml is None:
        edits += _version(template)
        text = edit.apply(template.text, edits)
    else:
        text = _in_yaml(template, template.yaml, whole, edit.apply(template.text, edits))
    found = definitionfile.parse(text, template.file).templates
    made = next(t for t in found if (t.name, t.kind) == (template.name, template.kind))
    if left := remaining(made):
        raise left
    return text, made


def _parameters(template: Template, added: tuple[NewParameter, ...]) -> list[Edit]:
    """Declare the parameters: in `parameter: {...}`, or in a declaration of their own."""
    if not added:
        return []
    text, field = template.text, n.field(template.body, "parameter")
    if field is None:
        return [_at_the_end(template, added)]
    value = field.value
    if isinstance(value, n.Struct) and text[value.start] == "{":
        return [_into_struct(text, value, added)]
    indent = _indent(text, field.start)
    lines = [f"parameter: {_declared(p)}\n{indent}" for p in added]
    return [Edit(field.start, field.start, "".join(lines))]


def _into_struct(text: str, struct: n.Struct, added: tuple[NewParameter, ...]) -> Edit:
    at = struct.start + 1
    if "\n" not in text[struct.start : struct.end]:
        rest = ", " if struct.elements else ""
        return Edit(at, at, ", ".join(_declared(p) for p in added) + rest)
    first = struct.elements[0].start if struct.elements else None
    indent = _indent(text, first) if first else _indent(text, struct.end - 1) + "\t"
    return Edit(at, at, "".join(f"\n{indent}{line}" for p in added for line in _lines(p)))


def _at_the_end(template: Template, added: tuple[NewParameter, ...]) -> Edit:
    at = template.body.end - (template.yaml is None)
    lines = "".join(f"\t\t{line}\n" for p in added for line in _lines(p))
    block = f"\tparameter: {{\n{lines}\t}}\n"
    return Edit(at, at, block if template.yaml is None else block.replace("\n\t", "\n")[1:])


def _lines(parameter: NewParameter) -> tuple[str, str]:
    return f"// +usage={parameter.usage}", _declared(parameter)


def _declared(parameter: NewParameter) -> str:
    return f"{parameter.name}{'?' if parameter.optional else ''}: string"


def _indent(text: str, offset: int) -> str:
    line = text[text.rfind("\n", 0, offset) + 1 : offset]
    return line[: len(line) - len(line.lstrip())]


def _version(template: Template) -> list[Edit]:
    """A required parameter more is a major step."""
    if not template.version:
        return []
    raised = literal(_raised(template))
    head = (f for f in n.fields(template.tree.body) if f.name == template.name)
    texts = (t for f in head for t in n.inside(f) if isinstance(t, n.Text))
    return [Edit(t.start, t.end, raised) for t in texts if t.value == template.version][:1]


def _raised(template: Template) -> str:
    try:
        return str(Version.parse(template.version).raised(Step.MAJOR))
    except ValueError as e:
        raise template.error(0, str(e)) from None


def _in_yaml(template: Template, place: YamlDefinition, whole: str, cue: str) -> str:
    """Put the template back into its block; the rest of the file stays as it is."""
    lines = whole.split("\n")
    old = template.text.splitlines()
    start = place.first_line - 1
    pad = " " * (place.indent or 0)
    stated = [line.removeprefix(pad).rstrip() for line in lines[start : start + len(old)]]
    if place.indent is None or stated != [line.rstrip() for line in old]:
        message = "the template can only be rewritten where it stands in a block (`template: |`)"
        raise SourceError(template.file, place.first_line, message)
    if place.version_line:
        at = place.version_line - 1
        lines[at] = lines[at].replace(place.version, _raised(template))
    lines[start : start + len(old)] = [f"{pad}{line}" if line else "" for line in cue.splitlines()]
    return "\n".join(lines)
