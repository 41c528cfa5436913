"""The Deployment controller of Kubernetes 1.34: one sync of one Deployment.

Facts from pkg/controller/deployment (`syncDeployment` and what it calls). A sync here
reads no stale cache, except for what the ReplicaSet controller reports late, and nobody
else moves during it; but it can end early, and the next one starts from what was written.
Left out: adoption of orphaned ReplicaSets, `rollbackTo`, ReplicaFailure conditions.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from tandem_controller.api.fingerprint import POD_TEMPLATE_HASH, digest, without_template_hash
from tandem_controller.effect import Kind
from tests.simulation import deployment_status as status_of
from tests.simulation.deployment_rolling import empty_old, grow_new, shrink_old, size_of_new
from tests.simulation.deployment_scaling import is_scaling_event, scale
from tests.simulation.deployment_state import (
    NOT_COPIED,
    REVISION,
    REVISION_HISTORY,
    DeploymentState,
    SetWrite,
    SizedSet,
)
from tests.simulation.errors import AlreadyExistsError
from tests.simulation.rules import Obj
from tests.simulation.store import Store, controller_reference

USER = "system:serviceaccount:kube-system:deployment-controller"
TemplateHash = Callable[[Obj, int], str]
"""Names the ReplicaSet of a template, given the Deployment's count of collisions."""


def template_hash(template: Obj, collisions: int) -> str:
    """Return a stable hash; the real one differs, but nothing depends on its value."""
    return digest([without_template_hash(template), collisions])[:10]


def sync_deployment(
    store: Store,
    stored: Obj,
    name_hash: TemplateHash = template_hash,
    *,
    most_writes: int | None = None,
    contested: bool = True,
) -> None:
    """Do what the Deployment controller does when it looks at a Deployment once.

    A sync ends without its other writes when one meets a conflict, because the ReplicaSet
    controller wrote a status meanwhile. A second write to the same ReplicaSet nearly always
    does (seen in audit logs), unless it is not `contested`; any other may, and `most_writes`
    says after how many.
    """
    d = DeploymentState.of(stored, store.controlled_by(Kind.REPLICA_SET, stored))
    try:
        status = _decide(d, store, name_hash)
    except AlreadyExistsError:
        # A ReplicaSet of this name belongs to somebody else: try another name next time.
        status = {**d.status, "collisionCount": d.collisions + 1}
    accepted = _until_second(d.writes) if contested else d.writes
    accepted = accepted[:most_writes]
    for write in accepted:
        _send(store, d, write)
    if len(accepted) == len(d.writes):
        _write_status(store, d, status)


def _until_second(writes: list[SetWrite]) -> list[SetWrite]:
    """Return the writes before the first that repeats a ReplicaSet."""
    names = [w.target.name for w in writes]
    repeated = (i for i, name in enumerate(names) if name in names[:i])
    return writes[: next(repeated, len(writes))]


def _decide(d: DeploymentState, store: Store, name_hash: TemplateHash) -> Obj:
    """Change sizes in `d`, return the status to write."""
    now = store.now
    if "deletionTimestamp" in d.stored["metadata"]:
        _copy_intent(d, now)
        return status_of.counted(d, now)
    status_of.note_pause(d, now)
    changed = _copy_intent(d, now)
    if d.spec.get("paused"):
        scale(d)
        _clean_up(d)
        return status_of.counted(d, now)
    if changed:
        # The controller looks twice in one sync when it is not paused; its second look
        # writes the same change with the version of the first and ends in a conflict.
        return {**d.status, "conditions": d.conditions}
    if is_scaling_event(d):
        scale(d)
        return status_of.counted(d, now)
    if d.rolling:
        _roll(d, store, name_hash)
    else:
        _recreate(d, store, name_hash)
    return status_of.with_progress(d, now)


def _roll(d: DeploymentState, store: Store, name_hash: TemplateHash) -> None:
    new = d.new or _create_new(d, store, name_hash)
    if grow_new(d, new) or shrink_old(d, new):
        return
    if status_of.complete(d, d.status):
        _clean_up(d)


def _recreate(d: DeploymentState, store: Store, name_hash: TemplateHash) -> None:
    if empty_old(d) or _old_pods_run(d, store):
        return
    new = d.new or _create_new(d, store, name_hash)
    d.scale(new, d.replicas)
    if status_of.complete(d, d.status):
        _clean_up(d)


def _old_pods_run(d: DeploymentState, store: Store) -> bool:
    """Whether pods of old ReplicaSets exist, terminating ones included."""
    return any(
        old.actual > 0
        or any(
            pod["status"].get("phase") not in ("Failed", "Succeeded")
            for pod in store.controlled_by(Kind.POD, old.stored or {})
        )
        for old in d.old
    )


