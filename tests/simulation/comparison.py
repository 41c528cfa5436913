"""The same edits on the model and on a real cluster, compared after each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from tandem_controller.api.fingerprint import POD_TEMPLATE_HASH
from tandem_controller.effect import Kind
from tests.simulation.edits import Edit, apply
from tests.simulation.model import Model
from tests.simulation.reading import Reading, image_of, model_reading
from tests.simulation.real import RealDeployment, State
from tests.simulation.rules import Obj
from tests.simulation.schedules import likely, outcomes
from tests.simulation.store import Key


class Comparison:
    """A Deployment in both worlds. `agreed` counts edits, `races` names the unlikely ends."""

    def __init__(self, real: RealDeployment, body: Obj) -> None:
        self.real = real
        self.model = Model()
        self.model.create(Kind.DEPLOYMENT, body)
        self.agreed = 0
        self.races: list[str] = []
        real.create(body)
        self._agree("created")

    def play(self, edits: Sequence[Edit]) -> None:
        """Carry out edits, each when the cluster is at rest; fail at the first difference."""
        for number, edit in enumerate(edits):
            apply(self.model, edit, self.real.name)
            self.real.apply(edit)
            self._agree(f"edit {number}, {edit}")

    def _agree(self, what: str) -> None:
        state = self.real.settled(lambda seen: self._read(self._expect(seen)) == seen.reading)
        expected = self._expect(state)
        if self._read(expected) != state.reading:
            expected = self._among_the_possible(state, what)
        self.model = expected
        self._take_over_times(state)
        self.agreed += 1

    def _read(self, model: Model) -> Reading:
        return model_reading(model, self.real.name)

    def _expect(self, state: State) -> Model:
        self._take_over_names(state)
        return likely(self.model)

    def _among_the_possible(self, state: State, what: str) -> Model:
        possible = {self._read(m): m for m in outcomes(self.model)}
        if state.reading in possible:
            unlikely = f"not {self._read(likely(self.model))}\nbut {state.reading}"
            self.races.append(f"After {what}\n{unlikely}")
            return possible[state.reading]
        listed = "\n".join(map(str, possible))
        raise AssertionError(
            f"After {what}\nthe real cluster has\n{state.reading}\nthe model\n{listed}"
        )

    def _take_over_names(self, state: State) -> None:
        """Names and ages order ReplicaSets, and the real hash cannot be computed here."""
        hashes = {image_of(r): _hash(r) for r in state.replica_sets}
        self.model.template_hash = lambda template, collisions: hashes.get(
            image_of({"spec": template["spec"]}), f"unknown-{collisions}"
        )
        newest = max((_created(r) for r in state.replica_sets), default=self.model.now)
        self.model.store.now = max(self.model.now, newest)

    def _take_over_times(self, state: State) -> None:
        store = self.model.store
        store.now = max(store.now, datetime.now(UTC).replace(microsecond=0))
        created = {
            r["metadata"]["name"]: r["metadata"]["creationTimestamp"] for r in state.replica_sets
        }
        for stored in store.all_of(Kind.REPLICA_SET):
            name = stored["metadata"]["name"]
            store.rewrite(
                Key(Kind.REPLICA_SET, stored["metadata"]["namespace"], name),
                {"creationTimestamp": created[name]},
            )


def named(body: Obj, name: str) -> Obj:
    """Return a Deployment's body under another name, with labels of its own."""
    spec = body["spec"]
    labels = {"app": name}
    template = {**spec["template"], "metadata": {"labels": labels}}
    return {
        **body,
        "metadata": {**body["metadata"], "name": name},
        "spec": {**spec, "selector": {"matchLabels": labels}, "template": template},
    }


def _hash(replica_set: Obj) -> str:
    return str(replica_set["metadata"]["labels"][POD_TEMPLATE_HASH])


def _created(replica_set: Obj) -> datetime:
    return datetime.fromisoformat(replica_set["metadata"]["creationTimestamp"])
