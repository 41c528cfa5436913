"""What is committed is what would be generated; generating is repeatable."""

import os
import subprocess
import sys
from pathlib import Path

from tandem_generator import project


def test_the_committed_files_are_current(root: Path) -> None:
    stale = [str(p.relative_to(root)) for p in project.whole(root).stale()]
    assert stale == [], "run `tandem generate` and commit what it writes"


def test_stale_means_changed_missing_or_surplus(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    for name, text in (("same", "a"), ("changed", "b"), ("surplus", "c")):
        (tmp_path / "own" / name).write_text(text, encoding="utf-8")
    wanted = {"same": "a", "changed": "x", "missing": "y"}
    files = {tmp_path / "own" / name: text for name, text in wanted.items()}
    plan = project.Plan(files, (tmp_path / "own",))
    assert [p.name for p in plan.stale()] == ["changed", "missing", "surplus"]
    assert [p.name for p in plan.write()] == ["changed", "missing", "surplus"]
    assert {p.name: p.read_text() for p in (tmp_path / "own").iterdir()} == wanted
    assert plan.stale() == []


def test_generating_does_not_depend_on_the_process(root: Path) -> None:
    """No hash order, no clock: two processes with other hash seeds agree."""
    script = (
        "import hashlib, sys; from pathlib import Path; from tandem_generator import project;"
        "files = project.whole(Path(sys.argv[1])).files;"
        "print(hashlib.sha256(repr(list(files.items())).encode()).hexdigest())"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", script, root],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1
