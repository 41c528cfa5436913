"""The KubeVela that this machine has: two programs on the PATH and the chart they belong to.

None of it is part of this project. Whoever wants these tests to run builds or installs `vela`
and `vela-core` and names the folder of the chart `vela-core`, from which the tests take KubeVela's
CustomResourceDefinitions and built-in definitions, in `KUBEVELA_CHART`.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CHART_VARIABLE = "KUBEVELA_CHART"
DEFINITIONS_NAMESPACE = "vela-system"

# The only expression that the chart's definitions hold: the namespace that they live in.
_NAMESPACE_EXPRESSION = re.compile(r"\{\{ *include \"systemDefinitionNamespace\" \. *\}\}")


class KubeVelaMissingError(LookupError):
    """KubeVela is not on this machine; says what to do."""


@dataclass(frozen=True)
class Programs:
    """Where KubeVela's parts are."""

    vela: Path
    core: Path
    chart: Path

    @staticmethod
    def find() -> Programs:
        """Find them.

        Raises:
            KubeVelaMissingError: with what is not there and how to provide it.
        """
        return Programs(_program("vela"), _program("vela-core"), _chart())

    def custom_resources(self) -> Iterator[dict[str, Any]]:
        """KubeVela's CustomResourceDefinitions."""
        for path in sorted((self.chart / "crds").glob("*.yaml")):
            yield from _documents(path.read_text())

    def definitions(self) -> Iterator[dict[str, Any]]:
        """Objects of the built-in definitions and of VelaQL, as the chart installs them."""
        for folder in ("defwithtemplate", "velaql"):
            for path in sorted((self.chart / "templates" / folder).glob("*.yaml")):
                text = _NAMESPACE_EXPRESSION.sub(DEFINITIONS_NAMESPACE, path.read_text())
                yield from _documents(text)


def cluster_gateway() -> Path:
    """Find KubeVela's cluster gateway, which only tests of several clusters need.

    Raises:
        KubeVelaMissingError: it is not there; says how to provide it.
    """
    return _program("cluster-gateway", of="KubeVela's cluster-gateway")


def _program(name: str, of: str = "KubeVela") -> Path:
    found = shutil.which(name)
    if not found:
        raise KubeVelaMissingError(
            f"`{name}` is not on the PATH: build or install {of} and put it there"
        )
    return Path(found)


def _chart() -> Path:
    named = os.environ.get(CHART_VARIABLE)
    if not named:
        raise KubeVelaMissingError(
            f"{CHART_VARIABLE} is not set: name the folder of KubeVela's chart vela-core"
        )
    chart = Path(named)
    if not (chart / "crds").is_dir():
        raise KubeVelaMissingError(f"{CHART_VARIABLE} names {chart}, which has no folder `crds`")
    return chart


def _documents(text: str) -> Iterator[dict[str, Any]]:
    return (found for found in yaml.load_all(text, yaml.CSafeLoader) if found)
