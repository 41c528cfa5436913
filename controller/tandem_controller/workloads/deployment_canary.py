"""A native Deployment released by an extra Deployment beside it (upstream's canary style).

The user's Deployment states the new template but stays paused, so that only its old
ReplicaSet runs. The extra one runs the canary pods and goes when the release has ended.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tandem_controller.api.workload import Deployment
from tandem_controller.effect import Create, Effect, Kind, Patch, delete_of, patch_of
from tandem_controller.keys import CANARY_DEPLOYMENT, OWNER, untracked
from tandem_controller.ownership import owner_reference, was_let_go
from tandem_controller.snapshot import Snapshot, WorkloadSnapshot, canary_name
from tandem_controller.workloads import deployment as native
from tandem_controller.workloads.pods import ReadyCount
from tandem_controller.workloads.provider import Progress, Versions


class DeploymentCanary:
    """Canary pods in a Deployment of their own."""

    def problem(self, snapshot: Snapshot) -> str | None:
        """Refuse strategy Recreate, and a foreign object under the canary's name."""
        if found := native.problem(snapshot):
            return found
        meta = snapshot.canary.deployment.metadata if snapshot.canary else None
        if meta is None or meta.controlled_by(snapshot.rollout.metadata.uid):
            return None
        if was_let_go(meta, snapshot.rollout):
            return (
                f"Deployment {meta.name!r} was left by a frozen release whose ReleaseRecords are "
                f"gone; send all traffic to the stable Service, delete it, and the release begins "
                f"anew"
            )
        return (
            f"Deployment {meta.name!r} exists and is not this Rollout's; "
            f"rename it, the canary's pods need the name"
        )

    def original(self, snapshot: Snapshot) -> dict[str, Any]:
        """Return the Deployment's strategy and deadlines."""
        return native.original(_stable(snapshot).deployment)

    def progress(self, snapshot: Snapshot, versions: Versions, now: datetime) -> Progress:
        """Count the pods of both Deployments.

        While the user's Deployment is paused the extra one runs the release; once it is
        un-paused, only its own pods of the release count as new.
        """
        workload = _stable(snapshot)
        deployment = workload.deployment
        min_ready = int(versions.originals.get("minReadySeconds") or 0)
        stable = native.by_fingerprint(workload, versions.stable)
        rolled = native.by_fingerprint(workload, versions.release)
        stable_ready = native.ready_of(workload, stable, min_ready, now)
        new = _canary_pods(snapshot, min_ready, now)
        beside = deployment.spec.paused and new is not None
        if new is None or not beside:
            new = _Pods(
                size=native.size(rolled),
                ready=native.ready_of(workload, rolled, min_ready, now),
                hash=native.template_hash(rolled),
            )
        waits = [at for at in (stable_ready.next_at, new.ready.next_at) if at]
        return Progress(
            replicas=deployment.spec.replicas,
            stable=native.size(stable),
            stable_ready=stable_ready.ready,
            new=new.size,
            new_ready=new.ready.ready,
            other=native.size(workload.replica_sets)
            - native.size(stable)
            - (0 if beside else native.size(rolled)),
            observed=_observed(deployment)
            and (snapshot.canary is None or _observed(snapshot.canary.deployment)),
            resting=deployment.spec.paused,
            stable_hash=native.template_hash(stable),
            new_hash=new.hash,
            next_ready_at=min(waits, default=None),
        )

    def advance(
        self,
        snapshot: Snapshot,
        versions: Versions,
        progress: Progress,
        *,
        target: int,
        reserve: int,
        keep: int,
    ) -> tuple[Effect, ...] | None:
        """Keep the user's Deployment paused and size the extra one."""
        del reserve, keep
        if paused := self.freeze(snapshot, versions, progress):
            return paused
        canary = snapshot.canary
        if canary is None:
            body = _canary_deployment(snapshot, versions, target)
            return (Create(kind=Kind.DEPLOYMENT, body=body),)
        if canary.deployment.metadata.deleting:
            return ()
        if canary.deployment.spec.replicas == target:
            return None
        return (_patch_replicas(canary.deployment, target),)

    def freeze(
        self, snapshot: Snapshot, versions: Versions, progress: Progress
    ) -> tuple[Effect, ...]:
        """Keep the user's Deployment paused; the extra one does nothing by itself."""
        del progress
        deployment = _stable(snapshot).deployment
        spec = {**native.users_fields(versions), "paused": True}
        return native.patch(deployment, spec, in_progressing=snapshot.rollout.metadata.name)

    def withdraw(self, snapshot: Snapshot, versions: Versions) -> tuple[Effect, ...]:
        """Remove the extra Deployment and state the stable template, un-paused."""
        workload = _stable(snapshot)
        spec = native.users_fields(versions)
        if native.live_fingerprint(workload) != versions.stable:
            spec["template"] = dict(versions.stable_template)
        restored = native.patch(
            workload.deployment,
            spec,
            in_progressing=None,
            unfinished=snapshot.rollout.metadata.name,
        )
        return (*self.clean_up(snapshot), *restored)

    def withdrawn(self, progress: Progress) -> bool:
        """Whether only stable pods are left, all of them ready."""
        return (
            progress.observed
            and progress.new == progress.other == 0
            and progress.stable == progress.replicas <= progress.stable_ready
        )

    def state(
        self, snapshot: Snapshot, versions: Versions, template: Mapping[str, Any]
    ) -> tuple[Effect, ...]:
        """State a template, paused as admission would have it."""
        spec = {
            **native.users_fields(versions),
            "template": dict(template),
            "paused": True,
        }
        deployment = _stable(snapshot).deployment
        return native.patch(deployment, spec, in_progressing=snapshot.rollout.metadata.name)

    def finish(self, snapshot: Snapshot, versions: Versions) -> tuple[Effect, ...]:
        """Un-pause the user's Deployment; the canary's pods serve until it is done."""
        deployment = _stable(snapshot).deployment
        return native.patch(
            deployment,
            native.users_fields(versions),
            in_progressing=None,
            unfinished=snapshot.rollout.metadata.name,
        )

    def finished(self, progress: Progress) -> bool:
        """Whether the user's Deployment runs the new version everywhere."""
        return (
            progress.observed
            and not progress.resting
            and progress.stable == progress.other == 0
            and progress.new == progress.replicas <= progress.new_ready
        )

    def clean_up(self, snapshot: Snapshot) -> tuple[Effect, ...]:
        """Delete the extra Deployment."""
        if snapshot.canary is None or snapshot.canary.deployment.metadata.deleting:
            return ()
        meta = snapshot.canary.deployment.metadata
        if not meta.controlled_by(snapshot.rollout.metadata.uid):
            return ()
        return (delete_of(Kind.DEPLOYMENT, meta),)


