"""Random edits of a Deployment: what users, autoscalers and Tandem write, and failing pods."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from tandem_controller.effect import Kind
from tests.simulation.model import Model
from tests.simulation.objects import deployment, image_patch
from tests.simulation.objects import knobs as knobs_patch
from tests.simulation.replica_sets import is_ready
from tests.simulation.rules import Obj

IMAGES = ("r/web:1", "r/web:2", "r/web:3", "r/web:4-unready", "r/web:5-slow300ms", "r/web:6-crash")
NEVER_AVAILABLE: Obj = {"minReadySeconds": 2**31 - 2, "progressDeadlineSeconds": 2**31 - 1}
AT_ONCE: Obj = {"minReadySeconds": 0, "progressDeadlineSeconds": 600}
AFTER_A_SECOND: Obj = {"minReadySeconds": 1, "progressDeadlineSeconds": 600}


@dataclass(frozen=True)
class Change:
    """One write to the Deployment: a merge patch of its spec."""

    spec: Obj


@dataclass(frozen=True)
class BreakPod:
    """One ready pod of an image stops being ready; nothing where there is none."""

    image: str


@dataclass(frozen=True)
class MendPod:
    """One broken pod of an image gets ready again; nothing where there is none."""

    image: str


Edit = Change | BreakPod | MendPod


def apply(model: Model, edit: Edit, name: str) -> None:
    """Carry out an edit on the model; nobody reacts yet."""
    if isinstance(edit, Change):
        model.edit(Kind.DEPLOYMENT, name, {"spec": edit.spec})
        return
    ready = isinstance(edit, BreakPod)
    broken = model.kubelet.broken
    for pod in model.store.all_of(Kind.POD):
        same = pod["spec"]["containers"][0]["image"] == edit.image
        if same and (is_ready(pod) if ready else pod["metadata"]["uid"] in broken):
            (model.break_pod if ready else model.mend_pod)(pod["metadata"]["name"])
            return


def image(name: str) -> Obj:
    """Return the spec's patch for another image."""
    spec: Obj = image_patch(name)["spec"]
    return spec


def move(name: str, surge: int, unavailable: int) -> Change:
    """Return Tandem's move: template, knobs and un-pausing in one write (DESIGN §6)."""
    spec = {**image(name), **NEVER_AVAILABLE, **knobs_patch(surge, unavailable)}
    return Change({**spec, "paused": False})


def rest() -> Change:
    """Return Tandem's rest: paused, with the user's minReadySeconds and no surge."""
    return Change({**AT_ONCE, **knobs_patch(0, "25%"), "paused": True})


_percent = st.sampled_from(["0%", "1%", "10%", "25%", "34%", "50%", "100%"])
_surge = st.one_of(st.integers(0, 6), _percent, st.just("200%"))
_unavailable = st.one_of(st.integers(0, 6), _percent)
_knobs = (
    st.tuples(_surge, _unavailable)
    .filter(lambda pair: any(k not in (0, "0%") for k in pair))
    .map(lambda pair: knobs_patch(*pair))
)
_image = st.sampled_from(IMAGES).map(image)
_replicas = st.integers(0, 12).map(lambda n: {"replicas": n})
_paused = st.booleans().map(lambda p: {"paused": p})
_availability = st.sampled_from([AT_ONCE, NEVER_AVAILABLE, AFTER_A_SECOND])
_history = st.sampled_from([0, 1, 10]).map(lambda n: {"revisionHistoryLimit": n})
_any_field = st.one_of(
    _image, _image, _replicas, _replicas, _paused, _knobs, _availability, _history
)


def _together(patches: list[Obj]) -> Change:
    return Change({k: v for patch in patches for k, v in patch.items()})


_changes = st.lists(_any_field, min_size=1, max_size=3).map(_together)
_moves = st.tuples(
    st.sampled_from(IMAGES), st.sampled_from([(n, 0) for n in range(1, 6)] + [(0, 2), (0, 5)])
).map(lambda pair: move(pair[0], *pair[1]))
_pods = st.builds(BreakPod, st.sampled_from(IMAGES[:3])) | st.builds(
    MendPod, st.sampled_from(IMAGES[:3])
)
edits: st.SearchStrategy[Edit] = st.one_of(
    _changes, _changes, _replicas.map(Change), _moves, st.just(rest()), _pods
)
"""Any edit that the API server accepts."""
starts = st.builds(
    deployment,
    image=st.just(IMAGES[0]),
    replicas=st.integers(0, 12),
    revisionHistoryLimit=st.sampled_from([10, 1]),
    strategy=st.one_of(_knobs.map(lambda patch: patch["strategy"]), st.just({"type": "Recreate"})),
)
"""Deployments to begin with.

No edit changes the strategy to Recreate in the middle of a rolling update: then nothing wakes
the real controller when the last old pod is gone (`deletePod` looks whether *any* pod is left),
and it depends on the order of events whether the Deployment stays at what the new ReplicaSet
had, seen as 4 of 10 for ever.
"""
sequences = st.lists(edits, min_size=3, max_size=8)
"""Edits one after the other, each made when the cluster has come to rest."""
