"""The structs in Python and the schemas in YAML say the same, field by field."""

from __future__ import annotations

import typing
from enum import StrEnum
from types import UnionType
from typing import Any

import msgspec
import pytest

from tandem_controller.api import meta
from tandem_controller.api.approval import ReleaseApproval
from tandem_controller.api.crd import (
    CRD_DIRECTORY,
    RELEASE_APPROVAL_CRD,
    RELEASE_POLICY_CRD,
    RELEASE_RECORD_CRD,
    ROLLOUT_CRD,
    crds,
    keeping_conversion,
    with_conversion,
)
from tandem_controller.api.policy import DEFAULT_POLICY, ReleasePolicy
from tandem_controller.api.record import ReleaseRecord
from tandem_controller.api.rollout import Rollout

TYPE_META = {"apiVersion", "kind"}

SCHEMA_ONLY = {
    "status.blueGreenStatus": "written by OpenKruise; Tandem refuses blue-green for now",
    "spec.strategy.canary.steps[].requestHeaderModifier.set": "raw: copied whole into routes",
    "spec.strategy.canary.steps[].requestHeaderModifier.add": "raw: copied whole into routes",
    "spec.strategy.canary.steps[].requestHeaderModifier.remove": "raw: copied whole into routes",
    "spec.strategy.blueGreen.steps[].requestHeaderModifier.set": "raw: copied whole",
    "spec.strategy.blueGreen.steps[].requestHeaderModifier.add": "raw: copied whole",
    "spec.strategy.blueGreen.steps[].requestHeaderModifier.remove": "raw: copied whole",
}


def schema(name: str, version: str) -> dict[str, Any]:
    versions = {v["name"]: v for v in crds()[name]["spec"]["versions"]}
    found: dict[str, Any] = versions[version]["schema"]["openAPIV3Schema"]
    return found


def paths(node: dict[str, Any], prefix: str = "") -> set[str]:
    """All field paths of a schema; entries of a list are `[]`, of a map `{}`."""
    found: set[str] = set()
    for key, child in node.get("properties", {}).items():
        path = f"{prefix}.{key}" if prefix else key
        found |= {path} | paths(child, path)
    if "items" in node:
        found |= paths(node["items"], prefix + "[]")
    if isinstance(node.get("additionalProperties"), dict):
        found |= paths(node["additionalProperties"], prefix + "{}")
    return found


def struct_paths(kind: object, prefix: str = "") -> set[str]:
    """All field paths of a struct, in the same notation. Metadata is Kubernetes' own."""
    origin = typing.get_origin(kind)
    if origin in (UnionType, typing.Union):
        return set().union(*(struct_paths(a, prefix) for a in typing.get_args(kind)))
    if origin is tuple:
        return struct_paths(typing.get_args(kind)[0], prefix + "[]")
    if origin is dict:
        return struct_paths(typing.get_args(kind)[1], prefix + "{}")
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return set()
    found: set[str] = set()
    for field in msgspec.structs.fields(kind):
        path = f"{prefix}.{field.encode_name}" if prefix else field.encode_name
        found |= {path} | (set() if kind is meta.ObjectMeta else struct_paths(field.type, path))
    return {p for p in found if not p.startswith("metadata.")}


@pytest.mark.parametrize(
    ("name", "version", "struct"),
    [
        (ROLLOUT_CRD, "v1beta1", Rollout),
        (RELEASE_POLICY_CRD, "v1alpha1", ReleasePolicy),
        (RELEASE_RECORD_CRD, "v1alpha1", ReleaseRecord),
        (RELEASE_APPROVAL_CRD, "v1alpha1", ReleaseApproval),
    ],
)
def test_struct_and_schema_have_the_same_fields(name: str, version: str, struct: type) -> None:
    in_schema = paths(schema(name, version)) - TYPE_META
    in_struct = struct_paths(struct)
    assert in_struct - in_schema == set()
    unread = {p for p in in_schema - in_struct if not _reasoned(p)}
    assert unread == set()


def _reasoned(path: str) -> bool:
    return any(
        path == known or path.startswith((known + ".", known + "[]")) for known in SCHEMA_ONLY
    )


def test_every_reasoned_exception_still_exists() -> None:
    known = paths(schema(ROLLOUT_CRD, "v1beta1"))
    assert {p for p in SCHEMA_ONLY if p not in known} == set()


ALPHA_NAMES = {
    "spec.objectRef": None,
    "spec.objectRef.workloadRef": "spec.workloadRef",
    "spec.rolloutID": None,
    "spec.strategy.canary.steps[].weight": "spec.strategy.canary.steps[].traffic",
}
"""Where v1alpha1 says something under another name; None where v1beta1 has no name for it."""

BETA_ONLY = (
    "spec.strategy.blueGreen",
    "spec.strategy.canary.enableExtraWorkloadForCanary",
    "spec.strategy.canary.trafficRoutingRef",
    "spec.strategy.canary.steps[].matches[].path",
    "spec.strategy.canary.steps[].matches[].queryParams",
)
"""What v1alpha1 keeps in annotations; see `api/conversion.py`."""


def test_the_two_versions_of_rollout_differ_only_where_conversion_knows_it() -> None:
    alpha, beta = (paths(schema(ROLLOUT_CRD, v)) for v in ("v1alpha1", "v1beta1"))
    said = {name for path in alpha if (name := _beta_name(path)) is not None}
    assert said - beta == set()
    assert {p for p in beta - said if not p.startswith(BETA_ONLY)} == set()


def _beta_name(path: str) -> str | None:
    for alpha, beta in sorted(ALPHA_NAMES.items(), key=lambda item: -len(item[0])):
        if path == alpha or path.startswith(alpha + "."):
            return None if beta is None else beta + path[len(alpha) :]
    return path


