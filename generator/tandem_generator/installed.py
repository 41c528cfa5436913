"""Definitions as KubeVela keeps them: objects with a CUE template, without the head of a file.

An ApplicationRevision holds those that rendered it, whatever became of them since
(kubevela `apis/core.oam.dev/v1beta1/applicationrevision_types.go`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tandem_generator.cuetext import literal
from tandem_generator.evaluate import Definition

_KINDS = {"componentDefinitions": "component", "traitDefinitions": "trait"}
_IMPORT = re.compile(r'^import (?:\(.*?^\)|"[^"\n]*")[ \t]*$', re.DOTALL | re.MULTILINE)


def of_revision(spec: Mapping[str, Any]) -> Iterator[Definition]:
    """Yield the definitions of an ApplicationRevision's spec; those without CUE are left out.

    Raises:
        ValueError: where the revision is compressed, so that it shows none.
    """
    if (spec.get("compression") or {}).get("data"):
        raise ValueError("it is compressed, and only KubeVela reads it")
    for field, kind in _KINDS.items():
        for name, body in sorted((spec.get(field) or {}).items()):
            stated = body.get("spec") or {}
            template = ((stated.get("schematic") or {}).get("cue") or {}).get("template")
            if template:
                yield _definition(name, kind, stated, str(template))


def _definition(name: str, kind: str, spec: Mapping[str, Any], template: str) -> Definition:
    """Return a definition in the form of a file; its imports stand before everything else."""
    imports = "\n".join(_IMPORT.findall(template))
    version, stage = str(spec.get("version") or ""), str(spec.get("stage") or "")
    head = literal({"type": kind, "attributes": {"version": version, "stage": stage}})
    lines = [imports, f"{literal(name)}: {head}", "template: {", _IMPORT.sub("", template), "}"]
    return Definition(name, kind, version, stage, "\n".join([*lines, ""]))
