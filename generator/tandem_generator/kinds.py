"""What the workload kinds of a component differ in, as data for the one template.

A definition is published only where the controller releases its kind: its own table says so.
"""

from __future__ import annotations

import msgspec

from tandem_controller.api.rollout import CanaryStrategy, WorkloadRef
from tandem_controller.workloads.table import provider_for
from tandem_generator.blueprint import WorkloadKind


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind. Paths are below `spec` where a component states them, else below the object."""

    name: WorkloadKind
    api_version: str = "apps/v1"
    resource: str
    """As KubeVela names a workload: plural and group."""
    children: tuple[tuple[str, str], ...] = (("v1", "Pod"),)
    """API version and kind of what stands between the workload and its containers."""
    scales: bool = True
    """Whether `spec.replicas` says how many pods there are."""
    surge: str = ""
    """Where pods above the wanted number are allowed; empty where they never are."""
    unavailable: str
    paused: str = ""
    """Where the kind says that nothing of it moves; empty where it cannot."""
    named_by_service: bool = False
    """Whether the pods' names belong to a Service, which `spec.serviceName` states."""
    wanted: str = "spec.replicas"
    wanted_by_default: int = 1
    pods: str = "status.replicas"
    updated: str = "status.updatedReplicas"
    available: str = "status.availableReplicas"

    @property
    def full_name(self) -> str:
        """API version and kind, as messages name it."""
        return f"{self.api_version} {self.name.value}"

    @property
    def is_released(self) -> bool:
        """Whether the controller releases it."""
        ref = WorkloadRef(api_version=self.api_version, kind=self.name.value, name="any")
        return provider_for(ref, CanaryStrategy()) is not None


KINDS = (
    Kind(
        name=WorkloadKind.DEPLOYMENT,
        resource="deployments.apps",
        children=(("apps/v1", "ReplicaSet"), ("v1", "Pod")),
        surge="strategy.rollingUpdate.maxSurge",
        unavailable="strategy.rollingUpdate.maxUnavailable",
        paused="spec.paused",
    ),
    Kind(
        name=WorkloadKind.STATEFUL_SET,
        resource="statefulsets.apps",
        unavailable="updateStrategy.rollingUpdate.maxUnavailable",
        named_by_service=True,
    ),
    Kind(
        name=WorkloadKind.DAEMON_SET,
        resource="daemonsets.apps",
        scales=False,
        surge="updateStrategy.rollingUpdate.maxSurge",
        unavailable="updateStrategy.rollingUpdate.maxUnavailable",
        wanted="status.desiredNumberScheduled",
        wanted_by_default=0,
        pods="status.currentNumberScheduled",
        updated="status.updatedNumberScheduled",
        available="status.numberAvailable",
    ),
    Kind(
        name=WorkloadKind.CLONE_SET,
        api_version="apps.kruise.io/v1alpha1",
        resource="clonesets.apps.kruise.io",
        surge="updateStrategy.maxSurge",
        unavailable="updateStrategy.maxUnavailable",
        paused="spec.updateStrategy.paused",
    ),
)


def of(name: WorkloadKind) -> Kind:
    """Return what is known of a kind."""
    (found,) = (kind for kind in KINDS if kind.name is name)
    return found


def released() -> tuple[Kind, ...]:
    """Return the kinds that the controller releases."""
    return tuple(kind for kind in KINDS if kind.is_released)
