"""docs/matrix.md, row by row: what becomes of a change, in each state and under each policy."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tandem_controller import keys
from tandem_controller.api.policy import Containers
from tandem_controller.api.record import ReleaseRecord
from tandem_controller.decide.history import records
from tandem_controller.decide.hold.withheld import held, rejected
from tandem_controller.effect import Kind
from tests.simulation import facts
from tests.simulation.actions import Setting
from tests.simulation.facts import WEB
from tests.simulation.kubelet import Readiness
from tests.simulation.rules import Obj
from tests.simulation.world import World

TABLES = Path(__file__).parents[2] / "docs" / "matrix.md"
BASE = {"b": "1", "i": "1", "s": "1", "c": "1", "l": "1"}
CONTAINERS = Containers(platform=("proxy",))
STEP_STATES = ("upgrading", "paused", "approved", "suspended")
WHILE = {
    "At rest": ("rest",),
    "While a release is in progress": STEP_STATES,
    "After a release has completed": ("completed",),
    "After a rollback": ("rolled back",),
    "While a change is held": ("held",),
}
POLICIES = {
    "any": [("All", "Approve"), ("Business", "Auto")],
    "Approve": [("All", "Approve"), ("Business", "Approve")],
    "Auto": [("All", "Auto"), ("Business", "Auto")],
    "All": [("All", "Approve"), ("All", "Auto")],
    "Business": [("Business", "Approve"), ("Business", "Auto")],
}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One row in one state under one policy."""

    state: str
    first: str
    then: str
    scope: str
    hold: str
    runs: str
    held: str
    rejected: str

    def __str__(self) -> str:
        return f"{self.first or 'nothing'} [{self.state}] {self.then} ({self.scope}, {self.hold})"


def cells() -> Iterator[Cell]:
    heading = ""
    columns: list[str] = []
    for line in TABLES.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            heading, columns = line.removeprefix("## "), []
        if not line.startswith("|") or set(line) <= set("|-"):
            continue
        values = [value.strip() for value in line.strip("|").split("|")]
        if not columns:
            columns = values
            continue
        row = dict(zip(columns, values, strict=True))
        for state, (scope, hold) in itertools.product(WHILE[heading], POLICIES[row["Policy"]]):
            yield Cell(
                state=state,
                first=row.get("First", ""),
                then=row.get("Then") or row["Stated"],
                scope=scope,
                hold=hold,
                runs=row["Runs"],
                held=row["Held"],
                rejected=row["Rejected"],
            )


CELLS = list(cells())


