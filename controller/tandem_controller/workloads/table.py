"""Which provider releases a Rollout's workload: the one visible table."""

from __future__ import annotations

from tandem_controller.api.rollout import CanaryStrategy, WorkloadRef
from tandem_controller.workloads.deployment_canary import DeploymentCanary
from tandem_controller.workloads.deployment_in_place import DeploymentInPlace
from tandem_controller.workloads.provider import WorkloadProvider

DEPLOYMENT = ("apps/v1", "Deployment")


def provider_for(ref: WorkloadRef, strategy: CanaryStrategy) -> WorkloadProvider | None:
    """Return the provider of a workload kind and style, or None where there is none."""
    if (ref.api_version, ref.kind) != DEPLOYMENT:
        return None
    return DeploymentCanary() if strategy.enable_extra_workload_for_canary else DeploymentInPlace()
