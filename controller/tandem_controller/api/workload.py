"""Deployment, ReplicaSet and Pod: the fields Tandem reads. Pod templates stay raw."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from tandem_controller.api.meta import Condition, Model, ObjectMeta


class LabelSelector(Model, frozen=True):
    """A label selector; only `matchLabels` is written by Tandem, both are copied."""

    match_labels: dict[str, str] = {}
    match_expressions: tuple[dict[str, Any], ...] = ()


class RollingUpdate(Model, frozen=True):
    """`spec.strategy.rollingUpdate`: integers, or percentages of `spec.replicas`."""

    max_surge: int | str | None = None
    max_unavailable: int | str | None = None


class DeploymentStrategy(Model, frozen=True):
    """`spec.strategy` of a Deployment."""

    type: str = "RollingUpdate"
    rolling_update: RollingUpdate | None = None


class DeploymentSpec(Model, frozen=True):
    """Desired state of a Deployment; the API server has filled in the defaults."""

    template: dict[str, Any]
    replicas: int = 1
    selector: LabelSelector = LabelSelector()
    strategy: DeploymentStrategy = DeploymentStrategy()
    min_ready_seconds: int = 0
    progress_deadline_seconds: int | None = 600
    revision_history_limit: int | None = 10
    paused: bool = False


class DeploymentStatus(Model, frozen=True):
    """Observed state of a Deployment."""

    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0


class Deployment(Model, frozen=True):
    """apps/v1 Deployment."""

    metadata: ObjectMeta
    spec: DeploymentSpec
    status: DeploymentStatus = DeploymentStatus()


class ReplicaSetSpec(Model, frozen=True):
    """Desired state of a ReplicaSet."""

    template: dict[str, Any]
    replicas: int = 1
    min_ready_seconds: int = 0


class ReplicaSetStatus(Model, frozen=True):
    """Observed state of a ReplicaSet."""

    replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    observed_generation: int = 0


class ReplicaSet(Model, frozen=True):
    """apps/v1 ReplicaSet."""

    metadata: ObjectMeta
    spec: ReplicaSetSpec
    status: ReplicaSetStatus = ReplicaSetStatus()


class ContainerState(Model, frozen=True):
    """Why a container is not running."""

    waiting: dict[str, Any] | None = None
    running: dict[str, Any] | None = None
    terminated: dict[str, Any] | None = None


class ContainerStatus(Model, frozen=True):
    """What a container really runs (`imageID` is the digest)."""

    name: str
    image: str = ""
    image_id: str = msgspec.field(default="", name="imageID")
    ready: bool = False
    restart_count: int = 0
    state: ContainerState = ContainerState()


class PodStatus(Model, frozen=True):
    """Observed state of a Pod."""

    phase: str = ""
    reason: str = ""
    message: str = ""
    conditions: tuple[Condition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()


class Pod(Model, frozen=True):
    """v1 Pod, without its spec."""

    metadata: ObjectMeta
    status: PodStatus = PodStatus()

    @property
    def ready_since(self) -> datetime | None:
        """When the pod became ready, or None while it is not (condition `Ready`)."""
        if self.metadata.deleting:
            return None
        for condition in self.status.conditions:
            if condition.type == "Ready" and condition.status == "True":
                return condition.last_transition_time or self.metadata.creation_timestamp
        return None
