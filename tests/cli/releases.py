"""Rollouts, records and snapshots for the tests of the commands about releases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from tandem_controller.api.conversion import rollout_of
from tandem_controller.api.fingerprint import template_fingerprint
from tandem_controller.api.record import ReleaseRecord
from tandem_controller.api.rollout import Rollout
from tandem_controller.api.workload import Deployment
from tandem_controller.decide.history.digests import images
from tandem_controller.decide.history.records import revision
from tandem_controller.snapshot import Snapshot, WorkloadSnapshot

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
UID = "deployment-uid"
Obj = dict[str, Any]


def template(version: str) -> Obj:
    """Return the pod template of a version."""
    return {
        "metadata": {"labels": {"app": "shop"}},
        "spec": {
            "initContainers": [{"name": "init", "image": f"r/init:{version}"}],
            "containers": [{"name": "shop", "image": f"r/shop:{version}"}],
        },
    }


def record_name(version: str) -> str:
    """Return the name of a version's record."""
    return f"shop-{revision(UID, template_fingerprint(template(version)))}"


def record(version: str, *outcomes: str | None, hour: int = 0) -> ReleaseRecord:
    """Return the record of a version: an attempt for each outcome, None for one in progress."""
    began = NOON + timedelta(hours=hour)
    attempts = [
        {
            "startedAt": began.isoformat(),
            **({"outcome": o, "completedAt": began.isoformat()} if o else {}),
        }
        for o in outcomes
    ]
    body = {
        "metadata": {"name": record_name(version), "namespace": "demo"},
        "spec": {
            "workload": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop", "uid": UID},
            "fingerprint": template_fingerprint(template(version)),
            "template": template(version),
            "images": msgspec.to_builtins(images(template(version))),
        },
        "status": {"attempts": attempts},
    }
    return msgspec.convert(body, ReleaseRecord)


def rollout(
    phase: str = "Healthy",
    state: str = "",
    *,
    step: int = 0,
    release: str = "v2",
    message: str = "said by the status",
    version: str = "7",
) -> Rollout:
    """Return a Rollout of three steps at some place."""
    place = {
        "canaryRevision": record_name(release).removeprefix("shop-"),
        "currentStepIndex": step,
        "currentStepState": state,
    }
    return rollout_of(
        {
            "apiVersion": "rollouts.kruise.io/v1beta1",
            "kind": "Rollout",
            "metadata": {
                "name": "shop",
                "namespace": "demo",
                "uid": "rollout-uid",
                "resourceVersion": version,
                "generation": 1,
            },
            "spec": {
                "workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"},
                "strategy": {
                    "canary": {"steps": [{"replicas": "20%"}, {"replicas": "50%"}, {}]},
                },
            },
            "status": {
                "phase": phase,
                "observedGeneration": 1,
                "message": message,
                "canaryStatus": place,
            },
        }
    )


def snapshot(
    live: str, *records: ReleaseRecord, rollout: Rollout, paused: bool = False
) -> Snapshot:
    """Return a snapshot whose Deployment states a version now."""
    deployment = {
        "metadata": {"name": "shop", "namespace": "demo", "uid": UID},
        "spec": {"template": template(live), "replicas": 10, "paused": paused},
    }
    return Snapshot(
        rollout=rollout,
        records=records,
        workload=WorkloadSnapshot(deployment=msgspec.convert(deployment, Deployment)),
    )
