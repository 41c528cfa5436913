"""Where controllers meet, the model knows more than one end (all seen on a real cluster)."""

from __future__ import annotations

import pytest

from tandem_controller.effect import Kind
from tests.simulation.edits import Change, Edit, apply, move, rest
from tests.simulation.model import Model
from tests.simulation.objects import deployment
from tests.simulation.schedules import likely, outcomes

OLD, NEW, CRASH = "r/web:1", "r/web:2", "r/web:6-crash"


def ends(model: Model) -> set[tuple[int, int]]:
    """Return sizes of the old and the new version in all outcomes."""
    return {(m.sizes("web").get(OLD, 0), m.sizes("web").get(NEW, 0)) for m in outcomes(model, 20)}


def play(*edits: Edit, replicas: int = 10) -> Model:
    """Return a model that came to rest after all edits but the last."""
    model = Model()
    model.create(Kind.DEPLOYMENT, deployment(replicas=replicas))
    model = likely(model)
    for edit in edits[:-1]:
        apply(model, edit, "web")
        model = likely(model)
    apply(model, edits[-1], "web")
    return model


@pytest.mark.parametrize(
    ("edits", "end"),
    [
        ([move(NEW, 2, 0)], (10, 2)),
        ([move(NEW, 2, 0), move(NEW, 0, 2)], (8, 2)),
        ([move(NEW, 2, 0), move(NEW, 0, 2), rest()], (8, 2)),
        ([move(NEW, 2, 0), move(NEW, 0, 2), rest(), move(NEW, 2, 0)], (8, 4)),
        ([move(NEW, 2, 0), move(NEW, 0, 2), rest(), Change({"replicas": 20})], (16, 4)),
    ],
)
def test_moves_and_rests_end_in_one_way(edits: list[Edit], end: tuple[int, int]) -> None:
    assert ends(play(*edits)) == {end}


def test_resting_with_surge_pods_left_may_take_new_or_old_ones() -> None:
    seen = ends(play(move(NEW, 5, 0), rest(), replicas=5))
    assert seen >= {(0, 5), (2, 3)}


def test_knobs_on_a_template_with_available_pods_may_or_may_not_stop_the_move() -> None:
    model = play(move(CRASH, 5, 0), move(OLD, 4, 0))
    crashed = {m.sizes("web").get(CRASH, 0) for m in outcomes(model, 20)}
    assert crashed == {0, 5}
