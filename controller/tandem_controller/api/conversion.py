"""Conversion of Rollouts between v1alpha1 (stored) and v1beta1 (the shape Tandem works in).

Neither version can say everything that the other can. What it cannot say travels in one
annotation: the part of the object as the other version last said it. On the way back the
two are merged (`merge`): an edit wins for every field that the editing version has, the
rest is taken from the annotation. Where nothing was edited, the object comes back exactly.

The annotation is written only where something would be lost. It also covers KubeVela, which
writes v1alpha1 through a struct of 2023 and thereby drops newer fields: a v1alpha1 object
that equals what that struct can hold of the remembered one, `paused` apart, was not edited.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tandem_controller.api import fingerprint
from tandem_controller.api.merge import merge, same
from tandem_controller.api.reshape import (
    FIELD_ANNOTATIONS,
    Part,
    down,
    seen_by_old_client,
    up,
    with_grace,
    without,
)
from tandem_controller.api.rollout import GROUP, Rollout, RolloutStatus

V1ALPHA1 = f"{GROUP}/v1alpha1"
V1BETA1 = f"{GROUP}/v1beta1"

BETA_FIELDS = "tandem.oam.dev/v1beta1-fields"
"""On a v1alpha1 object: its v1beta1 form, where v1alpha1 cannot say all of it."""

ALPHA_FIELDS = "tandem.oam.dev/v1alpha1-fields"
"""On a v1beta1 object: its v1alpha1 form, where v1beta1 cannot say all of it."""

_OWN = (BETA_FIELDS, ALPHA_FIELDS)


class UnknownVersionError(ValueError):
    """The object is no Rollout of a version that Tandem knows."""


def to_v1beta1(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Return a Rollout as v1beta1; one that is v1beta1 already comes back unchanged."""
    if _version(obj) == V1BETA1:
        return dict(obj)
    alpha, remembered = _part(obj), _remembered(obj, BETA_FIELDS)
    beta = up(alpha)
    if remembered is not None:
        beta = _merged(up(_baseline(alpha, remembered)), beta, remembered)
    keep = None if down(beta) == alpha else alpha
    return _assembled(obj, V1BETA1, beta, ALPHA_FIELDS, keep)


