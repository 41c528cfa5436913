"""What changed between two versions of a definition, and which step each change needs."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tandem_generator.definitionfile import Template
from tandem_generator.lint import containers as lc
from tandem_generator.lint import images as li
from tandem_generator.lint import walk
from tandem_generator.lint.finding import Severity
from tandem_generator.semver import parameters as changed
from tandem_generator.semver import rendered, schema
from tandem_generator.semver.reason import Reason
from tandem_generator.semver.step import Step


class Change(msgspec.Struct, frozen=True):
    """Why which step is needed; `notes` say what could not be looked at."""

    reasons: tuple[Reason, ...]
    notes: tuple[str, ...] = ()

    @property
    def step(self) -> Step:
        """The step that all reasons together need."""
        return max((r.step for r in self.reasons), default=Step.NONE)


def compare(old: Template, new: Template) -> Change:
    """Compare two versions of one definition; the strongest reasons come first."""
    if old.text == new.text:
        return Change(())
    reasons = [
        *changed.compare(old, new, schema.parameters(old.body), schema.parameters(new.body)),
        *_containers(old, new),
        *_images(old, new),
    ]
    seen, notes = rendered.compare(old, new)
    known = {r.subject for r in reasons}
    reasons += [r for r in seen if r.subject not in known]
    if not reasons:
        reasons = [_other(new)]
    return Change(tuple(sorted(reasons, key=lambda r: (-r.step, r.file, r.line))), notes)


def _other(new: Template) -> Reason:
    message = "something else in the text changed, no parameter and no container"
    return Reason(new.file, new.line(new.body.start), Step.PATCH, "", message)


def _containers(old: Template, new: Template) -> Iterator[Reason]:
    """A container more or less in pods that run already is nothing an Application asked for."""
    before, after = _stated(old), _stated(new)
    for key in sorted(before.keys() - after.keys()):
        message = f"the {_word(key[0])} `{key[1]}` was removed: running pods lose it"
        yield _reason(old, before[key], Step.MAJOR, message)
    for key in sorted(after.keys() - before.keys()):
        yield _added(new, after[key])
    for key in sorted(after.keys() & before.keys()):
        one, other = before[key].optional, after[key].optional
        if one is not None and other is None:
            message = f"the {_word(key[0])} `{key[1]}` is in every pod now, not only on request"
            yield _reason(new, after[key], Step.MAJOR, message)


def _added(new: Template, container: lc.Container) -> Reason:
    what = f"the {_word(container.kind)} `{container.name}` was added"
    guard = container.optional
    if guard is None:
        message = f"{what} to every pod: the pods of all Applications restart with it"
        return _reason(new, container, Step.MAJOR, message)
    condition = new.text[guard.start : guard.end]
    return _reason(new, container, Step.MINOR, f"{what} where {condition}")


def _stated(template: Template) -> dict[tuple[str, str], lc.Container]:
    found = lc.containers(list(walk.fields(template.body)))
    return {(c.kind.value, c.name): c for c in found if not c.main}


def _reason(template: Template, container: lc.Container, step: Step, message: str) -> Reason:
    line = template.line(container.struct.start)
    return Reason(template.file, line, step, f"container {container.name}", message)


def _word(kind: str) -> str:
    return kind.replace("-", " ")


def _images(old: Template, new: Template) -> Iterator[Reason]:
    """An image that the definition holds moves in all running pods at once."""
    before, after = _held(old), _held(new)
    for path, place in sorted(after.items()):
        if path in before and before[path].image != place.image and place.parameter is None:
            message = f"{path} went from `{before[path].image}` to `{place.image}` in all pods"
            yield Reason(new.file, new.line(place.text.start), Step.MAJOR, path, message)


def _held(template: Template) -> dict[str, li.ImagePlace]:
    found = li.places(list(walk.fields(template.body)))
    return {p.visit.path: p for p in found if p.severity is Severity.ERROR}
