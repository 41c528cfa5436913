"""From blueprints to the CUE definitions of KubeVela."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from tandem_generator import blueprint as bp
from tandem_generator import cuetext, definitionfile, kinds, lint, parameters, source


class Generated(msgspec.Struct, frozen=True):
    """A definition's CUE, and the blueprint that states its name and version."""

    name: str
    version: str
    description: str
    text: str
    blueprint: Path
    platform: tuple[str, ...] = ()
    """Parameters that only containers of the platform use."""
    images: tuple[str, ...] = ()
    """Parameters that carry an image."""
    hidden: tuple[str, ...] = ()
    """Parameters that a form does not show."""
    published: bool = True
    """Whether it belongs into a package."""


def generate(blueprints: Path) -> tuple[Generated, ...]:
    """Make the definitions of all published blueprints below a folder, sorted by name."""
    components = (component(f) for f in sorted(blueprints.glob("components/*.yaml")))
    traits = (trait(f) for f in sorted(blueprints.glob("traits/*.yaml")))
    steps = (step(f) for f in sorted(blueprints.glob("workflowsteps/*.yaml")))
    made = (*components, *traits, *steps)
    if not made:
        raise source.SourceError(blueprints, 1, "holds no blueprint (components/*.yaml)")
    _check_unique(made)
    _check_images(made)
    return tuple(sorted((d for d in made if d.published), key=lambda d: d.name))


def component(file: Path) -> Generated:
    """Make the ComponentDefinition of one blueprint."""
    blueprint = bp.load_component(file)
    _check_released(blueprint, file)
    text = cuetext.render("component.cue.j2", _values(blueprint, file))
    return Generated(
        blueprint.name,
        blueprint.version,
        blueprint.description,
        text,
        file,
        parameters.of_platform(blueprint),
        images=tuple(c.image.parameter for c in blueprint.containers),
        published=blueprint.published,
    )


def trait(file: Path) -> Generated:
    """Make the TraitDefinition of one blueprint."""
    blueprint = bp.load_trait(file)
    values = {"blueprint": blueprint, "released": kinds.released()}
    text = cuetext.render(f"trait-{blueprint.name}.cue.j2", values)
    return _of_template(blueprint, text, file)


def step(file: Path) -> Generated:
    """Make the WorkflowStepDefinition of one blueprint."""
    blueprint = bp.load_step(file)
    values = {"blueprint": blueprint, **_KEYS}
    text = cuetext.render(f"workflowstep-{blueprint.name}.cue.j2", values)
    return _of_template(blueprint, text, file)


def _of_template(blueprint: bp.TraitBlueprint, text: str, file: Path) -> Generated:
    return Generated(
        blueprint.name,
        blueprint.version,
        blueprint.description,
        text,
        file,
        images=blueprint.images,
        hidden=blueprint.hidden,
    )


_KEYS = {
    "component_version": "tandem.oam.dev/component-version",
    "sidecars": "tandem.oam.dev/sidecars",
    "together": "tandem.oam.dev/together",
}
"""Annotations that a step reads; the controller's `keys` name them, too."""


def _values(blueprint: bp.Blueprint, file: Path) -> dict[str, Any]:
    try:
        collected = parameters.collect(blueprint)
    except parameters.ClashError as e:
        raise source.SourceError(file, _last_line_of(e.parameter, file), str(e)) from None
    ports = blueprint.business.ports
    return {
        "blueprint": blueprint,
        "kind": kinds.of(blueprint.workload),
        "parameters": collected,
        "inits": blueprint.of_kind(bp.PlatformKind.INIT),
        "sidecars": blueprint.of_kind(bp.PlatformKind.SIDECAR),
        "port_parameter": ports.parameter if isinstance(ports, bp.Parameter) else None,
    }


def _check_released(blueprint: bp.Blueprint, file: Path) -> None:
    """Refuse to publish what the controller would leave to the workload's own controller."""
    if blueprint.published and not kinds.of(blueprint.workload).is_released:
        names = ", ".join(kind.name for kind in kinds.released())
        message = (
            f"the controller does not release a {blueprint.workload} yet, only {names}: "
            "`published: false` keeps the component out of the addon"
        )
        raise source.load_one(file).error(["workload"], message)


def _check_unique(made: tuple[Generated, ...]) -> None:
    """KubeVela's DefinitionRevisions carry no kind: a trait and a component would collide."""
    seen: dict[str, Path] = {}
    for definition in made:
        if definition.name in seen:
            message = f"the name `{definition.name}` is taken by {seen[definition.name]}"
            raise source.SourceError(definition.blueprint, 1, message)
        seen[definition.name] = definition.blueprint


def _check_images(made: tuple[Generated, ...]) -> None:
    for definition in made:
        for template in definitionfile.parse(definition.text, f"{definition.name}.cue").templates:
            for finding in lint.check(template):
                if finding.severity is lint.Severity.ERROR:
                    where = f"line {finding.line} of {finding.file} would hold an image"
                    raise source.SourceError(definition.blueprint, 1, f"{where}: {finding.message}")


def _last_line_of(parameter: str, file: Path) -> int:
    """Return the line that names a parameter last: the one that clashes with those before."""
    pattern = re.compile(rf"\bparameter:\s*[\"']?{parameter}\b")
    lines = enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
    return max((number for number, line in lines if pattern.search(line)), default=1)
