"""Any definition as one that `evaluate` can render, and a context to try it in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tandem_generator import application
from tandem_generator.cuesyntax import nodes as n
from tandem_generator.cuetext import literal
from tandem_generator.definitionfile import Template
from tandem_generator.evaluate import Definition

_NAME = "probe"


def definition(template: Template) -> Definition:
    """Return a definition to evaluate; what stands in YAML gets a head, its imports come first.

    A template without parameters takes whatever is given: KubeVela adds `parameter` itself.
    """
    text = template.text if template.yaml is None else _with_head(template)
    if n.field(template.body, "parameter") is None:
        text += "\ntemplate: parameter: {...}\n"
    return Definition(template.name, template.kind, template.version, "", text)


def _with_head(template: Template) -> str:
    text = template.text
    start = template.body.start if template.tree.imports else 0
    head = f"{literal(template.name)}: {{\n\ttype: {literal(template.kind)}\n}}"
    return f"{text[:start]}\n{head}\ntemplate: {{\n{text[start:]}\n}}\n"


def probing_context(kind: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the context of an Application with one component, its workload a plain Deployment."""
    component = application.Component(_NAME, kind, dict(properties))
    metadata = application.Metadata(_NAME)
    spec = application.Spec((component,))
    app = application.Application("core.oam.dev/v1beta1", "Application", metadata, spec)
    return {**application.context(app, component, "default"), "output": _WORKLOAD, "outputs": {}}


_WORKLOAD = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": _NAME},
    "spec": {
        "selector": {"matchLabels": {"app.oam.dev/component": _NAME}},
        "template": {
            "metadata": {"labels": {"app.oam.dev/component": _NAME}},
            "spec": {"containers": [{"name": _NAME, "image": _NAME}]},
        },
    },
}
"""What a trait may look at in `context.output`."""
