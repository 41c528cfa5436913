"""Snapshots of workloads that hold or rejected a platform change, for the commands' tests."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from tandem_controller import keys
from tandem_controller.api.conversion import rollout_of
from tandem_controller.api.fingerprint import template_fingerprint
from tandem_controller.api.record import ReleaseRecord
from tandem_controller.api.workload import Deployment
from tandem_controller.decide.history.digests import images
from tandem_controller.decide.history.records import revision
from tandem_controller.snapshot import Snapshot, WorkloadSnapshot
from tests.cli.releases import NOON

Obj = dict[str, Any]


def at(hour: int) -> datetime:
    """Return a moment."""
    return NOON + timedelta(hours=hour)


def template(init: str, shop: str) -> Obj:
    """Return a pod template of these versions."""
    return {
        "metadata": {"labels": {"app": "shop"}},
        "spec": {
            "initContainers": [{"name": "init", "image": f"r/init:{init}"}],
            "containers": [{"name": "shop", "image": f"r/shop:{shop}"}],
        },
    }


def uid(name: str = "shop", namespace: str = "demo") -> str:
    """Return the uid of a workload."""
    return f"uid-of-{namespace}-{name}"


def record_name(init: str, shop: str, name: str = "shop", namespace: str = "demo") -> str:
    """Return the name of a version's record."""
    fingerprint = template_fingerprint(template(init, shop))
    return f"{name}-{revision(uid(name, namespace), fingerprint)}"


def attempt(hour: int, outcome: str | None = None, **more: object) -> Obj:
    """Return a release that began then and, with an outcome, ended ten minutes later."""
    ended = {"outcome": outcome, "completedAt": (at(hour) + timedelta(minutes=10)).isoformat()}
    return {"startedAt": at(hour).isoformat(), **(ended if outcome else {}), **more}


def rejection(hour: int, cause: str = "a rollback was asked for by annotation") -> Obj:
    """Return a verdict."""
    return {"at": at(hour).isoformat(), "cause": cause}


def hold(hour: int, cause: str = "OwnRelease", **more: object) -> Obj:
    """Return a hold that began then."""
    return {"since": at(hour).isoformat(), "cause": cause, **more}


def record(
    init: str,
    shop: str,
    *attempts: Obj,
    held: Obj | None = None,
    version: str = "",
    name: str = "shop",
    namespace: str = "demo",
) -> ReleaseRecord:
    """Return the record of a version of a workload."""
    body = {
        "metadata": {"name": record_name(init, shop, name, namespace), "namespace": namespace},
        "spec": {
            "workload": {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "name": name,
                "uid": uid(name, namespace),
            },
            "fingerprint": template_fingerprint(template(init, shop)),
            "template": template(init, shop),
            "images": msgspec.to_builtins(images(template(init, shop))),
            "componentVersion": version,
        },
        "status": {"attempts": list(attempts), **({"hold": held} if held else {})},
    }
    return msgspec.convert(body, ReleaseRecord)


def snapshot(
    *known: ReleaseRecord,
    live: tuple[str, str] = ("v1", "v1"),
    name: str = "shop",
    namespace: str = "demo",
    phase: str = "Healthy",
    step: int = 0,
    state: str = "",
    release: tuple[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    labels: dict[str, str] | None = None,
    component: str = "web",
    paused: bool = False,
    disabled: bool = False,
    deployment: bool = True,
    stated: str = "",
) -> Snapshot:
    """Return a workload of a definition.

    `release` is what the status says is being released, `stated` the definition's version that
    rendered the workload last.
    """
    place = {
        "canaryRevision": record_name(*release, name, namespace).rpartition("-")[2]
        if release
        else "",
        "currentStepIndex": step,
        "currentStepState": state,
    }
    meta = {"name": name, "namespace": namespace}
    rollout = {
        "apiVersion": "rollouts.kruise.io/v1beta1",
        "kind": "Rollout",
        "metadata": {
            **meta,
            "uid": f"rollout-{name}",
            "resourceVersion": "7",
            "generation": 1,
            "annotations": annotations or {},
            "labels": labels or {},
        },
        "spec": {
            "disabled": disabled,
            "workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "strategy": {
                "paused": paused,
                "canary": {"steps": [{"replicas": "20%"}, {"replicas": "100%"}]},
            },
        },
        "status": {
            "phase": phase,
            "observedGeneration": 1,
            "message": "said by the status",
            "canaryStatus": place,
        },
    }
    workload = {
        "metadata": {
            **meta,
            "uid": uid(name, namespace),
            "labels": {keys.DEFINITION_TYPE: component},
            "annotations": {keys.COMPONENT_VERSION: stated} if stated else {},
        },
        "spec": {"template": template(*live), "replicas": 2},
    }
    return Snapshot(
        rollout=rollout_of(rollout),
        records=known,
        workload=WorkloadSnapshot(deployment=msgspec.convert(workload, Deployment))
        if deployment
        else None,
    )
