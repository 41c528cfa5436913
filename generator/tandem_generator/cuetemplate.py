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
"""Name of the Application, its component and its image when a definition is tried."""


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
    return with_workload(application.context(app, component, "default"), _NAME)


def with_workload(context: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a context with what a trait may look at: the component's workload."""
    return {**context, "output": _workload(name), "outputs": {}}


def _workload(name: str) -> dict[str, Any]:
    labels = {"app.oam.dev/component": name}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": name, "image": _NAME}]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }
