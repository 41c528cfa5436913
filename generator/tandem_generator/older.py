"""The addon's package for KubeVela 1.9, made from the inputs of the one for later versions.

Two things of 1.9 stand in the way. It reads the attributes of definitions strictly and knows
no `version` among them (kubevela v1.9.14 `pkg/definition/definition.go`, `validateSpec`;
`apis/core.oam.dev/v1beta1`), so the version moves into the annotation by which 1.9 names a
DefinitionRevision (`pkg/oam/labels.go`); and no `status.details`, which is left out: the message
says the same. And its workflow engine has no action packages but
`vela/op` (`pkg/stdlib/packages.go`): an unknown import fails the whole `vela addon enable`, so
workflow steps are left out. Templates, policies and resources are the same, byte for byte.
"""

from __future__ import annotations

import re

from msgspec.structs import replace

from tandem_generator import evaluate
from tandem_generator.addon import Inputs
from tandem_generator.definitions import Generated

KUBEVELA = "1.9"
REQUIREMENT = ">=1.9.0-0, <1.10.0-0"
REVISION_NAME = "definitionrevision.oam.dev/name"
"""Annotation on a definition of 1.9: the name of its revision, as `type: x@v1.2.3` uses it."""

_VERSION = re.compile(r'^\t\tversion: +"[^"]*"\n', re.MULTILINE)
_DETAILS = re.compile(r'^\t{3}details: #"""\n.*?^\t+"""#\n', re.MULTILINE | re.DOTALL)
_ATTRIBUTES = re.compile(r"^\tattributes: \{\n", re.MULTILINE)


def for_kubevela_1_9(inputs: Inputs) -> Inputs:
    """Return what the package for KubeVela 1.9 is made of."""
    system = replace(inputs.metadata.system, vela=REQUIREMENT)
    return replace(
        inputs,
        metadata=replace(inputs.metadata, system=system),
        metadata_text=inputs.metadata_text.replace(inputs.metadata.system.vela, REQUIREMENT),
        definitions=tuple(_unversioned(d) for d in inputs.definitions if not _is_step(d)),
    )


def _is_step(definition: Generated) -> bool:
    return evaluate.from_text(definition.text, definition.name).kind == "workflow-step"


def _unversioned(definition: Generated) -> Generated:
    """Move the version out of the attributes, drop the details; the template stays as it is."""
    named = f'\tannotations: "{REVISION_NAME}": "{definition.version}"\n'
    head, template, body = definition.text.partition("\ntemplate: {\n")
    head = _DETAILS.sub("", _VERSION.sub("", head))
    head = _ATTRIBUTES.sub(lambda found: named + found[0], head, count=1)
    return replace(definition, text=head + template + body)
