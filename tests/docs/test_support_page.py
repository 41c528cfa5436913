"""What docs/support.md says of versions is what the tests and the packages state."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import yaml

from devcluster import tools
from tandem_generator import older

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "support.md").read_text(encoding="utf-8")
TANDEM = str(Path(sys.executable).with_name("tandem"))


def test_every_kubevela_has_a_row_with_the_cue_that_it_is_evaluated_with() -> None:
    rows = re.findall(r"^\| ([\d.]+) \([^|]+\) \| ([\d.]+) \|", PAGE, flags=re.MULTILINE)
    tested = {k: p.version.removeprefix("v") for k, p in tools.CUE_OF_KUBEVELA.items()}
    assert dict(rows) == tested


def test_the_addon_asks_for_no_older_kubevela_than_was_run() -> None:
    metadata = yaml.safe_load((ROOT / "metadata.yaml").read_text(encoding="utf-8"))
    assert metadata["system"]["vela"] == ">=1.10.0-0"
    assert older.REQUIREMENT == ">=1.9.0-0, <1.10.0-0"


def test_the_kubernetes_of_the_page_is_that_of_the_dev_cluster() -> None:
    assert tools.PROGRAMS["kube-apiserver"].version.removeprefix("v") in PAGE
    metadata = yaml.safe_load((ROOT / "metadata.yaml").read_text(encoding="utf-8"))
    assert metadata["system"]["kubernetes"].startswith(">=1.30.")


def test_the_package_for_kubevela_1_9_is_made_by_the_command_of_the_page(tmp_path: Path) -> None:
    (block,) = re.findall(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL)
    make, enable = (shlex.split(line) for line in block.splitlines())
    assert make[0] == "tandem"
    to = make.index("--to") + 1
    command = [TANDEM, *make[1:to], str(tmp_path / make[to])]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    assert enable[:3] == ["vela", "addon", "enable"]
    assert (tmp_path / enable[3] / "metadata.yaml").is_file()
