"""The Rollout of `rollouts.kruise.io`, in the shape of v1beta1.

Stored and served objects may be v1alpha1; `conversion` brings them to this shape.
Field meanings follow OpenKruise Rollouts (API package `rollouts.kruise.io/v1beta1`).
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from tandem_controller.api.meta import Condition, Model, ObjectMeta

GROUP = "rollouts.kruise.io"


class Phase(StrEnum):
    """`status.phase`."""

    INITIAL = "Initial"
    HEALTHY = "Healthy"
    PROGRESSING = "Progressing"
    TERMINATING = "Terminating"
    DISABLING = "Disabling"
    DISABLED = "Disabled"


class StepState(StrEnum):
    """`status.canaryStatus.currentStepState`."""

    BEFORE_UPGRADE = "BeforeStepUpgrade"
    UPGRADE = "StepUpgrade"
    TRAFFIC_ROUTING = "StepTrafficRouting"
    METRICS_ANALYSIS = "StepMetricsAnalysis"
    PAUSED = "StepPaused"
    READY = "StepReady"
    COMPLETED = "Completed"


class FinalisingStep(StrEnum):
    """`status.canaryStatus.finalisingStep`; spelled as upstream's constants."""

    ROUTE_TO_STABLE = "FinalisingStepRouteTrafficToStable"
    ROUTE_TO_NEW = "FinalisingStepRouteTrafficToNew"
    RESTORE_STABLE_SERVICE = "RestoreStableService"
    REMOVE_CANARY_SERVICE = "RemoveCanaryService"
    RESUME_WORKLOAD = "ResumeWorkload"
    RELEASE_WORKLOAD_CONTROL = "ReleaseWorkloadControl"
    END = "END"


class WorkloadRef(Model, frozen=True):
    """The workload a Rollout releases; always in the Rollout's namespace."""

    api_version: str = ""
    kind: str = ""
    name: str = ""


class Pause(Model, frozen=True):
    """A pause after a step. `duration` in seconds; None waits for approval, 0 passes."""

    duration: int | None = None


class ValueMatch(Model, frozen=True):
    """One header or query parameter to match. `type` is Exact or RegularExpression."""

    name: str
    value: str
    type: str = "Exact"


class PathMatch(Model, frozen=True):
    """A path to match (Gateway API HTTPPathMatch)."""

    type: str = "PathPrefix"
    value: str = "/"


class RouteMatch(Model, frozen=True):
    """Requests that a step sends to the new version (Gateway API HTTPRouteMatch)."""

    path: PathMatch | None = None
    headers: tuple[ValueMatch, ...] = ()
    query_params: tuple[ValueMatch, ...] = ()


class Step(Model, frozen=True):
    """One step: how many pods, which traffic, and what to wait for afterwards."""

    traffic: str | None = None
    matches: tuple[RouteMatch, ...] = ()
    request_header_modifier: dict[str, Any] | None = None
    replicas: int | str | None = None
    pause: Pause = Pause()


class IngressRef(Model, frozen=True):
    """An Ingress to copy into a canary Ingress. An empty class type is nginx."""

    name: str = ""
    class_type: str = ""


class GatewayRef(Model, frozen=True):
    """A Gateway API route whose rules are edited in place."""

    http_route_name: str | None = None


class CustomNetworkRef(Model, frozen=True):
    """Any other object that routes traffic, changed by a Lua script upstream."""

    api_version: str = ""
    kind: str = ""
    name: str = ""


class TrafficRouting(Model, frozen=True):
    """Which Service and which routes carry the workload's traffic.

    `grace_period_seconds` is the time proxies get to load a route before endpoints
    that it no longer names go away; 0 or less means the default of 3 (upstream).
    """

    service: str = ""
    grace_period_seconds: int = 3
    ingress: IngressRef | None = None
    gateway: GatewayRef | None = None
    custom_network_refs: tuple[CustomNetworkRef, ...] = ()


class PodTemplateMetadata(Model, frozen=True):
    """Labels and annotations added to the pods of an extra canary Deployment."""

    annotations: dict[str, str] = {}
    labels: dict[str, str] = {}


class CanaryStrategy(Model, frozen=True):
    """Canary or batch release; `enable_extra_workload_for_canary` selects canary style."""

    steps: tuple[Step, ...] = ()
    traffic_routings: tuple[TrafficRouting, ...] = ()
    failure_threshold: int | str | None = None
    patch_pod_template_metadata: PodTemplateMetadata | None = None
    enable_extra_workload_for_canary: bool = False
    traffic_routing_ref: str = ""
    disable_generate_canary_service: bool = False


class BlueGreenStrategy(Model, frozen=True):
    """Blue-green release."""

    steps: tuple[Step, ...] = ()
    traffic_routings: tuple[TrafficRouting, ...] = ()
    failure_threshold: int | str | None = None
    traffic_routing_ref: str = ""
    disable_generate_canary_service: bool = False


class RolloutStrategy(Model, frozen=True):
    """Exactly one of `canary` and `blue_green`."""

    paused: bool = False
    canary: CanaryStrategy | None = None
    blue_green: BlueGreenStrategy | None = None


class RolloutSpec(Model, frozen=True):
    """What to release, and how."""

    workload_ref: WorkloadRef = WorkloadRef()
    strategy: RolloutStrategy = RolloutStrategy()
    disabled: bool = False


class CanaryStatus(Model, frozen=True):
    """Where a release stands. Indices are 1-based; `next_step_index` -1 is "none left".

    `approved_by` is Tandem's: admission on the status subresource writes the user
    who set StepReady there.
    """

    observed_workload_generation: int = 0
    observed_rollout_id: str = msgspec.field(default="", name="observedRolloutID")
    rollout_hash: str = ""
    stable_revision: str = ""
    canary_revision: str = ""
    pod_template_hash: str = ""
    canary_replicas: int = 0
    canary_ready_replicas: int = 0
    current_step_index: int = 0
    next_step_index: int = 0
    current_step_state: str = ""
    finalising_step: str = ""
    message: str = ""
    last_update_time: datetime | None = None
    approved_by: str = ""


class RolloutStatus(Model, frozen=True):
    """Observed state of a Rollout."""

    observed_generation: int = 0
    phase: str = ""
    message: str = ""
    conditions: tuple[Condition, ...] = ()
    current_step_index: int = 0
    current_step_state: str = ""
    canary_status: CanaryStatus | None = None


class Rollout(Model, frozen=True):
    """A Rollout in the shape of v1beta1."""

    metadata: ObjectMeta
    spec: RolloutSpec = RolloutSpec()
    status: RolloutStatus = RolloutStatus()