def _stable(snapshot: Snapshot) -> WorkloadSnapshot:
    if snapshot.workload is None:
        msg = "a provider is asked only about workloads that exist"
        raise AssertionError(msg)
    return snapshot.workload


def _observed(deployment: Deployment) -> bool:
    return deployment.status.observed_generation >= deployment.metadata.generation


@dataclass(frozen=True, kw_only=True)
class _Pods:
    size: int
    ready: ReadyCount
    hash: str


def _canary_pods(snapshot: Snapshot, min_ready: int, now: datetime) -> _Pods | None:
    """Count the extra Deployment's pods; None where it does not exist."""
    canary = snapshot.canary
    if canary is None or canary.deployment.metadata.deleting:
        return None
    sets = canary.replica_sets
    return _Pods(
        size=max(native.size(sets), canary.deployment.spec.replicas),
        ready=native.ready_of(canary, sets, min_ready, now),
        hash=native.template_hash(sets),
    )


def _patch_replicas(deployment: Deployment, replicas: int) -> Patch:
    meta = deployment.metadata
    return patch_of(Kind.DEPLOYMENT, meta, {"spec": {"replicas": replicas}})


def _canary_deployment(snapshot: Snapshot, versions: Versions, replicas: int) -> dict[str, Any]:
    stable = _stable(snapshot).deployment
    selector: dict[str, Any] = {"matchLabels": dict(stable.spec.selector.match_labels)}
    if stable.spec.selector.match_expressions:
        selector["matchExpressions"] = list(stable.spec.selector.match_expressions)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": canary_name(stable.metadata.name),
            "namespace": stable.metadata.namespace,
            "labels": {
                **untracked(stable.metadata.labels),
                CANARY_DEPLOYMENT: stable.metadata.name,
                OWNER: snapshot.rollout.metadata.name,
            },
            "annotations": untracked(stable.metadata.annotations),
            "ownerReferences": [owner_reference(snapshot.rollout)],
        },
        "spec": {
            **versions.originals,
            "replicas": replicas,
            "revisionHistoryLimit": stable.spec.revision_history_limit,
            "selector": selector,
            "template": _canary_template(snapshot, versions),
        },
    }


def _canary_template(snapshot: Snapshot, versions: Versions) -> dict[str, Any]:
    """Return the release's template with `patchPodTemplateMetadata` merged in."""
    template = copy.deepcopy(dict(versions.release_template))
    extra = snapshot.strategy.patch_pod_template_metadata
    if extra is None:
        return template
    metadata = template.setdefault("metadata", {})
    for key, values in (("labels", extra.labels), ("annotations", extra.annotations)):
        if values:
            metadata[key] = {**(metadata.get(key) or {}), **values}
    return template
