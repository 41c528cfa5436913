"""The CustomResourceDefinition of Rollouts on its way from theirs to ours, and what it stores.

Theirs stores v1beta1 and converts by a webhook that dies with their controller; ours stores
v1alpha1, which needs no conversion. In between stands one that takes any field in both versions
and converts nothing: no field is pruned while objects are rewritten one by one, by whoever may
die in between. An object tells by its fields which version it was written in.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from tandem_controller.api.conversion import V1ALPHA1, V1BETA1, to_v1alpha1, to_v1beta1
from tandem_controller.api.crd import ROLLOUT_CRD, crds
from tandem_controller.kube.resource import Resource

Obj = dict[str, Any]

GROUP = "rollouts.kruise.io"
BATCH_RELEASE_CRD = "batchreleases.rollouts.kruise.io"
ROLLOUTS = {
    version: Resource(GROUP, version, "rollouts", "Rollout") for version in ("v1alpha1", "v1beta1")
}
TRANSITION = "tandem.oam.dev/migration"
"""Annotation on the CRD while objects are rewritten; its value says towards which version."""

_ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def transition(storage: str) -> Obj:
    """Return the CRD that takes any field and stores this version (`v1alpha1` or `v1beta1`)."""
    crd = copy.deepcopy(crds()[ROLLOUT_CRD])
    crd["metadata"]["annotations"] = {TRANSITION: storage}
    crd["spec"]["conversion"] = {"strategy": "None"}
    for version in crd["spec"]["versions"]:
        version["served"] = True
        version["storage"] = version["name"] == storage
        properties = {"spec": _ANYTHING, "status": _ANYTHING}
        version["schema"] = {"openAPIV3Schema": {"type": "object", "properties": properties}}
    return crd


def is_ours(crd: Mapping[str, Any]) -> bool:
    """Whether this is Tandem's CRD: the only one whose status says who approved."""
    for version in crd["spec"]["versions"]:
        schema = (version.get("schema") or {}).get("openAPIV3Schema") or {}
        status = (schema.get("properties") or {}).get("status") or {}
        canary = (status.get("properties") or {}).get("canaryStatus") or {}
        if "approvedBy" in (canary.get("properties") or {}):
            return True
    return False


def in_transition(crd: Mapping[str, Any]) -> str:
    """Return the version that objects are being rewritten to, or an empty string."""
    return str((crd["metadata"].get("annotations") or {}).get(TRANSITION, ""))


def storage_version(crd: Mapping[str, Any]) -> str:
    """Return the version that new writes are stored in."""
    return next(str(v["name"]) for v in crd["spec"]["versions"] if v.get("storage"))


def needs_rewriting(crd: Mapping[str, Any], storage: str) -> bool:
    """Whether objects may be stored in another version than this."""
    return list((crd.get("status") or {}).get("storedVersions") or ()) != [storage]


def truly(obj: Mapping[str, Any]) -> Obj:
    """Return a Rollout under the version that its fields are of, whatever the server calls it."""
    spec = obj.get("spec") or {}
    version = V1ALPHA1 if "objectRef" in spec or "workloadRef" not in spec else V1BETA1
    return {**obj, "apiVersion": version}


def rewritten(obj: Mapping[str, Any], storage: str) -> Obj:
    """Return a Rollout in the shape of the version that is to be stored."""
    convert = to_v1alpha1 if storage == "v1alpha1" else to_v1beta1
    return convert(truly(obj))


def without_conversion(crd: Mapping[str, Any]) -> Obj:
    """Return a CRD that serves its stored version alone, so that it needs no webhook."""
    changed = restorable(crd)
    changed["spec"]["conversion"] = {"strategy": "None"}
    for version in changed["spec"]["versions"]:
        version["served"] = bool(version.get("storage"))
    return changed


def restorable(obj: Mapping[str, Any]) -> Obj:
    """Return an object as it can be put back: without what the API server fills in."""
    filled_in = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields")
    metadata = {k: v for k, v in obj["metadata"].items() if k not in filled_in}
    kept = {k: copy.deepcopy(v) for k, v in obj.items() if k not in ("status", "metadata")}
    return {**kept, "metadata": copy.deepcopy(metadata)}
