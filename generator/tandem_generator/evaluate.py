"""Evaluate a definition as KubeVela would: template, parameters and context in one text.

KubeVela appends `parameter: {...}` and `context: {...}` to the template and compiles the
whole (kubevela `pkg/cue/definition/template.go`, `Complete`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from tandem_generator import cue, faults
from tandem_generator.cuetext import literal

_NAME = re.compile(r'^"?([a-z0-9][a-z0-9.-]*)"?: \{', re.MULTILINE)
_TYPE = re.compile(r'\btype:\s*"([a-z-]+)"')
_FIELD = re.compile(r"^\t+([A-Za-z]\w*)[?!]?:", re.MULTILINE)
_STAGE = re.compile(r'^\s+stage:\s+"(\w+)"', re.MULTILINE)
_VERSION = re.compile(r'^\s+version:\s+"([0-9.]+)"', re.MULTILINE)


class Definition(msgspec.Struct, frozen=True):
    """A definition in KubeVela's CUE format."""

    name: str
    kind: str
    version: str
    stage: str
    text: str

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """The names of parameters and of their fields; for suggestions only."""
        schema = self.text.rpartition("\n\tparameter: {")[2]
        return tuple(dict.fromkeys(_FIELD.findall(schema)))


class Rendered(msgspec.Struct, frozen=True, rename="camel"):
    """What a template gives for concrete parameters."""

    output: dict[str, Any] | None = None
    outputs: dict[str, dict[str, Any]] = {}
    patch: dict[str, Any] | None = None
    patch_outputs: dict[str, dict[str, Any]] = {}
    errs: tuple[str, ...] = ()


class ParameterError(Exception):
    """CUE refused the parameters themselves; `faults` says where and why."""

    def __init__(self, found: tuple[faults.Fault, ...]) -> None:
        self.faults = found
        super().__init__("; ".join(f.message for f in found))


def read(file: Path) -> Definition:
    """Read a definition's name, kind and version from its head."""
    return from_text(file.read_text(encoding="utf-8"), str(file))


def from_text(text: str, origin: str) -> Definition:
    """Read a definition from CUE text; raise ValueError where it is none."""
    head = re.split(r"^template:", text, maxsplit=1, flags=re.MULTILINE)[0]
    name, kind = _NAME.search(head), _TYPE.search(head)
    if name is None or kind is None or head == text:
        raise ValueError(f"{origin} is no definition (a head with `type`, and `template`)")
    version, stage = _VERSION.search(head), _STAGE.search(head)
    return Definition(
        name[1], kind[1], version[1] if version else "", stage[1] if stage else "", text
    )


def evaluate(
    definition: Definition, parameter: Mapping[str, Any], context: Mapping[str, Any]
) -> Rendered:
    """Render a definition; unlike KubeVela, refuse parameters that it does not know."""
    text = definition.text + _INPUT % {
        "parameter": literal(dict(parameter)),
        "context": literal(dict(context)),
    }
    try:
        found = cue.export(text, "tandem.result")
    except cue.CueError:
        _check_parameters(definition, parameter, text)
        raise
    return msgspec.json.decode(found, type=Rendered)


def _check_parameters(definition: Definition, parameter: Mapping[str, Any], text: str) -> None:
    """Tell faults of the parameters from faults that they cause further on."""
    try:
        cue.export(text, "tandem.parameter")
    except cue.CueError as e:
        found = faults.read(str(e), parameter, definition.parameter_names)
        raise ParameterError(found) from None


# A definition (`#parameter`) is closed: CUE refuses fields that the schema lacks.
_INPUT = """
context: %(context)s
tandem: {
	given: %(parameter)s
	#parameter: template.parameter
	parameter: #parameter & given
	rendered: template & {"parameter": given}
	kept: {output: true, outputs: true, patch: true, patchOutputs: true, errs: true}
	// `parameter` is here so that its faults are faults of the result.
	result: {
		"parameter": parameter
		for key, value in rendered if kept[key] != _|_ {(key): value}
	}
}
"""
