"""What is compared between the model and a real cluster."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tandem_controller.effect import Kind
from tests.simulation.deployment_state import REVISION
from tests.simulation.model import Model
from tests.simulation.rules import Obj

_COUNTS = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")


@dataclass(frozen=True, order=True)
class SetReading:
    """One ReplicaSet: its template's image, wanted, ready and available pods."""

    image: str
    replicas: int
    ready: int
    available: int
    revision: str


@dataclass(frozen=True)
class Reading:
    """A Deployment at rest: every ReplicaSet that exists, the status' counts, the revision."""

    sets: tuple[SetReading, ...]
    counts: tuple[int, ...]
    revision: str


def reading(deployment: Obj, replica_sets: Iterable[Obj]) -> Reading:
    """Read raw objects, of the model or of a real cluster."""
    status = deployment.get("status", {})
    return Reading(
        sets=tuple(sorted(_set_reading(r) for r in replica_sets)),
        counts=tuple(status.get(c, 0) for c in _COUNTS),
        revision=deployment["metadata"].get("annotations", {}).get(REVISION, ""),
    )


def model_reading(model: Model, name: str) -> Reading:
    """Read the model."""
    stored = model.store.get(Kind.DEPLOYMENT, name)
    return reading(stored, model.store.controlled_by(Kind.REPLICA_SET, stored))


def image_of(obj: Obj) -> str:
    """Return the image of a ReplicaSet's template or of a pod."""
    spec = obj["spec"]
    spec = spec["template"]["spec"] if "template" in spec else spec
    return str(spec["containers"][0]["image"])


def _set_reading(replica_set: Obj) -> SetReading:
    status = replica_set.get("status", {})
    return SetReading(
        image=image_of(replica_set),
        replicas=replica_set["spec"]["replicas"],
        ready=status.get("readyReplicas", 0),
        available=status.get("availableReplicas", 0),
        revision=replica_set["metadata"].get("annotations", {}).get(REVISION, ""),
    )
