"""The table of recorded states and what everybody makes of them: ``expected.yaml``.

``python -m tests.recorded.table`` writes it anew from the definitions and files as they are;
a person reviews the difference. The column `what` is written by hand and stays.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tandem_generator import definitions, evaluate
from tandem_generator.evaluate import Definition
from tests.recorded import judges
from tests.recorded.stage import ROOT, STATES

Obj = dict[str, Any]
FILE = Path(__file__).parent / "expected.yaml"
_HEAD = """\
# What each recorded state is held to be. Written by `python -m tests.recorded.table`; review what
# changes. `what` is written by hand.
"""


def states() -> dict[str, Obj]:
    """Return the recorded states and those derived from them, by name."""
    recorded = {
        file.stem: yaml.safe_load(file.read_text(encoding="utf-8"))
        for file in sorted(STATES.glob("*.yaml"))
    }
    return {**recorded, **dict(_derived(recorded))}


def judged(state: Obj) -> Obj:
    """Return what component, trait, Argo CD and Flux say of a state."""
    made = _definitions()
    outputs = {"rollout": state["rollout"], "policy": state["policy"]}
    trait = judges.kubevela(made["rollout"], {"outputs": outputs}, state["parameter"])
    found: Obj = {"trait": trait, "argo": judges.argo(state["rollout"])}
    if workload := state.get("workload"):
        context = {"output": workload}
        found["component"] = judges.kubevela(made["canary-ready-component"], context, {})
    found["flux"] = judges.flux(state["rollout"])
    return found


def expected() -> dict[str, Obj]:
    """Return the table as it is committed."""
    table: dict[str, Obj] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return table


def _derived(recorded: dict[str, Obj]) -> Iterator[tuple[str, Obj]]:
    """Yield states that a real controller does not leave: fields that old clients drop."""
    paused = copy.deepcopy(recorded["step-paused"])
    for body in (paused["rollout"], paused["beta"]):
        for field in ("nextStepIndex", "finalisingStep"):
            body["status"]["canaryStatus"].pop(field, None)
    yield "step-paused-after-an-old-clients-put", paused
    bare = copy.deepcopy(recorded["step-paused"])
    for body in (bare["rollout"], bare["beta"]):
        body["status"] = {"phase": "Progressing"}
    bare["workload"]["status"] = {}
    yield "status-with-little-in-it", bare
    unseen = copy.deepcopy(recorded["completed"])
    for body in (unseen["rollout"], unseen["beta"]):
        body["metadata"]["generation"] += 1
    yield "trait-changed-just-now", unseen


@cache
def _definitions() -> dict[str, Definition]:
    made = definitions.generate(ROOT / "definitions")
    return {d.name: evaluate.from_text(d.text, d.name) for d in made}


def main() -> None:
    """Write the table anew."""
    known = expected() if FILE.exists() else {}
    rows = {
        name: {"what": known.get(name, {}).get("what", "?"), **judged(state)}
        for name, state in states().items()
    }
    text = yaml.safe_dump(rows, sort_keys=False, width=110)
    FILE.write_text(_HEAD + text, encoding="utf-8")


if __name__ == "__main__":
    main()
