"""Defaults and validation of the API server, for the kinds that Tandem changes.

Sources: `SetDefaults_Deployment`, `SetDefaults_PodSpec` and `SetDefaults_Container`
(pkg/apis/apps/v1 and pkg/apis/core/v1 of Kubernetes 1.34), `ValidateDeploymentSpec`
(pkg/apis/apps/validation), `ValidateConfigMapUpdate` (pkg/apis/core/validation), and the CEL
rules of our CRDs (DESIGN §2.2).
"""

from __future__ import annotations

from typing import Any

from tandem_controller.effect import Kind
from tests.simulation.errors import InvalidError

Obj = dict[str, Any]

_CONTAINER_DEFAULTS: Obj = {
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
    "resources": {},
}
_POD_DEFAULTS: Obj = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
    "securityContext": {},
}


def defaulted(kind: Kind, obj: Obj) -> Obj:
    """Return the object as the API server stores it."""
    if kind is Kind.DEPLOYMENT:
        return {**obj, "spec": _deployment_spec(obj.get("spec") or {})}
    return obj


def validate(kind: Kind, old: Obj | None, new: Obj) -> None:
    """Raise InvalidError when the API server would answer 422."""
    if kind is Kind.DEPLOYMENT:
        _validate_deployment(old, new["spec"])
    if kind in (Kind.CONFIG_MAP, Kind.SECRET) and old is not None and old.get("immutable"):
        _validate_immutable(old, new)
    if kind is Kind.RELEASE_RECORD and old is not None and old["spec"] != new["spec"]:
        raise InvalidError("spec is immutable")
    if kind is Kind.RELEASE_APPROVAL and old is not None:
        if old["spec"] != new["spec"]:
            raise InvalidError("an approval never changes")
        if old.get("status") and old["status"] != new.get("status"):
            raise InvalidError("what became of an approval never changes")


def default_template(template: Obj) -> Obj:
    """Return a pod template with the API server's defaults."""
    spec = template.get("spec") or {}
    result = {**_POD_DEFAULTS, **spec}
    for field in ("initContainers", "containers"):
        if spec.get(field):
            result[field] = [_default_container(c) for c in spec[field]]
        else:
            result.pop(field, None)
    metadata = {k: v for k, v in (template.get("metadata") or {}).items() if v}
    return {"metadata": metadata, "spec": result}


def _deployment_spec(spec: Obj) -> Obj:
    return {
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
        "replicas": 1,
        **spec,
        "strategy": _default_strategy(spec.get("strategy") or {}),
        "template": default_template(spec.get("template") or {}),
    }


def _default_strategy(strategy: Obj) -> Obj:
    strategy = {**strategy, "type": strategy.get("type") or "RollingUpdate"}
    if strategy["type"] == "RollingUpdate":
        knobs = strategy.get("rollingUpdate") or {}
        strategy["rollingUpdate"] = {"maxUnavailable": "25%", "maxSurge": "25%", **knobs}
    return strategy


def _default_container(container: Obj) -> Obj:
    image = str(container.get("image", ""))
    latest = image.endswith(":latest") or ":" not in image.rpartition("/")[2]
    policy = "Always" if latest else "IfNotPresent"
    return {**_CONTAINER_DEFAULTS, "imagePullPolicy": policy, **container}


def _validate_deployment(old: Obj | None, spec: Obj) -> None:
    if spec["replicas"] < 0:
        raise InvalidError("spec.replicas: must be greater than or equal to 0")
    if spec["progressDeadlineSeconds"] <= spec.get("minReadySeconds", 0):
        raise InvalidError("spec.progressDeadlineSeconds: must be greater than minReadySeconds")
    _validate_strategy(spec["strategy"])
    selector = spec.get("selector", {}).get("matchLabels", {})
    labels = spec["template"]["metadata"].get("labels", {})
    if not selector or not selector.items() <= labels.items():
        raise InvalidError("spec.template.metadata.labels: `selector` does not match")
    if old is not None and old["spec"]["selector"] != spec["selector"]:
        raise InvalidError("spec.selector: field is immutable")


def _validate_immutable(old: Obj, new: Obj) -> None:
    """`ValidateConfigMapUpdate` and `ValidateSecretUpdate`."""
    fields = ("immutable", "data", "binaryData")
    if any(old.get(field) != new.get(field) for field in fields):
        raise InvalidError("data: field is immutable when `immutable` is set")


def _validate_strategy(strategy: Obj) -> None:
    if strategy["type"] == "Recreate":
        if "rollingUpdate" in strategy:
            raise InvalidError("spec.strategy.rollingUpdate: may not be specified with Recreate")
        return
    knobs = strategy["rollingUpdate"]
    if all(_number(knobs[k]) == 0 for k in ("maxSurge", "maxUnavailable")):
        raise InvalidError("maxUnavailable: may not be 0 when `maxSurge` is 0")
    if str(knobs["maxUnavailable"]).endswith("%") and _number(knobs["maxUnavailable"]) > 100:
        raise InvalidError("maxUnavailable: must not be greater than 100%")


def _number(value: int | str) -> int:
    return value if isinstance(value, int) else int(value.removesuffix("%"))