def to_v1alpha1(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Return a Rollout as v1alpha1; one that is v1alpha1 already comes back unchanged."""
    if _version(obj) == V1ALPHA1:
        return dict(obj)
    beta, remembered = _part(obj), _remembered(obj, ALPHA_FIELDS)
    alpha = down(beta)
    if remembered is not None:
        alpha = _merged(down(up(remembered)), alpha, remembered)
    safe = up(alpha) == beta and _decided(up(seen_by_old_client(alpha))) == _decided(beta)
    keep = None if safe else beta
    return _assembled(obj, V1ALPHA1, alpha, BETA_FIELDS, keep)


CONVERTERS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    V1ALPHA1: to_v1alpha1,
    V1BETA1: to_v1beta1,
}
"""Conversion by the apiVersion that is wanted."""


def decode_rollout(raw: bytes) -> Rollout:
    """Return the Rollout of a JSON object of either version."""
    return rollout_of(msgspec.json.decode(raw))


def rollout_of(obj: Mapping[str, Any]) -> Rollout:
    """Return the Rollout of a decoded object of either version."""
    return msgspec.convert(_without_nulls(to_v1beta1(obj)), Rollout)


def encode_status_v1alpha1(status: RolloutStatus) -> dict[str, Any]:
    """Return a status as v1alpha1 stores it: the same fields (the schema has them all)."""
    encoded: dict[str, Any] = msgspec.to_builtins(status)
    return encoded


def dropped_by_old_client(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether a v1alpha1 object lost fields to KubeVela's struct and was not edited.

    KubeVela's writes change nothing but `paused`. The same write could in theory come
    from a person who toggles `paused` and removes exactly all of the newer fields.
    """
    before, after = with_grace(_part(old)), with_grace(_part(new))
    seen = seen_by_old_client(before)
    lost = not same(seen, before)
    toggled = _paused(before) != _paused(after)
    return lost and toggled and same(_without_paused(seen), _without_paused(after))


def _baseline(alpha: Part, remembered: Part) -> Part:
    """Return what the writer of this v1alpha1 object had seen of the remembered one."""
    shown = down(remembered)
    now, seen = with_grace(alpha), seen_by_old_client(with_grace(shown))
    old_client = same(now, seen_by_old_client(now)) and same(
        _without_paused(up(seen)), _without_paused(up(now))
    )
    return _paused_as(shown, alpha) if old_client else shown


def _merged(base: Part, theirs: Part, ours: Part) -> Part:
    return {
        key: merge(base.get(key) or {}, theirs.get(key) or {}, ours.get(key) or {})
        for key in ("spec", "annotations")
    }


def _part(obj: Mapping[str, Any]) -> Part:
    annotations = (obj.get("metadata") or {}).get("annotations") or {}
    return {
        "spec": obj.get("spec") or {},
        "annotations": {k: annotations[k] for k in FIELD_ANNOTATIONS if k in annotations},
    }


def _remembered(obj: Mapping[str, Any], annotation: str) -> Part | None:
    """Return what an annotation remembers; None where there is none or it is damaged."""
    text = ((obj.get("metadata") or {}).get("annotations") or {}).get(annotation)
    try:
        part = msgspec.json.decode(text) if text else None
    except msgspec.DecodeError:
        return None
    well_formed = isinstance(part, dict) and all(
        isinstance(part.get(key), dict) for key in ("spec", "annotations")
    )
    return part if well_formed else None


def _assembled(
    obj: Mapping[str, Any], version: str, part: Part, annotation: str, keep: Part | None
) -> dict[str, Any]:
    """Return the object with another version, spec and annotations.

    Of the metadata a conversion may change labels and annotations only (Kubernetes
    documentation, "Versions in CustomResourceDefinitions").
    """
    metadata = dict(obj.get("metadata") or {})
    annotations = without(metadata.pop("annotations", None) or {}, (*FIELD_ANNOTATIONS, *_OWN))
    annotations |= part["annotations"]
    if keep is not None:
        annotations[annotation] = fingerprint.canonical(keep).decode()
    if annotations:
        metadata["annotations"] = annotations
    converted = {**obj, "apiVersion": version, "metadata": metadata}
    if "spec" in obj or part["spec"] not in ({}, {"strategy": {}}):
        converted["spec"] = part["spec"]
    return converted


def _version(obj: Mapping[str, Any]) -> str:
    version = obj.get("apiVersion")
    if obj.get("kind") != "Rollout" or version not in (V1ALPHA1, V1BETA1):
        raise UnknownVersionError(
            f"cannot convert {obj.get('kind')} of {version}: "
            f"expected a Rollout of {V1ALPHA1} or {V1BETA1}"
        )
    return str(version)


def _paused(part: Part) -> bool:
    return bool(((part.get("spec") or {}).get("strategy") or {}).get("paused"))


def _decided(part: Part) -> Part:
    """Return a part without `disabled: false`, which is the default of v1beta1."""
    spec = part.get("spec") or {}
    return part if spec.get("disabled") else {**part, "spec": without(spec, ("disabled",))}


def _paused_as(model: Part, part: Part) -> Part:
    strategy = _without_paused(part)["spec"]["strategy"]
    shown = (model["spec"].get("strategy") or {}).get("paused")
    if shown is not None:
        strategy = {**strategy, "paused": shown}
    return {**part, "spec": {**part["spec"], "strategy": strategy}}


def _without_paused(part: Part) -> Part:
    spec = part.get("spec") or {}
    return {**part, "spec": {**spec, "strategy": without(spec.get("strategy") or {}, ("paused",))}}


def _without_nulls(value: object) -> object:
    """Return a value without null fields, which Go clients send for absent ones."""
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value
