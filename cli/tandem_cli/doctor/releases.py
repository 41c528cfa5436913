"""Checks of workloads and Rollouts: what was left behind, what blocks what, what waits long."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta

from tandem_cli import withheld
from tandem_cli.doctor.finding import Cluster, Finding
from tandem_cli.doctor.installation import other_controller, problem
from tandem_controller import keys
from tandem_controller.api import kruise
from tandem_controller.api.rollout import Rollout
from tandem_controller.effect import Kind
from tandem_controller.observe import gather

LONG = timedelta(days=7)
"""How long a version may be withheld before it is told."""


def left_paused(cluster: Cluster) -> Iterator[Finding]:
    """A Deployment that a release paused, and no Rollout that would go on with it."""
    for deployment in cluster.caches.stores[Kind.DEPLOYMENT].list():
        meta = deployment.metadata
        mark = meta.annotations.get(keys.IN_PROGRESSING)
        if not deployment.spec.paused or mark is None or _rollout(cluster, meta.namespace, mark):
            continue
        yield problem(
            "left-paused",
            f"Deployment {meta.namespace}/{meta.name}",
            "a release paused it, and the Rollout is gone: it stays as it is for ever",
            f"kubectl -n {meta.namespace} rollout resume deployment/{meta.name}",
        )


def _rollout(cluster: Cluster, namespace: str, mark: str) -> bool:
    """Whether the Rollout that a mark names is there; a mark of another form names none."""
    try:
        name = json.loads(mark).get("rolloutName", "")
    except (ValueError, AttributeError):
        name = ""
    found = cluster.caches.stores[Kind.ROLLOUT].get(namespace, name)
    return found is not None or not cluster.known("Rollout")


def stray_rejection(cluster: Cluster) -> Iterator[Finding]:
    """The mirror of a rejected version, where no Rollout takes it away any more."""
    for place, remedy in _left_with(cluster, keys.REJECTED):
        yield problem(
            "stray-rejection",
            place,
            "it still says that a version was rejected, so its component stays unhealthy, and no "
            "Rollout releases it",
            remedy,
        )


def stray_unfinished(cluster: Cluster) -> Iterator[Finding]:
    """The mark of a release that has not ended, where no Rollout will end it."""
    for place, remedy in _left_with(cluster, keys.UNFINISHED):
        yield problem(
            "stray-unfinished",
            place,
            "it still says that a release has not ended, so its component stays unhealthy, and no "
            "Rollout releases it",
            remedy,
        )


def _left_with(cluster: Cluster, note: str) -> Iterator[tuple[str, str]]:
    """Yield Deployments that bear an annotation and have no Rollout, and how to drop it."""
    if not cluster.known("Rollout"):
        return
    for deployment in cluster.caches.stores[Kind.DEPLOYMENT].list():
        meta = deployment.metadata
        rollouts = cluster.caches.rollouts_for(meta.namespace, "Deployment", meta.name)
        if note in meta.annotations and not rollouts:
            remedy = f"kubectl -n {meta.namespace} annotate deployment {meta.name} {note}-"
            yield f"Deployment {meta.namespace}/{meta.name}", remedy


def rivals(cluster: Cluster) -> Iterator[Finding]:
    """Two Rollouts of one workload: the older one keeps it, even if it is disabled."""
    for rollout in cluster.caches.stores[Kind.ROLLOUT].list():
        ref, meta = rollout.spec.workload_ref, rollout.metadata
        others = cluster.caches.rollouts_for(meta.namespace, ref.kind, ref.name)
        first = min(others, key=_age)
        if first.metadata.name == meta.name:
            continue
        state = "is disabled and still keeps" if first.spec.disabled else "keeps"
        loser = first if first.spec.disabled else rollout
        yield problem(
            "two-rollouts",
            f"Rollout {meta.namespace}/{meta.name}",
            f"the older Rollout {first.metadata.name!r} {state} {ref.kind} {ref.name!r}, so this "
            "one does nothing",
            f"kubectl -n {meta.namespace} delete rollout {loser.metadata.name}",
        )


def _age(rollout: Rollout) -> tuple[str, str]:
    created = rollout.metadata.creation_timestamp
    return (created.isoformat() if created else "", rollout.metadata.name)


def withheld_long(cluster: Cluster) -> Iterator[Finding]:
    """Versions that are held or rejected since long: somebody forgot them."""
    for rollout in cluster.caches.stores[Kind.ROLLOUT].list():
        snapshot = gather(cluster.caches, rollout)
        meta = rollout.metadata
        for what, one in (
            ("held", withheld.held(snapshot)),
            ("rejected", withheld.rejected(snapshot)),
        ):
            if one is not None and _long(one.since, cluster.now):
                yield problem(
                    "withheld-long",
                    f"Rollout {meta.namespace}/{meta.name}",
                    f"a version is {what} since {one.since:%Y-%m-%d}: {one.cause}",
                    f"{one.way_out} -n {meta.namespace}",
                )


def _long(since: datetime, now: datetime) -> bool:
    return now - since > LONG


def batch_finalizers(cluster: Cluster) -> Iterator[Finding]:
    """BatchReleases that only Kruise could let go, where there is no Kruise."""
    if not cluster.known("Deployment", "Lease") or any(other_controller(cluster)):
        return
    for batch in cluster.of("BatchRelease"):
        metadata = batch["metadata"]
        if kruise.BATCH_RELEASE_FINALIZER in (metadata.get("finalizers") or ()):
            namespace, name = metadata["namespace"], metadata["name"]
            yield problem(
                "batch-finalizer",
                f"BatchRelease {namespace}/{name}",
                "its finalizer waits for Kruise Rollouts, which is gone: its namespace cannot be "
                "deleted",
                f"kubectl -n {namespace} patch batchrelease {name} --type merge "
                '-p \'{"metadata":{"finalizers":null}}\'',
            )
