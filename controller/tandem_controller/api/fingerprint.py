"""Fingerprints of pod templates: SHA-256 over canonical JSON.

They depend on nothing but the object, so no library upgrade can make a fleet look
changed (Flagger's hash of a Go struct dump did; fluxcd/flagger#1673).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

POD_TEMPLATE_HASH = "pod-template-hash"
"""Label that the Deployment controller adds to the templates of its ReplicaSets."""

_encode = msgspec.json.Encoder(order="deterministic").encode


def canonical(value: object) -> bytes:
    """Return canonical JSON: sorted keys, no white space."""
    return _encode(value)


def digest(value: object) -> str:
    """Return the hexadecimal SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(canonical(value)).hexdigest()


def without_template_hash(template: Mapping[str, Any]) -> dict[str, Any]:
    """Return a pod template without the label that marks a ReplicaSet's copy.

    The Deployment controller compares templates the same way (`EqualIgnoreHash`).
    """
    metadata = dict(template.get("metadata") or {})
    labels = {k: v for k, v in (metadata.get("labels") or {}).items() if k != POD_TEMPLATE_HASH}
    metadata.pop("creationTimestamp", None)
    metadata.pop("labels", None)
    if labels:
        metadata["labels"] = labels
    return {**template, "metadata": metadata}


def template_fingerprint(template: Mapping[str, Any]) -> str:
    """Return the fingerprint of a pod template, blind to `pod-template-hash`."""
    return digest(without_template_hash(template))
