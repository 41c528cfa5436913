"""Which parameters take the place of the images that a definition holds, and where."""

from __future__ import annotations

import re

import msgspec

from tandem_generator.cuesyntax import nodes as n
from tandem_generator.decouple import names
from tandem_generator.decouple.edit import Edit
from tandem_generator.definitionfile import Template
from tandem_generator.lint import images as li
from tandem_generator.lint import walk
from tandem_generator.lint.finding import Severity
from tandem_generator.lint.walk import Visit
from tandem_generator.semver import schema
from tandem_generator.source import SourceError


class NewParameter(msgspec.Struct, frozen=True):
    """A parameter that carries what the definition held.

    `optional` is one that is only needed where a condition of the template holds.
    """

    name: str
    value: str
    usage: str
    optional: bool = False


class FormerDefault(msgspec.Struct, frozen=True):
    """A parameter that has lost its default: `path` as `semver` writes paths."""

    path: str
    value: str


class Plan(msgspec.Struct, frozen=True):
    """The edits of a definition, and the values that they take out of it."""

    edits: tuple[Edit, ...]
    added: tuple[NewParameter, ...]
    defaults: tuple[FormerDefault, ...]


def plan(template: Template) -> Plan:
    """Plan the rewriting of a definition; raise SourceError where a place cannot be rewritten."""
    work = _Work(template)
    for place in li.places(work.visits):
        if place.severity is Severity.ERROR:
            work.take_out(place)
    return Plan(tuple(work.edits), tuple(work.added), tuple(work.defaults))


class _Work:
    """What is planned so far; names depend on those that were given before."""

    def __init__(self, template: Template) -> None:
        self.template = template
        self.visits: list[Visit] = list(walk.fields(template.body))
        self.parameters = schema.parameters(template.body)
        self.edits: list[Edit] = []
        self.added: list[NewParameter] = []
        self.defaults: list[FormerDefault] = []
        self._nodes = list(n.inside(template.body))

    def take_out(self, place: li.ImagePlace) -> None:
        """Plan one place: a default is taken away, anything else becomes a parameter."""
        holder = self._holder(place.text)
        if holder is not None and holder.schema:
            self._without_default(holder.field, place.text)
        else:
            self._by_parameter(place, holder)

    def _holder(self, text: n.Text) -> Visit | None:
        """Return the innermost field in which a text stands; a `let` is none."""
        found = [v for v in self.visits if n.holds(v.field.value, text)]
        return found[-1] if found else None

    def _without_default(self, field: n.Field, text: n.Text) -> None:
        if any(
            isinstance(x, n.Unary) and x.operator == "*" and n.holds(x, field) for x in self._nodes
        ):
            message = (
                f"`{text.value}` is deep in a default: take the default away and let the "
                "Applications give it"
            )
            raise self.template.error(text.start, message)
        operands = list(n.operands(field.value, "|"))
        others = [o for o in operands if not n.holds(o, text)]
        written = [self.template.text[o.start : o.end] for o in others]
        open_type = any(isinstance(o, n.Name) for o in others)
        choice = [] if open_type or not others else [self._source(text)]
        value = " | ".join([*choice, *written]) or "string"
        self.edits.append(Edit(field.value.start, field.value.end, value))
        # CUE applies the default of an optional field (`image?: *"x" | string`) to nobody.
        self.defaults += [
            FormerDefault(p.path, text.value)
            for p in self.parameters.values()
            if p.start == field.start and field.marker != "?"
        ]

    def _by_parameter(self, place: li.ImagePlace, holder: Visit | None) -> None:
        text = place.text
        string = self._string(text)
        taken_from = _taken_from(text, place.tag_from, in_string=string is not None)
        value = text.value[taken_from:]
        name = self._free_name(names.of(place, holder, self.visits))
        whole = string is None and taken_from == 0
        self.edits.append(self._whole(text, name) if whole else self._part(place, string, name))
        what = "Image" if place.tag_from is None else "Tag of the image"
        usage = f"{what} at {place.visit.path}; the definition held `{value}`"
        optional = self._is_conditional(text) or self._is_conditional(place.visit.field)
        self.added.append(NewParameter(name, value, usage, optional))

    def _whole(self, text: n.Text, name: str) -> Edit:
        return Edit(text.start, text.end, f"parameter.{name}")

    def _part(self, place: li.ImagePlace, string: n.Interpolation | None, name: str) -> Edit:
        """Replace the end of a text by an interpolation."""
        text = place.text
        source = self._source(string or text)
        fence = "#" * (len(source) - len(source.lstrip("#")))
        taken = text.value[_taken_from(text, place.tag_from, in_string=string is not None) :]
        end = text.end if string else text.end - len(fence) - 1
        if self.template.text[end - len(taken) : end] != taken:
            message = f"`{place.image}` is written with escapes: write it without them first"
            raise self.template.error(text.start, message)
        return Edit(end - len(taken), end, f"\\{fence}(parameter.{name})")

    def _string(self, text: n.Text) -> n.Interpolation | None:
        found = [x for x in self._nodes if isinstance(x, n.Interpolation) and text in x.parts]
        return found[0] if found else None

    def _free_name(self, wanted: str) -> str:
        taken = {p.name for p in self.added} | set(self.parameters)
        numbered = (f"{wanted}{i}" for i in range(2, len(taken) + 3))
        return next(name for name in (wanted, *numbered) if name not in taken)

    def _is_conditional(self, node: n.Node) -> bool:
        """Whether a node is evaluated only under an `if`, or as one of several items."""
        return any(
            n.holds(outer, node)
            for outer in self._nodes
            if (
                isinstance(outer, n.Comprehension)
                and any(isinstance(c, n.If) for c in outer.clauses)
            )
            or (isinstance(outer, n.Index) and isinstance(outer.base, n.Items))
        )

    def _source(self, node: n.Node) -> str:
        return self.template.text[node.start : node.end]


def _taken_from(text: n.Text, tag_from: int | None, *, in_string: bool) -> int:
    """Return where the part begins that becomes a parameter; separators before it stay."""
    if tag_from is not None:
        return tag_from
    if not in_string:
        return 0
    found = re.search(r"\w", text.value)
    return found.start() if found else 0


def remaining(template: Template) -> SourceError | None:
    """Return an error for what a rewritten definition still holds, None where it holds nothing."""
    left = [p for p in li.places(list(walk.fields(template.body))) if p.severity is Severity.ERROR]
    if not left:
        return None
    message = f"`{left[0].image}` cannot be taken out by a parameter: rewrite this place by hand"
    return template.error(left[0].text.start, message)
