"""What the migration remembers in the cluster: how things were, and which steps are done.

One ConfigMap, so that a command that was killed goes on where it was, from any machine, and
`--revert` puts back exactly what was there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tandem_cli.cluster_objects import Obj
from tandem_cli.migration.crds import restorable
from tandem_cli.migration.inventory import CONFIG_MAPS, RECORD_NAME, Inventory
from tandem_cli.migration.judge import Judgement
from tandem_controller.kube.client import Client, PatchType
from tandem_controller.kube.errors import AlreadyExists

FIELD_MANAGER = "tandem-migrate"
DONE, UNDONE = "done.", "undone."
"""Prefixes of the keys by which steps of --apply and of --revert are marked."""


@dataclass(frozen=True)
class Record:
    """The remembered state, as it was read."""

    namespace: str
    data: Mapping[str, str] = field(default_factory=dict)

    @property
    def reverting(self) -> bool:
        """Whether a revert has begun."""
        return any(key.startswith(UNDONE) for key in self.data)

    def done(self, step: str) -> bool:
        """Whether a step was marked; `step` is a key with its prefix."""
        return step in self.data

    @property
    def installation(self) -> Obj:
        """How the other controller was installed."""
        found: Obj = _decoded(self.data["installation"])
        return found

    @property
    def takeovers(self) -> list[Obj]:
        """The releases in flight, with what is written for them and how they were."""
        return list(_decoded(self.data.get("takeovers", "[]")))


def read(inventory: Inventory) -> Record | None:
    """Return what an earlier call remembered."""
    if inventory.record is None:
        return None
    return Record(inventory.namespace, inventory.record.get("data") or {})


async def begin(client: Client, inventory: Inventory) -> None:
    """Remember the installation, before anything is changed."""
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": RECORD_NAME, "namespace": inventory.namespace},
        "data": {"installation": _encoded(_installation(inventory))},
    }
    try:
        await client.create(CONFIG_MAPS, body, inventory.namespace, field_manager=FIELD_MANAGER)
    except AlreadyExists:
        return


async def put(client: Client, namespace: str, key: str, value: object = True) -> None:
    """Add something to the record."""
    await client.patch(
        CONFIG_MAPS,
        RECORD_NAME,
        {"data": {key: _encoded(value)}},
        namespace,
        patch_type=PatchType.MERGE,
        field_manager=FIELD_MANAGER,
    )


async def forget(client: Client, namespace: str) -> None:
    """Delete the record."""
    await client.delete(CONFIG_MAPS, RECORD_NAME, namespace, uid=None)


def _installation(inventory: Inventory) -> Obj:
    return {
        "deployments": [
            {**_place(d), "replicas": d["spec"].get("replicas", 1)} for d in inventory.controllers
        ],
        **{
            key: restorable(obj) if obj else None
            for key, obj in (
                ("mutating", inventory.mutating),
                ("validating", inventory.validating),
                ("rolloutCrd", inventory.rollout_crd),
                ("batchCrd", inventory.batch_crd),
            )
        },
        "storedVersions": _stored(inventory.rollout_crd),
    }


def _stored(crd: Obj | None) -> list[str]:
    return list(((crd or {}).get("status") or {}).get("storedVersions") or ())


def _place(obj: Obj) -> Obj:
    return {"namespace": obj["metadata"]["namespace"], "name": obj["metadata"]["name"]}


def takeover_data(judgement: Judgement, rollout: Obj, workload: Obj, canary: Obj | None) -> Obj:
    """Return what is remembered of a release in flight: what to write, and how it was."""
    takeover = judgement.takeover
    if takeover is None:
        msg = f"{judgement.key} is not in flight"
        raise AssertionError(msg)
    records = (takeover.stable, takeover.release)
    return {
        "namespace": judgement.namespace,
        "name": judgement.name,
        "records": [
            {"body": body, "status": msgspec.to_builtins(r.status, str_keys=True)}
            for body, r in zip(takeover.bodies, records, strict=True)
        ],
        "status": takeover.rollout_status,
        "workload": workload["metadata"]["name"],
        "patch": takeover.workload,
        "canary": restorable(canary) if canary else None,
        "before": {
            "status": rollout.get("status") or {},
            "strategy": workload["spec"].get("strategy") or {},
            "annotations": workload["metadata"].get("annotations") or {},
            "labels": workload["metadata"].get("labels") or {},
        },
    }


def _encoded(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _decoded(text: str) -> Any:  # noqa: ANN401 - JSON
    return msgspec.json.decode(text)
