"""Owner references of what Tandem creates, so that nothing outlives its Rollout."""

from __future__ import annotations

from typing import Any

from tandem_controller.api.meta import ObjectMeta
from tandem_controller.api.rollout import GROUP, Rollout
from tandem_controller.keys import OWNER

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


def was_let_go(meta: ObjectMeta, rollout: Rollout) -> bool:
    """Whether an earlier Rollout of this name let go of an object, to leave a release as it is."""
    return meta.labels.get(OWNER) == rollout.metadata.name and not meta.owner_references
