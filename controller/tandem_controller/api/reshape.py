"""Move the fields of a Rollout between v1alpha1 and v1beta1, as far as the target has them.

These functions lose what the other version cannot say; `conversion` keeps that. They
work on the part of an object that conversion changes: its spec and the two annotations
that v1alpha1 uses as fields (OpenKruise Rollouts, `api/v1alpha1/conversion.go`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

STYLE_ANNOTATION = "rollouts.kruise.io/rolling-style"
"""`partition`, `canary` or `bluegreen` in v1alpha1; absent means canary (upstream)."""

TRAFFIC_ROUTING_ANNOTATION = "rollouts.kruise.io/trafficrouting"
"""Name of a TrafficRouting object in v1alpha1; a field in v1beta1."""

FIELD_ANNOTATIONS = (STYLE_ANNOTATION, TRAFFIC_ROUTING_ANNOTATION)

DEFAULT_GRACE = 3
"""Seconds; the default in the schema."""

Part = dict[str, Any]
"""The convertible part: `{"spec": {...}, "annotations": {...}}`."""

_PERCENT = re.compile(r"-?(0|[1-9][0-9]{0,8})%")
_CANARY_SAME = (
    "trafficRoutings",
    "failureThreshold",
    "patchPodTemplateMetadata",
    "disableGenerateCanaryService",
)
_STEP_SAME = ("matches", "requestHeaderModifier", "replicas", "pause")


def up(part: Part) -> Part:
    """Return a v1alpha1 part as v1beta1 says it."""
    spec, annotations = _object(part.get("spec")), _object(part.get("annotations"))
    strategy = _object(spec.get("strategy"))
    target = _only(spec, "disabled")
    target.update(_only(_object(spec.get("objectRef")), "workloadRef"))
    target["strategy"] = _only(strategy, "paused")
    if isinstance(strategy.get("canary"), dict):
        target["strategy"]["canary"] = _canary_up(strategy["canary"], annotations)
    return {"spec": target, "annotations": {}}


def down(part: Part) -> Part:
    """Return a v1beta1 part as v1alpha1 says it. It has no word for blue-green."""
    spec = _object(part.get("spec"))
    strategy = _object(spec.get("strategy"))
    target: dict[str, Any] = {"objectRef": _only(spec, "workloadRef"), **_only(spec, "disabled")}
    target["strategy"] = _only(strategy, "paused")
    if isinstance(strategy.get("canary"), dict):
        target["strategy"]["canary"] = _canary_down(strategy["canary"])
    return {"spec": target, "annotations": _annotations_down(strategy)}


def seen_by_old_client(part: Part) -> Part:
    """Return a v1alpha1 part as KubeVela's struct keeps it (OpenKruise Rollouts v0.3.0).

    A PUT through that struct drops everything else (kubevela `pkg/rollout/rollout.go`).
    """
    spec = _object(part.get("spec"))
    strategy = _object(spec.get("strategy"))
    kept = _only(spec, "objectRef", "rolloutID")
    kept["strategy"] = _only(strategy, "paused")
    if isinstance(strategy.get("canary"), dict):
        kept["strategy"]["canary"] = _canary_seen(strategy["canary"])
    return {"spec": kept, "annotations": dict(part.get("annotations") or {})}


def _canary_up(canary: Mapping[str, Any], annotations: Mapping[str, Any]) -> dict[str, Any]:
    target = _only(canary, *_CANARY_SAME)
    if isinstance(canary.get("steps"), list):
        target["steps"] = [_step_up(_object(step)) for step in canary["steps"]]
    if str(annotations.get(STYLE_ANNOTATION, "")).lower() != "partition":
        target["enableExtraWorkloadForCanary"] = True
    if annotations.get(TRAFFIC_ROUTING_ANNOTATION):
        target["trafficRoutingRef"] = annotations[TRAFFIC_ROUTING_ANNOTATION]
    return target


def _step_up(step: Mapping[str, Any]) -> dict[str, Any]:
    target = _only(step, *_STEP_SAME)
    if step.get("weight") is not None:
        target["traffic"] = f"{step['weight']}%"
        if step.get("replicas") is None:
            target["replicas"] = target["traffic"]
    return target


def _canary_down(canary: Mapping[str, Any]) -> dict[str, Any]:
    target = _only(canary, *_CANARY_SAME)
    if isinstance(canary.get("steps"), list):
        target["steps"] = [_step_down(_object(step)) for step in canary["steps"]]
    return target


def _step_down(step: Mapping[str, Any]) -> dict[str, Any]:
    target = _only(step, *_STEP_SAME)
    if isinstance(step.get("matches"), list):
        target["matches"] = [match for match in step["matches"] if _sayable(_object(match))]
    traffic = step.get("traffic")
    if isinstance(traffic, str) and _PERCENT.fullmatch(traffic):
        target["weight"] = int(traffic[:-1])
    return target


def _sayable(match: Mapping[str, Any]) -> bool:
    """Whether v1alpha1 can say this match whole.

    Half a match would send more requests to the new version than the whole one, so
    a match with a path or query parameters is left out rather than shortened.
    """
    return not any(match.get(key) for key in ("path", "queryParams"))


def _annotations_down(strategy: Mapping[str, Any]) -> dict[str, Any]:
    """Return style and traffic routing as the annotations of v1alpha1."""
    if not isinstance(strategy.get("canary"), dict):
        blue_green = isinstance(strategy.get("blueGreen"), dict)
        return {STYLE_ANNOTATION: "bluegreen"} if blue_green else {}
    canary = strategy["canary"]
    style = "canary" if canary.get("enableExtraWorkloadForCanary") else "partition"
    reference = canary.get("trafficRoutingRef")
    return {STYLE_ANNOTATION: style} | (
        {TRAFFIC_ROUTING_ANNOTATION: reference} if reference else {}
    )


def _canary_seen(canary: Mapping[str, Any]) -> dict[str, Any]:
    kept = _only(canary, "failureThreshold")
    if isinstance(canary.get("steps"), list):
        kept["steps"] = [
            _only(_object(step), "weight", "replicas", "pause", "matches")
            for step in canary["steps"]
        ]
    if isinstance(canary.get("trafficRoutings"), list):
        kept["trafficRoutings"] = [_routing_seen(_object(r)) for r in canary["trafficRoutings"]]
    return kept


def _routing_seen(routing: Mapping[str, Any]) -> dict[str, Any]:
    kept = _only(routing, "service", "gracePeriodSeconds", "ingress", "gateway")
    if kept.get("gracePeriodSeconds") == 0:
        kept["gracePeriodSeconds"] = DEFAULT_GRACE
    return kept


def with_grace(part: Part) -> Part:
    """Return a part in which every traffic routing states its grace period.

    An old client drops 0, and the API server then puts the default of 3 there. Both
    mean the same.
    """
    spec = _object(part.get("spec"))
    strategy = _object(spec.get("strategy"))
    canary = _object(strategy.get("canary"))
    if not isinstance(canary.get("trafficRoutings"), list):
        return part
    routings = [
        {**_object(r), "gracePeriodSeconds": _object(r).get("gracePeriodSeconds") or DEFAULT_GRACE}
        for r in canary["trafficRoutings"]
    ]
    canary = {**canary, "trafficRoutings": routings}
    return {**part, "spec": {**spec, "strategy": {**strategy, "canary": canary}}}


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _only(source: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: source[key] for key in keys if key in source}


def without(source: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """Return a copy of a mapping without some of its keys."""
    return {key: value for key, value in source.items() if key not in keys}
