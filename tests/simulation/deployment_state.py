"""What one sync of the Deployment controller reads and changes.

Sizes, annotations and minReadySeconds of the ReplicaSets are changed here, and `writes`
keeps the order in which the controller sends them; `replicas` is the wanted size, `actual`,
`ready` and `available` are what the ReplicaSet controller last reported, maybe old news.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tandem_controller.api.fingerprint import without_template_hash
from tests.simulation.rules import Obj

REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
NOT_COPIED = frozenset(
    {
        REVISION,
        REVISION_HISTORY,
        DESIRED,
        MAX_REPLICAS,
        LAST_APPLIED,
        "deprecated.deployment.rollback.to",
    }
)
"""Annotations that the controller does not copy from the Deployment to its ReplicaSet."""
NO_DEADLINE = 2**31 - 1
"""A progressDeadlineSeconds of this value means none."""


@dataclass(kw_only=True)
class SizedSet:
    """One ReplicaSet. `stored` is None for one that is still to be created."""

    name: str
    stored: Obj | None
    template: Obj
    annotations: dict[str, str]
    replicas: int = 0
    min_ready_seconds: int = 0
    actual: int = 0
    ready: int = 0
    available: int = 0

    @classmethod
    def of(cls, stored: Obj) -> SizedSet:
        """Read a stored ReplicaSet."""
        spec, status = stored["spec"], stored.get("status", {})
        return cls(
            name=stored["metadata"]["name"],
            stored=stored,
            template=spec["template"],
            annotations=dict(stored["metadata"].get("annotations", {})),
            replicas=spec["replicas"],
            min_ready_seconds=spec.get("minReadySeconds", 0),
            actual=status.get("replicas", 0),
            ready=status.get("readyReplicas", 0),
            available=status.get("availableReplicas", 0),
        )

    @property
    def age_order(self) -> tuple[str, str]:
        """Sorts from old to new; names decide within one second."""
        created = self.stored["metadata"]["creationTimestamp"] if self.stored else "~"
        return (created, self.name)

    @property
    def revision(self) -> int:
        """The revision annotation, 0 where it is missing."""
        return int(self.annotations.get(REVISION, "0"))

    def annotated(self, key: str) -> int | None:
        """Return a number from an annotation, None where it is missing or no number."""
        value = self.annotations.get(key, "")
        return int(value) if value.isdecimal() else None


@dataclass(frozen=True, kw_only=True)
class SetWrite:
    """One request that a sync sends for a ReplicaSet."""

    target: SizedSet
    replicas: int
    min_ready_seconds: int
    annotations: dict[str, str]
    delete: bool = False


@dataclass(kw_only=True)
class DeploymentState:
    """One Deployment and its ReplicaSets during one sync."""

    stored: Obj
    sets: list[SizedSet]
    new: SizedSet | None
    conditions: list[Obj]
    revision: str
    collisions: int
    writes: list[SetWrite] = field(default_factory=list)

    @classmethod
    def of(cls, stored: Obj, replica_sets: list[Obj]) -> DeploymentState:
        """Read a stored Deployment and the ReplicaSets it controls.

        The new ReplicaSet is the one of the wanted template, the oldest where there are several.
        """
        sets = [SizedSet.of(r) for r in replica_sets]
        wanted = without_template_hash(stored["spec"]["template"])
        same = (s for s in sets if without_template_hash(s.template) == wanted)
        status = stored.get("status", {})
        return cls(
            stored=stored,
            sets=sets,
            new=min(same, key=lambda s: s.age_order, default=None),
            conditions=list(status.get("conditions", ())),
            revision=stored["metadata"].get("annotations", {}).get(REVISION, ""),
            collisions=status.get("collisionCount", 0),
        )

    @property
    def spec(self) -> dict[str, Any]:
        """`spec` as stored."""
        spec: dict[str, Any] = self.stored["spec"]
        return spec

    @property
    def status(self) -> dict[str, Any]:
        """`status` as it was before this sync."""
        status: dict[str, Any] = self.stored.get("status", {})
        return status

    @property
    def replicas(self) -> int:
        """`spec.replicas`."""
        return int(self.spec["replicas"])

    @property
    def rolling(self) -> bool:
        """Whether the strategy is RollingUpdate."""
        return bool(self.spec["strategy"]["type"] == "RollingUpdate")

    @property
    def deadline_seconds(self) -> int | None:
        """`progressDeadlineSeconds`, or None where it says "none"."""
        seconds = int(self.spec["progressDeadlineSeconds"])
        return None if seconds == NO_DEADLINE else seconds

    @property
    def min_ready_seconds(self) -> int:
        """`spec.minReadySeconds`."""
        return int(self.spec.get("minReadySeconds", 0))

    @property
    def max_surge(self) -> int:
        """Pods allowed above `replicas`; percentages round up."""
        return self._knob("maxSurge", round_up=True) if self.rolling else 0

    @property
    def max_unavailable(self) -> int:
        """Pods that may be unavailable; percentages round down, and both knobs zero means 1.

        (`ResolveFenceposts`: a surge might not work because of a quota.)
        """
        if not self.rolling or self.replicas == 0:
            return 0
        unavailable = self._knob("maxUnavailable", round_up=False)
        if unavailable == 0 and self.max_surge == 0:
            unavailable = 1
        return min(unavailable, self.replicas)

    @property
    def old(self) -> list[SizedSet]:
        """All ReplicaSets but the new one, from old to new."""
        return sorted((s for s in self.sets if s is not self.new), key=lambda s: s.age_order)

    @property
    def active(self) -> list[SizedSet]:
        """The ReplicaSets that want pods, from old to new."""
        return sorted((s for s in self.sets if s.replicas > 0), key=lambda s: s.age_order)

    @property
    def total(self) -> int:
        """How many pods the ReplicaSets want."""
        return sum(s.replicas for s in self.sets)

    def scale(self, target: SizedSet, size: int) -> bool:
        """Give a ReplicaSet another size; one that has it already is left alone."""
        if target.replicas == size:
            return False
        self.resize(target, size)
        return True

    def resize(self, target: SizedSet, size: int) -> None:
        """Set the size and note what it is a part of, for proportional scaling."""
        self.set_size(target, size)
        self.write(target)

    def set_size(self, target: SizedSet, size: int) -> None:
        """Set the size of a ReplicaSet without writing it yet."""
        target.replicas = size
        target.annotations[DESIRED] = str(self.replicas)
        target.annotations[MAX_REPLICAS] = str(self.replicas + self.max_surge)

    def write(self, target: SizedSet, *, delete: bool = False) -> None:
        """Send a ReplicaSet as it is now."""
        self.writes.append(
            SetWrite(
                target=target,
                replicas=target.replicas,
                min_ready_seconds=target.min_ready_seconds,
                annotations=dict(target.annotations),
                delete=delete,
            )
        )

    def _knob(self, name: str, *, round_up: bool) -> int:
        value = self.spec["strategy"]["rollingUpdate"].get(name, 0)
        if isinstance(value, int):
            return value
        hundredths = int(value.removesuffix("%")) * self.replicas
        return -(-hundredths // 100) if round_up else hundredths // 100
