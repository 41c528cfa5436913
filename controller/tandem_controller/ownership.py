"""Owner references of what Tandem creates, so that nothing outlives its Rollout."""

from __future__ import annotations

from typing import Any

from tandem_controller.api.rollout import GROUP, Rollout

STORAGE_VERSION = "v1alpha1"
"""The Rollout version that is stored; it needs no conversion webhook."""


def owner_reference(rollout: Rollout) -> dict[str, Any]:
    """Return the reference that makes a Rollout the controlling owner."""
    return {
        "apiVersion": f"{GROUP}/{STORAGE_VERSION}",
        "kind": "Rollout",
        "name": rollout.metadata.name,
        "uid": rollout.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