def _copy_intent(d: DeploymentState, now: datetime) -> bool:
    """Copy annotations, revision and minReadySeconds to the new ReplicaSet, if there is one.

    Returns whether that changed it; only then the Deployment's own revision can wait.
    """
    new = d.new
    if new is None:
        return False
    before = (dict(new.annotations), new.min_ready_seconds)
    _annotate(d, new)
    new.min_ready_seconds = d.min_ready_seconds
    if before != (new.annotations, new.min_ready_seconds):
        d.write(new)
        return True
    d.revision = new.annotations[REVISION]
    if d.deadline_seconds is not None:
        found = status_of.condition(d.conditions, status_of.PROGRESSING)
        if found is None:
            status_of.set_condition(
                d.conditions, status_of.PROGRESSING, "True", "FoundNewReplicaSet", now
            )
    return False


def _annotate(d: DeploymentState, new: SizedSet) -> None:
    annotations = d.stored["metadata"].get("annotations", {})
    new.annotations |= {k: v for k, v in annotations.items() if k not in NOT_COPIED}
    revision = max((s.revision for s in d.old), default=0) + 1
    before = new.annotations.get(REVISION)
    if new.revision >= revision:
        return
    new.annotations[REVISION] = str(revision)
    if before is not None:
        history = new.annotations.get(REVISION_HISTORY)
        new.annotations[REVISION_HISTORY] = f"{history},{before}" if history else before


def _create_new(d: DeploymentState, store: Store, name_hash: TemplateHash) -> SizedSet:
    template = d.spec["template"]
    hashed = name_hash(template, d.collisions)
    name = f"{d.stored['metadata']['name']}-{hashed}"
    namespace = d.stored["metadata"]["namespace"]
    if store.find(Kind.REPLICA_SET, name, namespace) is not None:
        raise AlreadyExistsError(name)
    labels = {**template["metadata"].get("labels", {}), POD_TEMPLATE_HASH: hashed}
    new = SizedSet(
        name=name,
        stored=None,
        template={**template, "metadata": {**template["metadata"], "labels": labels}},
        annotations={},
        min_ready_seconds=d.min_ready_seconds,
    )
    _annotate(d, new)
    d.set_size(new, size_of_new(d, 0))
    d.write(new)
    d.sets.append(new)
    d.new = new
    d.revision = new.annotations[REVISION]
    if d.deadline_seconds is not None:
        status_of.set_condition(
            d.conditions, status_of.PROGRESSING, "True", "NewReplicaSetCreated", store.now
        )
    return new


def _clean_up(d: DeploymentState) -> None:
    """Forget the oldest revisions beyond the history limit, but only empty ones."""
    by_revision = sorted(d.old, key=lambda s: (s.revision, s.age_order))
    for old in by_revision[: max(0, len(by_revision) - d.spec["revisionHistoryLimit"])]:
        metadata = old.stored["metadata"] if old.stored else {}
        observed = old.stored["status"].get("observedGeneration", 0) if old.stored else 0
        if old.actual == 0 and old.replicas == 0 and metadata["generation"] <= observed:
            d.write(old, delete=True)


def _send(store: Store, d: DeploymentState, write: SetWrite) -> None:
    name, namespace = write.target.name, d.stored["metadata"]["namespace"]
    if write.delete:
        store.delete(Kind.REPLICA_SET, name, namespace=namespace)
    elif write.target.stored is None and store.find(Kind.REPLICA_SET, name, namespace) is None:
        store.create(Kind.REPLICA_SET, _body(d, write), user=USER)
    else:
        patch = {
            "metadata": {"annotations": write.annotations},
            "spec": {
                "replicas": write.replicas,
                "minReadySeconds": write.min_ready_seconds or None,
            },
        }
        store.patch(Kind.REPLICA_SET, name, patch, namespace=namespace, user=USER)


def _body(d: DeploymentState, write: SetWrite) -> Obj:
    target = write.target
    labels = target.template["metadata"]["labels"]
    spec = {
        "replicas": write.replicas,
        "selector": {
            "matchLabels": {
                **d.spec["selector"]["matchLabels"],
                POD_TEMPLATE_HASH: labels[POD_TEMPLATE_HASH],
            }
        },
        "template": target.template,
    }
    if write.min_ready_seconds:
        spec["minReadySeconds"] = write.min_ready_seconds
    return {
        "apiVersion": "apps/v1",
        "metadata": {
            "name": target.name,
            "namespace": d.stored["metadata"]["namespace"],
            "labels": labels,
            "annotations": write.annotations,
            "ownerReferences": [controller_reference(d.stored)],
        },
        "spec": spec,
    }


def _write_status(store: Store, d: DeploymentState, status: Obj) -> None:
    metadata = d.stored["metadata"]
    annotations = dict(metadata.get("annotations", {}))
    if d.revision:
        annotations[REVISION] = d.revision
    store.replace_status(
        Kind.DEPLOYMENT,
        metadata["name"],
        status,
        namespace=metadata["namespace"],
        annotations=annotations or None,
        user=USER,
    )
