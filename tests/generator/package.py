"""The addon package put together as KubeVela does it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from tandem_generator import cue, project
from tandem_generator.source import Json


def package_files(root: Path) -> dict[str, str]:
    """Return the package's files as they are generated now, by their path in it."""
    folder = root / "addon" / "tandem"
    made = project.whole(root).files.items()
    return {str(p.relative_to(folder)): t for p, t in made if p.is_relative_to(folder)}


def compiled(files: Mapping[str, str], expression: str, arguments: Mapping[str, Any]) -> Json:
    """Compile parameters, context, template and resources as one instance of package main."""
    parameter = msgspec.json.encode(arguments).decode()
    context = '{metadata: {name: "tandem", version: "0.1.0"}}'
    texts = [files["parameter.cue"], files["template.cue"]]
    texts += [text for path, text in files.items() if path.startswith("resources/")]
    body = "\n".join(re.sub(r"^package main$", "", t, flags=re.MULTILINE) for t in texts)
    whole = f"package main\n{body}\ncontext: {context}\nparameter: {parameter}\n"
    return msgspec.json.decode(cue.export(whole, expression))


def objects(application: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the objects of an addon's Application by its component."""
    return {c["name"]: c["properties"]["objects"] for c in application["spec"]["components"]}