class Bench:
    """A world whose user states templates by their tokens."""

    def __init__(self, cell: Cell) -> None:
        self.world = World(Setting(replicas=4, routing="route"))
        self.world.model.create(Kind.RELEASE_POLICY, policy(cell))
        self.state("base")
        self.to_the_end()

    def state(self, tokens: str) -> None:
        """State a template, make a wish, or scale."""
        words = tokens.removesuffix(" by definition").removesuffix(" named anew").split()
        metadata: Obj = {}
        if tokens.endswith("by definition"):
            metadata = {"labels": {keys.OAM_COMPONENT: WEB}}
        if tokens.endswith("named anew"):
            metadata = {"labels": {keys.ROLLOUT_ID: "again"}}
        if words in (["accept"], ["retry"], ["rollback"]):
            wish = {f"tandem.oam.dev/{words[0]}": ""}
            return self.edit(Kind.ROLLOUT, {"metadata": {"annotations": wish}})
        spec: Obj = {"template": template({**BASE, **chosen(tokens)})}
        if "scale" in words:
            spec["replicas"] = 6
        return self.edit(Kind.DEPLOYMENT, {"metadata": metadata, "spec": spec})

    def deliver(self, delivery: str, tokens: str) -> None:
        """State a template as Helm does, with the mark that the trait sends along."""
        metadata = {"annotations": {keys.DELIVERY: delivery}}
        stated = {"template": template({**BASE, **chosen(tokens)})}
        self.edit(Kind.DEPLOYMENT, {"metadata": metadata, "spec": stated})

    def edit(self, kind: Kind, patch: Obj) -> None:
        self.world.guard.actor = "user"
        self.world.model.edit(kind, WEB, patch)

    def settle(self) -> None:
        """Let a grace period and the calm after a restoration pass."""
        for seconds in (0, 5, 31):
            self.world.model.advance(seconds)
            self.world.tandem.settle()

    def to_the_end(self) -> None:
        """Approve whatever waits for it."""
        for _ in range(20):
            self.settle()
            if not self.world.user.approve():
                return
        raise AssertionError("it never ends")

    def bring_to(self, state: str) -> None:
        """Bring the release that was just stated to a state."""
        if state in ("completed", "rest"):
            return self.to_the_end()
        if state == "upgrading":
            for image in (*(f"r/web:{n}" for n in "1234"), "r/init:2", "r/proxy:2"):
                self.world.model.set_readiness(image, Readiness.NEVER)
        self.settle()
        if state == "approved":
            assert self.world.user.approve()
        if state == "suspended":
            self.edit(Kind.ROLLOUT, {"spec": {"strategy": {"paused": True}}})
        if state == "rolled back":
            self.state("base")
            self.settle()
        return None

    def let_go(self) -> None:
        """End what a state holds up."""
        for image in list(self.world.model.kubelet.readiness):
            self.world.model.set_readiness(image, Readiness.INSTANT)
        self.edit(Kind.ROLLOUT, {"spec": {"strategy": {"paused": False}}})

    # What is seen at the end.

    @property
    def records(self) -> list[ReleaseRecord]:
        found = self.world.store.all_of(Kind.RELEASE_RECORD)
        return [msgspec.convert(o, ReleaseRecord) for o in found]

    def seen(self) -> dict[str, str]:
        known = self.records
        stable = records.stable(known)
        assert stable is not None
        web = self.world.store.get(Kind.DEPLOYMENT, WEB)
        running = {
            str(tokens_of(rs["spec"]["template"]))
            for rs in facts.replica_sets(self.world.store, WEB)
            if rs["spec"]["replicas"]
        }
        runs = tokens_of(web["spec"]["template"])
        assert running == {str(runs)}
        holding = held(known, stable, CONTAINERS)
        refused = [r for r in rejected(known) if r.metadata.name != stable.metadata.name]
        conditions = {c["type"] for c in self.world.status["conditions"]}
        assert ("Held" in conditions, "Rejected" in conditions) == (bool(holding), bool(refused))
        return {
            "runs": difference(runs, BASE) or "base",
            "held": difference(tokens_of(holding.spec.template), runs) if holding else "",
            "rejected": difference(tokens_of(refused[0].spec.template), BASE) if refused else "",
        }


@pytest.mark.parametrize(
    ("applied", "is_held"), [("i1", False), ("i2", True), ("i3", True), (None, True)]
)
def test_a_hold_ends_when_the_copy_of_the_manifest_states_the_platform_in_force(
    applied: str | None, is_held: bool
) -> None:
    bench = Bench(CELLS[0])
    bench.state("i2")
    bench.settle()
    if applied:
        copy = {"spec": {"template": template({**BASE, **chosen(applied)})}}
        key = "kubectl.kubernetes.io/last-applied-configuration"
        annotations = {key: msgspec.json.encode(copy).decode()}
        bench.edit(Kind.DEPLOYMENT, {"metadata": {"annotations": annotations}})
    bench.settle()
    assert bench.seen() == {"runs": "base", "held": "i2" if is_held else "", "rejected": ""}


@pytest.mark.parametrize(
    ("applied", "told"), [("b2", "still states it"), ("base", "states another one")]
)
def test_the_message_of_a_rejection_says_what_the_manifest_states(applied: str, told: str) -> None:
    bench = Bench(CELLS[0])
    bench.state("b2")
    bench.bring_to("rolled back")
    copy = {"spec": {"template": template({**BASE, **chosen(applied)})}}
    annotations = {"app.oam.dev/last-applied-configuration": msgspec.json.encode(copy).decode()}
    bench.edit(Kind.DEPLOYMENT, {"metadata": {"annotations": annotations}})
    bench.settle()
    assert f"the manifest {told}" in bench.world.status["message"]
    conditions = {c["type"] for c in bench.world.status["conditions"]}
    assert ("Rejected" in conditions) is (applied == "b2")
    web = bench.world.store.get(Kind.DEPLOYMENT, WEB)
    note = web["metadata"]["annotations"].get(keys.REJECTED)
    # An owner that states the stable version again has what it asked for: it is healthy.
    assert (note is None) is (applied == "base")
    assert note is None or f"the manifest {told}" in note


