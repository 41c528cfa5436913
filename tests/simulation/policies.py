"""What the API server's own policies do to a write while no webhook answers.

The MutatingAdmissionPolicy `tandem-workload` (`api/admission/mutating`),
read sentence by sentence; that the CEL says the same is tested on a cluster.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tandem_controller import keys
from tandem_controller.api.rollout import Rollout
from tandem_controller.decide.admission.workload import marker
from tests.simulation.rules import Obj

KEPT = ("strategy", "minReadySeconds", "progressDeadlineSeconds")


def admitted(old: Obj, new: Obj, rollouts: Iterable[Rollout]) -> Obj:
    """Return a Deployment's update as the policies let it through."""
    named = [r for r in rollouts if r.spec.workload_ref.name == new["metadata"]["name"]]
    if not named or new["metadata"].get("labels", {}).get(keys.BREAK_GLASS) == "true":
        return new
    changed = new["spec"]["template"] != old["spec"]["template"]
    runs = all(obj["spec"].get("replicas", 1) for obj in (old, new))
    if changed and runs and (releasing := next(filter(_releases, named), None)):
        new = _with(new, marker(releasing.metadata.name), paused=True)
    mark = old["metadata"].get("annotations", {}).get(keys.IN_PROGRESSING)
    if mark is None:
        return new
    paused = changed or bool(old["spec"].get("paused"))
    return _with(new, mark, paused=paused, **{k: old["spec"].get(k) for k in KEPT})


def _releases(rollout: Rollout) -> bool:
    canary = rollout.spec.strategy.canary
    steps = bool(canary and canary.steps)
    return steps and not rollout.metadata.deleting and not rollout.spec.disabled


def _with(obj: Obj, mark: str, **spec: Any) -> Obj:  # noqa: ANN401 - raw fields
    annotations = {**obj["metadata"].get("annotations", {}), keys.IN_PROGRESSING: mark}
    kept = {k: v for k, v in {**obj["spec"], **spec}.items() if v is not None}
    return {**obj, "metadata": {**obj["metadata"], "annotations": annotations}, "spec": kept}
