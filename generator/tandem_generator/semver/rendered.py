"""What the smallest Application becomes, before and after: the objects and their containers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import msgspec

from tandem_generator import cue, cuetemplate, evaluate
from tandem_generator.cuesyntax import nodes as n
from tandem_generator.definitionfile import Template
from tandem_generator.evaluate import Rendered
from tandem_generator.semver import probe, schema
from tandem_generator.semver.reason import Reason
from tandem_generator.semver.step import Step

_Object: TypeAlias = Mapping[str, Any]
_LISTS = ("initContainers", "containers")


def compare(old: Template, new: Template) -> tuple[list[Reason], tuple[str, ...]]:
    """Return the reasons that rendering shows, and a note where it cannot be done."""
    one, other = (probe.properties(schema.parameters(t.body)) for t in (old, new))
    try:
        before, after = _render(old, one), _render(new, other)
    except (cue.CueError, evaluate.ParameterError, msgspec.DecodeError) as e:
        first = str(e).strip().partition("\n")[0]
        return [], (f"compared by text only, the smallest Application does not render: {first}",)
    reasons = _reasons(old, new, _objects(before), _objects(after))
    # Where one has to give more than before, a difference may be what it gives.
    return [r for r in reasons if r.step > Step.PATCH or one == other], ()


def _render(template: Template, properties: dict[str, Any]) -> Rendered:
    context = cuetemplate.probing_context(template.name, properties)
    return evaluate.evaluate(cuetemplate.definition(template), properties, context)


def _objects(rendered: Rendered) -> dict[str, _Object]:
    named = {"output": rendered.output, "patch": rendered.patch}
    named |= {f"outputs.{name}": body for name, body in rendered.outputs.items()}
    named |= {f"patchOutputs.{name}": body for name, body in rendered.patch_outputs.items()}
    return {name: body for name, body in named.items() if body}


def _reasons(
    old: Template, new: Template, before: Mapping[str, _Object], after: Mapping[str, _Object]
) -> Iterator[Reason]:
    for name in sorted(before.keys() - after.keys()):
        yield _reason(old, Step.MAJOR, name, f"{name} is rendered no longer")
    for name in sorted(after.keys() - before.keys()):
        yield _reason(new, Step.MINOR, name, f"{name} is rendered as well")
    for name in sorted(before.keys() & after.keys()):
        one, other = before[name], after[name]
        if _kind(one) == _kind(other):
            yield from _in_object(new, name, one, other)
        else:
            message = f"{name} is {_kind(other)} and was {_kind(one)}"
            yield _reason(new, Step.MAJOR, name, message)


def _reason(template: Template, step: Step, name: str, message: str) -> Reason:
    """Return a reason at the field from which an object is rendered, as far as it is stated."""
    found = n.field(template.body, name.partition(".")[0])
    line = template.line(found.start if found else template.body.start)
    return Reason(template.file, line, step, name, message)


def _in_object(new: Template, name: str, one: _Object, other: _Object) -> Iterator[Reason]:
    had, has = set(_containers(one)), set(_containers(other))
    for container in sorted(has ^ had):
        verb = "gets" if container in has else "loses"
        message = f"every pod of {name} {verb} the container `{container}`"
        reason = _reason(new, Step.MAJOR, name, message)
        yield msgspec.structs.replace(reason, subject=f"container {container}")
    if has == had and one != other:
        restart = list(_pod_templates(one)) != list(_pod_templates(other))
        what = "the pods restart" if restart else "no pod restarts"
        message = f"{name} changes for Applications that change nothing; {what}"
        yield _reason(new, Step.PATCH, name, message)


def _kind(body: _Object) -> str:
    return f"{body.get('apiVersion', '')} {body.get('kind', '')}".strip()


def _pod_templates(node: object) -> Iterator[_Object]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key == "template" and isinstance(value, Mapping) and "spec" in value:
                yield value
            else:
                yield from _pod_templates(value)


def _containers(node: object) -> Iterator[str]:
    """Yield the names of containers, wherever the pod's spec lies in the object."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key in _LISTS and isinstance(value, list):
                yield from (str(c.get("name", "")) for c in value if isinstance(c, Mapping))
            else:
                yield from _containers(value)
