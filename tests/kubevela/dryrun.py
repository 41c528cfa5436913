"""`vela dry-run --offline`: what KubeVela renders of an Application without a cluster."""

from __future__ import annotations

import os
import re
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.bed import Obj
from tests.kubevela.programs import Programs

# `vela` exits without a kubeconfig, and is content with one that leads nowhere.
_NOWHERE = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "none", "cluster": {"server": "https://127.0.0.1:1"}}],
    "contexts": [{"name": "none", "context": {"cluster": "none", "user": "none"}}],
    "users": [{"name": "none", "user": {}}],
    "current-context": "none",
}
_IMPORTS = re.compile(r'\Aimport (\(.*?\n\)|"[^"]+")\n', re.DOTALL)
_TYPES = {"ComponentDefinition": "component", "TraitDefinition": "trait"}


def dry_run(programs: Programs, application: Path, definitions: Path) -> list[Obj]:
    """Return the objects that KubeVela makes of an Application's components.

    Offline it knows no workflow step but its own, so the workflow is left out: it says when
    components are applied, not what they become.
    """
    stated = yaml.safe_load(application.read_text())
    stated["spec"].pop("workflow", None)
    application = definitions.parent / application.name
    application.write_text(yaml.safe_dump(stated))
    config = definitions.parent / "kubeconfig"
    config.write_text(yaml.safe_dump(_NOWHERE))
    done = subprocess.run(
        [programs.vela, "dry-run", "--offline", "-f", application, "-d", definitions],
        env={**os.environ, "KUBECONFIG": str(config), "HOME": str(definitions.parent)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [found for found in yaml.safe_load_all(done.stdout) if found]


def as_cue(definition: dict[str, Any]) -> str:
    """Return a definition that KubeVela ships as an object in the form that people write."""
    spec = definition["spec"]
    template = spec["schematic"]["cue"]["template"]
    imports = _IMPORTS.match(template)
    start = imports[0] if imports else ""
    stage = f'attributes: stage: "{spec["stage"]}"' if spec.get("stage") else ""
    body = textwrap.indent(template.removeprefix(start), "\t")
    name, kind = definition["metadata"]["name"], _TYPES[definition["kind"]]
    return f'{start}"{name}": {{\n\ttype: "{kind}"\n\t{stage}\n}}\ntemplate: {{\n{body}\n}}\n'
