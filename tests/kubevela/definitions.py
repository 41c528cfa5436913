"""ComponentDefinitions that fix the init image, as a platform team's may: the original problem."""

from __future__ import annotations

import re
from pathlib import Path

from tests.kubevela.bed import VelaBed
from tests.kubevela.conftest import ADDON

_MODEL = ADDON / "definitions" / "canary-ready-component.cue"


def apply_fixed_init(bed: VelaBed, folder: Path, name: str, init: str, version: str) -> None:
    """Apply a version of a ComponentDefinition whose template holds the init image.

    It is the shipped component but for that, and says nothing of its version to Tandem.
    """
    text = _MODEL.read_text(encoding="utf-8").replace('"canary-ready-component"', f'"{name}"')
    text = text.replace("image: parameter.initImage", f'image: "{init}"')
    text = re.sub(r"annotations: \"tandem\.oam\.dev/component-version\": .*", "", text)
    text = re.sub(r"(attributes: \{\s+version: )\"[^\"]+\"", rf'\1"{version}"', text)
    path = folder / f"{name}.cue"
    path.write_text(text, encoding="utf-8")
    bed.kubevela.vela("def", "apply", str(path))
