"""What the stable version really runs with, written into its record once it runs everywhere.

Not when a release begins: an Application writes its workload and its ConfigMaps side by
side, so what is read then may still be the old content. And a rollback only ever returns
to a version that was stable.
"""

from __future__ import annotations

from msgspec.structs import replace

from tandem_controller.api.autoscaling import HorizontalPodAutoscaler
from tandem_controller.api.evidence import AutoscalerBounds, Evidence
from tandem_controller.api.record import Attempt, ReleaseRecord
from tandem_controller.api.workload import Deployment
from tandem_controller.decide.config import copy as config_copy
from tandem_controller.decide.config import needs as config
from tandem_controller.decide.history import digests, records
from tandem_controller.decide.history.content import application_revision
from tandem_controller.effect import Decision, Kind, Look
from tandem_controller.snapshot import Snapshot, WorkloadSnapshot
from tandem_controller.workloads.deployment import by_fingerprint

AUTOSCALERS = Look(kind=Kind.AUTOSCALER)


def due(snapshot: Snapshot, stable: ReleaseRecord) -> Decision | None:
    """Look at what the stable version runs with and record it; None when that was done.

    Done again under another revision of the Application, which may have changed config
    without changing the template.
    """
    workload, attempt = snapshot.workload, stable.stable_attempt
    if workload is None or attempt is None or not _wanted(workload, stable, attempt):
        return None
    template = stable.spec.template
    if looks := (
        *config_copy.looks(snapshot, template),
        *config.unseen(snapshot, (AUTOSCALERS,)),
    ):
        return Decision(looks=looks)
    found = _evidence(snapshot, workload, stable)
    return Decision(
        effects=(
            *config_copy.copies(snapshot, stable, template),
            records.amend_stable(stable, replace(attempt, evidence=found)),
        )
    )


def _wanted(workload: WorkloadSnapshot, stable: ReleaseRecord, attempt: Attempt) -> bool:
    known = attempt.evidence
    if known and known.application_revision == application_revision(workload.deployment):
        return False
    return _runs_everywhere(workload, stable.spec.fingerprint)


def _runs_everywhere(workload: WorkloadSnapshot, fingerprint: str) -> bool:
    wanted = workload.deployment.spec.replicas
    pods = [pod for rs in by_fingerprint(workload, fingerprint) for pod in workload.pods_of(rs)]
    return 0 < wanted <= sum(pod.ready_since is not None for pod in pods)


def _evidence(snapshot: Snapshot, workload: WorkloadSnapshot, stable: ReleaseRecord) -> Evidence:
    spec = stable.spec
    return Evidence(
        application_revision=application_revision(workload.deployment),
        images=digests.of_version(workload, spec.fingerprint, spec.images),
        config=config_copy.evidence(snapshot, spec.template),
        autoscaler=_autoscaler(snapshot, workload.deployment),
    )


def _autoscaler(snapshot: Snapshot, deployment: Deployment) -> AutoscalerBounds | None:
    found = snapshot.saw(AUTOSCALERS)
    mine = (each for each in (found.objects if found else ()) if _scales(each, deployment))
    return next((_bounds(each) for each in mine), None)


def _scales(autoscaler: HorizontalPodAutoscaler, deployment: Deployment) -> bool:
    target = autoscaler.spec.scale_target_ref
    return (target.kind, target.name) == ("Deployment", deployment.metadata.name)


def _bounds(autoscaler: HorizontalPodAutoscaler) -> AutoscalerBounds:
    return AutoscalerBounds(
        name=autoscaler.metadata.name,
        min_replicas=autoscaler.spec.min_replicas,
        max_replicas=autoscaler.spec.max_replicas,
    )
