"""What changed in the parameters, and which step each change needs.

The rule: an Application that was accepted before must be accepted after, and must give the same
objects, or the step is major.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tandem_generator.definitionfile import Template
from tandem_generator.semver.reason import Reason
from tandem_generator.semver.schema import Parameter, Presence
from tandem_generator.semver.step import Step
from tandem_generator.semver.types import allows

_Parameters = Mapping[str, Parameter]
_FREE = (Presence.OPTIONAL, Presence.DEFAULT, Presence.GROUP)


def compare(
    old: Template, new: Template, before: _Parameters, after: _Parameters
) -> Iterator[Reason]:
    """Yield a reason for each parameter that was added, removed or changed."""
    for path in sorted(before.keys() - after.keys()):
        if before[path].parent not in before.keys() - after.keys():
            message = f"the parameter {path} was removed: Applications that give it break"
            yield _reason(old, before[path], Step.MAJOR, message)
    for path in sorted(after.keys() - before.keys()):
        if after[path].parent not in after.keys() - before.keys():
            yield _reason(new, after[path], *_added(after[path], after))
    for path in sorted(before.keys() & after.keys()):
        for step, message in _changed(before[path], after[path]):
            yield _reason(new, after[path], step, f"the parameter {path} {message}")


def _reason(template: Template, parameter: Parameter, step: Step, message: str) -> Reason:
    line = template.line(parameter.start)
    return Reason(template.file, line, step, f"parameter {parameter.path}", message)


def _added(parameter: Parameter, after: _Parameters) -> tuple[Step, str]:
    needed = parameter.presence is Presence.REQUIRED or (
        parameter.presence is Presence.GROUP
        and any(
            p.presence is Presence.REQUIRED and _always(p, parameter, after) for p in after.values()
        )
    )
    if needed:
        message = f"the required parameter {parameter.path} was added: every Application has to"
        return Step.MAJOR, f"{message} give it"
    return Step.MINOR, f"the {parameter.presence} parameter {parameter.path} was added"


def _always(inner: Parameter, outer: Parameter, after: _Parameters) -> bool:
    """Whether a field is there as soon as the group around it is, so is missed when absent."""
    if not inner.path.startswith(f"{outer.path}."):
        return False
    between = inner.path[len(outer.path) :].split(".")[1:-1]
    path = outer.path
    for name in between:
        path = f"{path}.{name}"
        if name == "[]" or after[path].presence is not Presence.GROUP:
            return False
    return True


def _changed(old: Parameter, new: Parameter) -> Iterator[tuple[Step, str]]:
    yield from _presence(old, new)
    wider, narrower = allows(new.types, old.types), allows(old.types, new.types)
    if not wider:
        yield Step.MAJOR, f"takes {new.shown} and took {old.shown}: it was tightened, or may be"
    elif not narrower:
        yield Step.MINOR, f"takes {new.shown} now, not only {old.shown}"


def _presence(old: Parameter, new: Parameter) -> Iterator[tuple[Step, str]]:
    if new.presence is Presence.REQUIRED and old.presence in _FREE:
        yield Step.MAJOR, f"is required now and was {old.presence}"
    elif old.presence is Presence.REQUIRED and new.presence in _FREE:
        yield Step.MINOR, f"is {new.presence} now and was required"
    elif old.default != new.default:
        was, now = (f"`{d}`" if d is not None else "none" for d in (old.default, new.default))
        yield (
            Step.MAJOR,
            f"has the default {now} and had {was}: Applications that leave it out change",
        )
