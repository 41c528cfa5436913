"""The simulation's model is true: it goes where a real Deployment controller goes.

Random edits (template, replicas, pause, knobs, minReadySeconds, pods that lose and regain
readiness) are made on the model and on a real cluster with fake nodes. After each, when
the cluster has come to rest, size, readiness and availability of every ReplicaSet, the
counts of the Deployment's status and the revisions are the same in both. Where the order
of events decides, the cluster's end is one of those that the model thinks possible
(`tests.simulation.schedules`).
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

import pytest
from hypothesis import Phase, example, given, settings

from devcluster.credentials import token_of
from devcluster.fixtures import Cluster
from tests.simulation.comparison import Comparison, named
from tests.simulation.edits import (
    AT_ONCE,
    IMAGES,
    NEVER_AVAILABLE,
    BreakPod,
    Change,
    Edit,
    MendPod,
    image,
    move,
    rest,
    sequences,
    starts,
)
from tests.simulation.objects import deployment, knobs
from tests.simulation.real import Http, RealDeployment
from tests.simulation.rules import Obj

OLD, NEW, THIRD, UNREADY, _, CRASH = IMAGES
TEN = deployment(image=OLD)
TO_20_PERCENT = [move(NEW, 2, 0), move(NEW, 0, 2)]
TO_50_PERCENT = [move(NEW, 5, 0), move(NEW, 0, 5)]
ROLL_BACK = Change({**image(OLD), **AT_ONCE, **knobs("25%", "25%"), "paused": False})

pytestmark = pytest.mark.cluster
_a_run = settings(deadline=None, database=None, phases=(Phase.explicit, Phase.generate))


class Arena:
    """A namespace in which every comparison gets a Deployment of a fresh name."""

    def __init__(self, http: Http, namespace: str) -> None:
        self._http = http
        self._namespace = namespace
        self._names = (f"web-{n}" for n in itertools.count())

    def compare(self, start: Obj, edits: list[Edit]) -> None:
        """Play the edits in both worlds."""
        name = next(self._names)
        real = RealDeployment(self._http, self._namespace, name)
        try:
            Comparison(real, named(start, name)).play(edits)
        finally:
            real.delete()


@pytest.fixture(scope="module")
def arena(cluster: Cluster) -> Iterator[Arena]:
    http = Http(cluster.server, str(cluster.ca_file), token_of(cluster.kubeconfig))
    namespace = f"model-is-true-{os.getpid()}"
    http.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    yield Arena(http, namespace)
    http.call("DELETE", f"/api/v1/namespaces/{namespace}")
    http.close()


@settings(_a_run, max_examples=12, derandomize=True)
@given(starts, sequences)
@example(TEN, [*TO_20_PERCENT, rest(), Change({"replicas": 20}), Change({"paused": False})])
@example(TEN, [*TO_20_PERCENT, rest(), ROLL_BACK])
@example(TEN, [*TO_50_PERCENT, Change({"replicas": 3}), Change({"replicas": 10})])
@example(TEN, [*TO_50_PERCENT, Change({"replicas": 0}), Change({"replicas": 10})])
@example(TEN, [move(CRASH, 5, 0), move(OLD, 4, 0), rest()])
@example(
    TEN,
    [
        move(CRASH, 3, 0),
        rest(),
        Change(image(NEW)),
        Change({"replicas": 6, "paused": False, **NEVER_AVAILABLE}),
    ],
)
@example(TEN, [BreakPod(OLD), Change(image(UNREADY)), Change(image(THIRD)), MendPod(OLD)])
def test_model_and_cluster_agree_after_each_edit(
    arena: Arena, start: Obj, edits: list[Edit]
) -> None:
    arena.compare(start, edits)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(_a_run, max_examples=300)
@given(starts, sequences)
def test_model_and_cluster_agree_over_hundreds_of_sequences(
    arena: Arena, start: Obj, edits: list[Edit]
) -> None:
    arena.compare(start, edits)
