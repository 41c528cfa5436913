"""What the demo applies: the examples, and around them what a cluster's administrator has."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path
from typing import Any

import yaml

from demo.processes import TANDEM
from devcluster import tools
from devcluster.node.gateway import GATEWAY

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
DEFINITIONS = ROOT / "addon" / "tandem" / "definitions"
BLUEPRINTS = ROOT / "definitions"
NAMESPACE = "demo"
NAME = "shop"
PORT = 8080
UPGRADED = "1.2.0"
ADVICE = "; shop-init:v2 is the one that the platform team recommends now"


class CommandFailed(Exception):  # noqa: N818 - it says what the command said
    """A `tandem` command ended with an error; the message is its own."""


async def tandem(kubeconfig: Path, *arguments: str) -> str:
    """Run the command as a user would; return what it printed.

    Raises:
        CommandFailed: with what it said, when its exit code is not 0.
    """
    process = await asyncio.create_subprocess_exec(
        str(TANDEM),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "KUBECONFIG": str(kubeconfig), "TANDEM_CUE": str(tools.cue_path())},
    )
    printed, complaint = await process.communicate()
    if process.returncode:
        raise CommandFailed(f"tandem {' '.join(arguments)}: {complaint.decode().strip()}")
    return printed.decode()


def example(version: str) -> Path:
    """Return the Application of a version."""
    return EXAMPLES / f"shop-{version}.yaml"


def shown(file: Path) -> str:
    """Return a file as a user would name it."""
    return str(file.relative_to(ROOT)) if file.is_relative_to(ROOT) else file.name


def surroundings() -> list[dict[str, Any]]:
    """Return the namespace, and the route that leads from the gateway to the shop."""
    backend = {"name": NAME, "port": PORT}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": NAME, "namespace": NAMESPACE},
            "spec": {
                "parentRefs": [{"name": GATEWAY, "namespace": "default"}],
                "rules": [{"backendRefs": [backend]}],
            },
        },
    ]


def write_surroundings(folder: Path) -> Path:
    """Write them to a file that `tandem apply` takes."""
    file = folder / "surroundings.yaml"
    file.write_text(yaml.safe_dump_all(surroundings()))
    return file


def upgraded_blueprints(folder: Path) -> Path:
    """Return the blueprints as the platform team might upgrade them: next version, new advice."""
    copied = folder / "blueprints"
    shutil.copytree(BLUEPRINTS, copied, dirs_exist_ok=True)
    file = copied / "components" / "canary-ready-component.yaml"
    blueprint = yaml.safe_load(file.read_text())
    blueprint["version"] = UPGRADED
    blueprint["platform"][0]["image"]["usage"] += ADVICE
    file.write_text(yaml.safe_dump(blueprint, sort_keys=False))
    return copied
