"""Cluster states that the real Kruise Rollouts (9dd6279) left, as inventories.

`recorded/*.json` are objects read from a dev cluster in which it had paused a release of ten pods
at its first step of 20 %, or had nothing to release. Endpoints are written from the pods.
"""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from tandem_cli.migration.inventory import Inventory
from tandem_controller.api.conversion import rollout_of
from tandem_controller.api.crd import ROLLOUT_CRD
from tandem_controller.caches import Caches
from tandem_controller.effect import Kind
from tandem_controller.kinds import WATCHED

FOLDER = Path(__file__).parent / "recorded"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
Objects = dict[str, list[dict[str, Any]]]


def recorded(name: str) -> Objects:
    """Return the objects of a state by kind."""
    found: Objects = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return copy.deepcopy(found)


def inventory(objects: Objects, **fields: Any) -> Inventory:  # noqa: ANN401 - any field
    """Return the inventory of these objects."""
    caches = Caches()
    caches.stores[Kind.ROLLOUT].replace_all([rollout_of(o) for o in objects["Rollout"]])
    for kind in WATCHED:
        if kind in objects and kind is not Kind.ROLLOUT:
            decode = WATCHED[kind].decode
            caches.stores[kind].replace_all([decode(msgspec.json.encode(o)) for o in objects[kind]])
    stated: dict[str, Any] = {
        "now": NOW,
        "namespace": "vela-system",
        "rollouts": tuple(objects["Rollout"]),
        "batch_releases": tuple(objects["BatchRelease"]),
        "rollout_crd": their_crd(),
        "caches": caches,
    }
    return Inventory(**{**stated, **fields})


def their_crd(**metadata: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    """Return the CRD of Kruise, as far as plans look at it."""
    versions = [
        {"name": "v1alpha1", "served": True, "storage": False},
        {"name": "v1beta1", "served": True, "storage": True},
    ]
    return {
        "metadata": {"name": ROLLOUT_CRD, **metadata},
        "spec": {"versions": versions},
        "status": {"storedVersions": ["v1alpha1", "v1beta1"]},
    }
