"""HorizontalPodAutoscaler: whom it scales, and within which bounds."""

from __future__ import annotations

from tandem_controller.api.meta import Model, ObjectMeta


class ScaleTarget(Model, frozen=True):
    """`spec.scaleTargetRef`."""

    kind: str
    name: str
    api_version: str = ""


class AutoscalerSpec(Model, frozen=True):
    """The bounds; the API server defaults `minReplicas` to 1."""

    scale_target_ref: ScaleTarget
    max_replicas: int
    min_replicas: int = 1


class HorizontalPodAutoscaler(Model, frozen=True):
    """autoscaling/v2 HorizontalPodAutoscaler."""

    metadata: ObjectMeta
    spec: AutoscalerSpec