def test_the_status_of_both_versions_is_one() -> None:
    alpha, beta = (schema(ROLLOUT_CRD, v)["properties"]["status"] for v in ("v1alpha1", "v1beta1"))
    assert alpha == beta


@pytest.mark.parametrize("field", ["nextStepIndex", "finalisingStep", "approvedBy"])
def test_what_an_old_client_drops_from_a_status_is_optional(field: str) -> None:
    canary = schema(ROLLOUT_CRD, "v1alpha1")["properties"]["status"]["properties"]["canaryStatus"]
    assert field in canary["properties"]
    assert field not in canary.get("required", [])


def test_required_fields_of_structs_are_required_by_the_schema() -> None:
    """Otherwise one object without them could not be decoded, and would stop a reflector."""
    for name, version, struct in (
        (ROLLOUT_CRD, "v1beta1", Rollout),
        (RELEASE_POLICY_CRD, "v1alpha1", ReleasePolicy),
        (RELEASE_RECORD_CRD, "v1alpha1", ReleaseRecord),
        (RELEASE_APPROVAL_CRD, "v1alpha1", ReleaseApproval),
    ):
        assert _required(struct) - _required_by(schema(name, version)) == set()


def _required(kind: object, prefix: str = "") -> set[str]:
    origin = typing.get_origin(kind)
    if origin in (UnionType, typing.Union):
        return set().union(*(_required(a, prefix) for a in typing.get_args(kind)))
    if origin is tuple:
        return _required(typing.get_args(kind)[0], prefix + "[]")
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)) or kind is meta.ObjectMeta:
        return set()
    found: set[str] = set()
    for field in msgspec.structs.fields(kind):
        path = f"{prefix}.{field.encode_name}" if prefix else field.encode_name
        found |= ({path} if field.required else set()) | _required(field.type, path)
    return found - {"metadata"}


def _required_by(node: dict[str, Any], prefix: str = "") -> set[str]:
    found = {f"{prefix}.{key}" if prefix else key for key in node.get("required", [])}
    for key, child in node.get("properties", {}).items():
        found |= _required_by(child, f"{prefix}.{key}" if prefix else key)
    return found | (_required_by(node["items"], prefix + "[]") if "items" in node else set())


def test_defaults_of_the_policy_are_those_of_the_schema() -> None:
    spec = schema(RELEASE_POLICY_CRD, "v1alpha1")["properties"]["spec"]["properties"]
    assert spec["rollbackScope"]["default"] == DEFAULT_POLICY.rollback_scope.value
    assert spec["onDelete"]["default"] == DEFAULT_POLICY.on_delete.value
    assert spec["history"]["default"] == DEFAULT_POLICY.history
    assert spec["hold"]["properties"]["release"]["default"] == DEFAULT_POLICY.hold.release.value


def test_enums_are_those_of_the_structs() -> None:
    for name, struct in (
        (RELEASE_POLICY_CRD, ReleasePolicy),
        (RELEASE_RECORD_CRD, ReleaseRecord),
        (RELEASE_APPROVAL_CRD, ReleaseApproval),
    ):
        assert _struct_enums(struct) == _schema_enums(schema(name, "v1alpha1"))


def _struct_enums(kind: object) -> set[frozenset[str]]:
    arguments = typing.get_args(kind)
    if arguments:
        return set().union(*(_struct_enums(a) for a in arguments))
    if not isinstance(kind, type):
        return set()
    if issubclass(kind, StrEnum):
        return {frozenset(member.value for member in kind)}
    if not issubclass(kind, msgspec.Struct):
        return set()
    return set().union(*(_struct_enums(f.type) for f in msgspec.structs.fields(kind)), set())


def _schema_enums(node: dict[str, Any]) -> set[frozenset[str]]:
    found = {frozenset(node["enum"])} if "enum" in node else set()
    children = [*node.get("properties", {}).values(), *([node["items"]] if "items" in node else [])]
    return found.union(*(_schema_enums(child) for child in children))


def test_v1alpha1_of_rollout_is_stored_and_v1beta1_waits_for_its_conversion() -> None:
    versions = {v["name"]: v for v in crds()[ROLLOUT_CRD]["spec"]["versions"]}
    assert versions["v1alpha1"]["storage"]
    assert versions["v1alpha1"]["served"]
    assert not versions["v1beta1"]["served"]
    served = with_conversion(crds()[ROLLOUT_CRD], {"url": "https://127.0.0.1:1/convert"})
    assert all(v["served"] for v in served["spec"]["versions"])
    webhook = served["spec"]["conversion"]["webhook"]
    assert webhook["clientConfig"] == {"url": "https://127.0.0.1:1/convert"}


def test_installing_again_keeps_the_conversion_that_the_cluster_has() -> None:
    crd = crds()[ROLLOUT_CRD]
    live = with_conversion(crd, {"url": "https://127.0.0.1:1/convert"})
    assert keeping_conversion(crd, live) == live
    assert keeping_conversion(crd, None) == crd
    assert keeping_conversion(crd, crd) == crd


def test_the_files_hold_one_object_each_and_name_no_server() -> None:
    for path in CRD_DIRECTORY.glob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        assert "\n---" not in text
        assert "clientConfig" not in text
        assert "caBundle" not in text


def test_every_version_has_a_status_where_its_struct_has_one() -> None:
    for crd in crds().values():
        for version in crd["spec"]["versions"]:
            properties = version["schema"]["openAPIV3Schema"]["properties"]
            assert ("status" in properties) == ("status" in version.get("subresources", {}))
