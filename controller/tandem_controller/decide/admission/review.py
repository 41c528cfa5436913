"""What admission is asked and answers, as data.

The rules are in `admission_workload`, `admission_rollout` and `admission_status`: pure
functions over one request and what the cache knows. The webhook server speaks HTTP for
them. Nothing here may fail on an odd object: the API server validates after mutation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tandem_controller.api.meta import Model

Operation = dict[str, Any]
"""One operation of a JSON Patch (RFC 6902)."""

MAX_WARNING = 240
"""Longer warnings are cut by the API server (`AdmissionResponse.warnings`, 256 characters)."""


class UserInfo(Model, frozen=True):
    """Who sent the request."""

    username: str = ""
    groups: tuple[str, ...] = ()


class Options(Model, frozen=True):
    """How the request was sent (`meta.k8s.io/v1` PatchOptions and UpdateOptions)."""

    field_manager: str = ""


class AdmissionRequest(Model, frozen=True):
    """`admission.k8s.io/v1` AdmissionReview, the request in it."""

    uid: str
    operation: str
    namespace: str = ""
    name: str = ""
    sub_resource: str = ""
    user_info: UserInfo = UserInfo()
    options: Options = Options()
    dry_run: bool = False
    object: dict[str, Any] | None = None
    old_object: dict[str, Any] | None = None

    @property
    def new(self) -> dict[str, Any]:
        """The object as it is to be stored; empty on DELETE."""
        return self.object or {}

    @property
    def old(self) -> dict[str, Any]:
        """The stored object; empty on CREATE."""
        return self.old_object or {}


class _Review(Model, frozen=True):
    request: AdmissionRequest


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The answer: allowed or not and why, what to change, and what to tell the user."""

    allowed: bool = True
    message: str = ""
    patch: tuple[Operation, ...] = ()
    warnings: tuple[str, ...] = field(default=())


ALLOWED = Verdict()


def denied(message: str) -> Verdict:
    """Refuse a request."""
    return Verdict(allowed=False, message=message)


def decode_review(raw: bytes) -> AdmissionRequest:
    """Return the request of an AdmissionReview."""
    return msgspec.json.decode(raw, type=_Review).request


def encode_review(uid: str, verdict: Verdict) -> bytes:
    """Return the AdmissionReview that answers a request."""
    response: dict[str, Any] = {"uid": uid, "allowed": verdict.allowed}
    if not verdict.allowed:
        response["status"] = {"code": 422, "reason": "Invalid", "message": verdict.message}
    if verdict.patch:
        response["patchType"] = "JSONPatch"
        response["patch"] = msgspec.json.encode(verdict.patch)  # bytes become base64
    if verdict.warnings:
        response["warnings"] = [text[:MAX_WARNING] for text in verdict.warnings]
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
    return msgspec.json.encode(review)


def annotations_of(obj: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the annotations of an object of a request; empty where it has none."""
    return _metadata_map(obj, "annotations")


def labels_of(obj: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the labels of an object of a request; empty where it has none."""
    return _metadata_map(obj, "labels")


def _metadata_map(obj: Mapping[str, Any], part: str) -> Mapping[str, str]:
    return (obj.get("metadata") or {}).get(part) or {}


def set_field(obj: Mapping[str, Any], path: Iterable[str], value: object) -> list[Operation]:
    """Return the operations that give a field a value; None takes it away.

    Parents that do not exist are made: a JSON Patch cannot add below what is not there.
    """
    keys = list(path)
    current: Any = obj
    for depth, key in enumerate(keys[:-1]):
        if not isinstance(current.get(key), dict):
            below = _nested(keys[depth + 1 :], value)
            return [] if value is None else [_add(keys[: depth + 1], below)]
        current = current[key]
    if value is None:
        return [{"op": "remove", "path": _pointer(keys)}] if keys[-1] in current else []
    return [] if current.get(keys[-1]) == value else [_add(keys, value)]


def _nested(keys: list[str], value: object) -> object:
    for key in reversed(keys):
        value = {key: value}
    return value


def _add(keys: list[str], value: object) -> Operation:
    return {"op": "add", "path": _pointer(keys), "value": value}


def _pointer(keys: Iterable[str]) -> str:
    """Return a JSON Pointer (RFC 6901)."""
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys)
