"""The shop that unit tests start from: a Deployment, its ReplicaSets, its pods, its Rollout."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from tandem_controller.api.fingerprint import POD_TEMPLATE_HASH, template_fingerprint
from tandem_controller.api.meta import Condition, ObjectMeta, OwnerReference
from tandem_controller.api.rollout import (
    CanaryStrategy,
    Pause,
    Rollout,
    RolloutSpec,
    RolloutStrategy,
    Step,
    WorkloadRef,
)
from tandem_controller.api.workload import Deployment, Pod, PodStatus, ReplicaSet, ReplicaSetSpec
from tandem_controller.effect import Effect, Patch
from tandem_controller.ownership import owner_reference
from tandem_controller.snapshot import WorkloadSnapshot
from tandem_controller.workloads.provider import Versions
from tests.simulation.merge import merged

Obj = dict[str, Any]

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=1)
MARK = '{"rolloutName":"shop"}'
USERS_STRATEGY: Obj = {
    "type": "RollingUpdate",
    "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 1},
}
USERS_FIELDS: Obj = {
    "strategy": USERS_STRATEGY,
    "minReadySeconds": 5,
    "progressDeadlineSeconds": 600,
}


def template(image: str = "r/shop:1") -> Obj:
    """Return a pod template with an init container."""
    return {
        "metadata": {"labels": {"app": "shop"}},
        "spec": {
            "initContainers": [{"name": "init", "image": "r/init:3"}],
            "containers": [{"name": "shop", "image": image}],
        },
    }


V1, V2, V3 = template("r/shop:1"), template("r/shop:2"), template("r/shop:3")


def versions(stable: Obj = V1, release: Obj = V2, originals: Obj | None = None) -> Versions:
    """Return the two versions of a release."""
    return Versions(
        stable=template_fingerprint(stable),
        stable_template=stable,
        release=template_fingerprint(release),
        release_template=release,
        originals=USERS_FIELDS if originals is None else originals,
    )


def deployment(
    *,
    name: str = "shop",
    annotations: dict[str, str] | None = None,
    labels: dict[str, str] | None = None,
    owner: Obj | None = None,
    generation: int = 3,
    observed: int = 3,
    **spec: object,
) -> Deployment:
    """Return a Deployment of ten pods; more fields of its spec by their name on the wire."""
    meta: Obj = {
        "name": name,
        "namespace": "web",
        "uid": f"uid-{name}",
        "resourceVersion": "70",
        "generation": generation,
        "labels": {"app": "shop"} if labels is None else labels,
        "annotations": annotations or {},
        "ownerReferences": [owner] if owner else [],
    }
    whole: Obj = {
        "replicas": 10,
        "selector": {"matchLabels": {"app": "shop"}},
        "template": V1,
        **USERS_FIELDS,
        **spec,
    }
    status = {"observedGeneration": observed}
    return msgspec.convert({"metadata": meta, "spec": whole, "status": status}, Deployment)


def replica_set(of: Obj, size: int, *, owner: str = "shop", min_ready: int = 0) -> ReplicaSet:
    """Return the ReplicaSet of a template, with the label that the Deployment controller adds."""
    mark = "h" + template_fingerprint(of)[:6]
    labels = {**of["metadata"]["labels"], POD_TEMPLATE_HASH: mark}
    marked = {**of, "metadata": {**of["metadata"], "labels": labels}}
    meta = ObjectMeta(
        name=f"{owner}-{mark}",
        namespace="web",
        uid=f"uid-{owner}-{mark}",
        resource_version="80",
        creation_timestamp=LONG_AGO,
        labels=labels,
    )
    return ReplicaSet(
        metadata=meta,
        spec=ReplicaSetSpec(template=marked, replicas=size, min_ready_seconds=min_ready),
    )


def hash_of(of: Obj) -> str:
    """Return the `pod-template-hash` that `replica_set` gives a template."""
    return "h" + template_fingerprint(of)[:6]


def pod(name: str, *, ready_since: datetime | None = LONG_AGO) -> Pod:
    """Return a pod that has been ready since a moment, or is not."""
    ready = Condition(
        type="Ready",
        status="True" if ready_since else "False",
        last_transition_time=ready_since,
    )
    return Pod(
        metadata=ObjectMeta(name=name, namespace="web", uid=name),
        status=PodStatus(conditions=(ready,)),
    )


def workload(
    stated: Deployment, *sets: tuple[Obj, int, int], owner: str = "shop", min_ready: int = 0
) -> WorkloadSnapshot:
    """Return a Deployment with ReplicaSets, each of a template, a size and its ready pods."""
    replica_sets = tuple(
        replica_set(of, size, owner=owner, min_ready=min_ready) for of, size, _ in sets
    )
    pods = {
        rs.metadata.uid: tuple(
            pod(f"{rs.metadata.name}-{i}", ready_since=LONG_AGO if i < ready else None)
            for i in range(size)
        )
        for rs, (_, size, ready) in zip(replica_sets, sets, strict=True)
    }
    return WorkloadSnapshot(deployment=stated, replica_sets=replica_sets, pods=pods)


def strategy(*steps: Step, **more: Any) -> CanaryStrategy:  # noqa: ANN401 - as the struct's
    """Return a canary strategy; two steps when none is given."""
    plan = steps or (Step(replicas="20%"), Step(replicas="100%", pause=Pause(duration=0)))
    return CanaryStrategy(steps=plan, **more)


def rollout(canary: CanaryStrategy | None = None, **metadata: Any) -> Rollout:  # noqa: ANN401
    """Return the shop's Rollout."""
    known: Obj = {
        "name": "shop",
        "namespace": "web",
        "uid": "uid-rollout",
        "resource_version": "7",
        "generation": 2,
        "creation_timestamp": LONG_AGO,
    }
    ref = WorkloadRef(api_version="apps/v1", kind="Deployment", name="shop")
    return Rollout(
        metadata=ObjectMeta(**{**known, **metadata}),
        spec=RolloutSpec(workload_ref=ref, strategy=RolloutStrategy(canary=canary or strategy())),
    )


OWNER = owner_reference(rollout())
"""The owner reference of everything that the shop's Rollout creates."""


def owned(metadata: ObjectMeta) -> ObjectMeta:
    """Return metadata of an object that the shop's Rollout controls."""
    return replace(metadata, owner_references=(msgspec.convert(OWNER, OwnerReference),))


def patched(obj: Obj, effects: Iterable[Effect]) -> Obj:
    """Return an object, as JSON, after the merge patches among the effects."""
    for effect in effects:
        if isinstance(effect, Patch):
            obj = merged(obj, effect.body)
    return obj


def after(stated: Deployment, effects: Iterable[Effect]) -> Deployment:
    """Return a Deployment after the patches that name it."""
    mine = [e for e in effects if isinstance(e, Patch) and e.name == stated.metadata.name]
    wire = msgspec.to_builtins(stated)
    whole = {**wire, "spec": {**msgspec.to_builtins(stated.spec), "paused": stated.spec.paused}}
    return msgspec.convert(patched(whole, mine), Deployment)
