"""Evaluating with the CUE of each supported KubeVela, in texts put together as KubeVela does it.

KubeVela 1.9 links CUE 0.5.0, 1.10 links 0.9.2 and 1.11 links 0.14.1 (``go.mod`` of each).
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest

from devcluster import tools
from tandem_generator import cue
from tandem_generator.evaluate import Definition
from tandem_generator.source import Json

VERSIONS = tuple(tools.CUE_OF_KUBEVELA)
"""Minor versions of KubeVela, newest first."""


@contextmanager
def speaking(kubevela: str) -> Iterator[None]:
    """Evaluate with the CUE of this minor version of KubeVela."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(cue.PATH_VARIABLE, str(tools.cue_path(kubevela)))
        cue.binary.cache_clear()
        yield
    cue.binary.cache_clear()


def template(definition: Definition, parameter: Json, context: Json) -> str:
    """Return the text that renders a definition: its template, then what is given.

    (kubevela `pkg/cue/definition/template.go`, `Complete`)
    """
    head, _, body = definition.text.partition("\ntemplate: {\n")
    imports = _imports(head)
    return f"{imports}{body.rstrip().removesuffix('}')}\n{_given(context, parameter)}"


def policy(definition: Definition, attribute: str, context: Json, parameter: Json) -> str:
    """Return the text of a health policy or custom status: its text, then what is given.

    (kubevela `pkg/cue/definition/health/health.go`)
    """
    return f"{_stated(definition, attribute)}\n{_given(context, parameter)}"


def details(definition: Definition, context: Json, parameter: Json) -> str:
    """Return the text whose field `details` is what KubeVela shows of `status.details`.

    KubeVela reads the fields beside what is given (`getStatusMap` of the same file).
    """
    stated = f"details: {{\n{details_text(definition)}\n}}"
    return f"{stated}\n{_given(context, parameter)}"


def details_text(definition: Definition) -> str:
    """Return what `status.details` of a definition states."""
    return _stated(definition, "details")


def head(definition: Definition) -> str:
    """Return what stands before the template, without imports (`FromCUEString`)."""
    text, _, _ = definition.text.partition("\ntemplate: {\n")
    return text.replace(_imports(text), "")


def whole(text: str) -> str:
    """Return everything that a text states, as JSON in a fixed order of keys."""
    imports = _imports(text)
    stated = f"{imports}stated: {{\n{text.removeprefix(imports)}\n}}\n"
    return canonical(msgspec.json.decode(cue.export(stated, "stated")))


def canonical(value: object) -> str:
    """Return a value as JSON in a fixed order of keys."""
    return msgspec.json.encode(value, order="sorted").decode()


def _stated(definition: Definition, attribute: str) -> str:
    found = re.search(rf'{attribute}: #"""\n(.*?)\n\t+"""#', definition.text, re.DOTALL)
    assert found, f"{definition.name} states no {attribute}"
    return textwrap.dedent(found[1])


def _imports(text: str) -> str:
    found = re.search(r"^import \(.*?\n\)\n", text, re.DOTALL | re.MULTILINE)
    return found[0] if found else ""


def _given(context: Json, parameter: Json) -> str:
    return f"parameter: {canonical(parameter)}\ncontext: {canonical(context)}\n"