@pytest.mark.parametrize(
    ("stated", "told"), [("b2", "still states it"), ("", "states another one")]
)
def test_the_message_of_a_rejection_says_what_a_chart_states(stated: str, told: str) -> None:
    """Helm leaves no copy on the object; what came with its last delivery is noted instead."""
    bench = Bench(CELLS[0])
    bench.deliver("one", "b2")
    bench.bring_to("rolled back")
    assert "Rejected" in {c["type"] for c in bench.world.status["conditions"]}
    bench.deliver("two", stated)
    bench.settle()
    web = bench.world.store.get(Kind.DEPLOYMENT, WEB)
    assert tokens_of(web["spec"]["template"]) == BASE
    assert f"the manifest {told}" in bench.world.status["message"]
    conditions = {c["type"] for c in bench.world.status["conditions"]}
    assert ("Rejected" in conditions) is (stated == "b2")


def test_a_business_part_released_alone_is_recorded_with_the_version_of_its_platform() -> None:
    bench = Bench(CELLS[0])
    together = {"spec": {"hold": {"together": "Hold"}}}
    bench.edit(Kind.RELEASE_POLICY, together)
    for tokens, version in (("b3", "1.0.0"), ("b2 i2", "1.1.0")):
        note = {"metadata": {"annotations": {keys.COMPONENT_VERSION: version}}}
        bench.edit(Kind.DEPLOYMENT, note)
        bench.state(tokens)
        bench.to_the_end()
    assert bench.seen() == {"runs": "b2", "held": "i2", "rejected": ""}
    versions = {
        difference(tokens_of(r.spec.template), BASE): r.spec.component_version
        for r in bench.records
        if len(r.spec.template["spec"]["containers"]) == len(("app", "proxy"))
    }
    assert (versions["b2"], versions["b2 i2"]) == ("1.0.0", "1.1.0")


def policy(cell: Cell) -> Obj:
    return {
        "apiVersion": "tandem.oam.dev/v1alpha1",
        "kind": "ReleasePolicy",
        "metadata": {"name": WEB},
        "spec": {
            "containers": {"platform": ["proxy"]},
            "rollbackScope": cell.scope,
            "hold": {"release": cell.hold},
        },
    }


def chosen(tokens: str) -> dict[str, str]:
    return {t[0]: t[1] for t in re.findall(r"\b[biscl]\d\b", tokens)}


def template(parts: dict[str, str]) -> Obj:
    env = [{"name": "SETTING", "value": parts["c"]}]
    return {
        "metadata": {"labels": {"app": WEB, "l": parts["l"]}},
        "spec": {
            "initContainers": [{"name": "init", "image": f"r/init:{parts['i']}"}],
            "containers": [
                {"name": "app", "image": f"r/web:b{parts['b']}", "env": env},
                {"name": "proxy", "image": f"r/proxy:{parts['s']}"},
            ],
        },
    }


def tokens_of(found: Any) -> dict[str, str]:  # noqa: ANN401 - a raw template
    app, proxy = found["spec"]["containers"]
    return {
        "b": app["image"].removeprefix("r/web:b"),
        "i": found["spec"]["initContainers"][0]["image"].removeprefix("r/init:"),
        "s": proxy["image"].removeprefix("r/proxy:"),
        "c": app["env"][0]["value"],
        "l": found["metadata"]["labels"]["l"],
    }


def difference(found: dict[str, str], other: dict[str, str]) -> str:
    return " ".join(f"{k}{v}" for k, v in found.items() if other[k] != v)


@pytest.mark.parametrize("cell", CELLS, ids=map(str, CELLS))
def test_each_cell_of_the_matrix(cell: Cell) -> None:
    bench = Bench(cell)
    *before, last = cell.first.split(", ") if cell.first else [""]
    for tokens in before:
        bench.state(tokens)
        bench.to_the_end()
    if last:
        bench.state(last)
        bench.bring_to(cell.state)
    for tokens in cell.then.split(", "):
        bench.state(tokens)
        bench.settle()
    bench.let_go()
    bench.to_the_end()
    expected = {"runs": cell.runs, "held": cell.held, "rejected": cell.rejected}
    assert {k: sorted(v.split()) for k, v in bench.seen().items()} == {
        k: sorted(v.split()) for k, v in expected.items()
    }
