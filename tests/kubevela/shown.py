"""Commands as a page of docs/ shows them, run against a cluster by the real kubectl."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from devcluster.cluster import DevCluster

DOCS = Path(__file__).parents[2] / "docs"


def command(page: str, *starts: str) -> list[str]:
    """Return the one command of a page that starts with these words."""
    text = (DOCS / page).read_text(encoding="utf-8")
    blocks = re.findall(r"```(?:sh)?\n(.*?)```", text, flags=re.DOTALL)
    lines = [shlex.split(line) for block in blocks for line in block.splitlines() if line]
    (found,) = (words for words in lines if words[: len(starts)] == list(starts))
    return found


def kubectl(cluster: DevCluster, words: list[str], namespace: str = "") -> str:
    """Run a command of kubectl as a page shows it; skip where there is no kubectl."""
    program = shutil.which("kubectl")
    if program is None:
        pytest.skip("kubectl is not on the PATH: what the page shows cannot be run")
    where = ["--kubeconfig", str(cluster.kubeconfig), *(["-n", namespace] if namespace else [])]
    done = subprocess.run(
        [program, *where, *words[1:]], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, f"{shlex.join(words)}: {done.stderr}"
    return done.stdout
