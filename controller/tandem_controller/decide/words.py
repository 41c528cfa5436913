"""The words of status messages, Events and logs, in one place.

They are sentences for the person on call: what, where, why, what to do.
"""

from __future__ import annotations

from datetime import datetime

from tandem_controller.api.approval import ApprovalReason, ReleaseApproval
from tandem_controller.api.record import Change, Rejection, ReleaseRecord
from tandem_controller.decide.plan import PlannedStep

COMPLETED_BEFORE = "workload deployment is completed"
COMPLETED = "Rollout progressing has been completed"
CANCELED = "Rollout progressing has been canceled; the stable version runs everywhere"
PAUSED = "Rollout has been paused, you can resume it by setting spec.strategy.paused to false"
RESUMED = "Rollout was resumed; the step goes on, and nothing was approved"
DISABLED = "Rollout is disabled; the workload's own controller releases it"
NOT_FOUND = "Workload Not Found"
DRAINING = "the stable version runs everywhere; waiting for the new version's endpoints to go"
FINISHING = "all steps have passed; the workload rolls out what is left"
RETURNING = "rolling back: the stable version comes back everywhere"
ROUTED_BACK = "all traffic goes to the stable Service; proxies get time to load the route"
ZERO = (
    "the workload is scaled to zero, so the stable template is stated until it is scaled up; "
    "the release then goes on"
)
CORRECTING = "a newer version replaces the release; the stable version comes back first"

STATED_AGAIN = "the stable version was stated again"
BUSINESS_BACK = "the business part of the stable version was stated again"
ASKED_FOR = "a rollback was asked for by annotation"
APPROVED = "the step was approved by annotation"


def images(record: ReleaseRecord) -> str:
    """Return the images of a version: container=image, init containers first."""
    return ", ".join(f"{i.name}={i.image}" for i in record.spec.images)


def about(record: ReleaseRecord, change: Change | None) -> str:
    """Say what is released, and which part of the pods it changes."""
    kind = f" ({change} change)" if change else ""
    return f"release {record.metadata.name}{kind}: {images(record)}"


def difference(record: ReleaseRecord, other: ReleaseRecord) -> str:
    """Return the images that a version has and another has not; all where they are the same."""
    theirs = set(other.spec.images)
    own = [i for i in record.spec.images if i not in theirs]
    return ", ".join(f"{i.name}={i.image}" for i in own or record.spec.images)


def rejected(
    record: ReleaseRecord, verdict: Rejection, rollout: str, *, stated: bool | None
) -> str:
    """Say which version is rejected, why, and how it may be released again.

    `stated` is whether the manifest states it still; None where that is not known.
    """
    still = {
        True: "; the manifest still states it",
        False: "; the manifest states another one",
        None: "",
    }[stated]
    return (
        f"version {record.metadata.name} ({images(record)}) is rejected since "
        f"{verdict.at:%Y-%m-%dT%H:%M:%SZ}: {verdict.cause}{still}. State another version, a new "
        f"rollout-id or publishVersion, or: tandem retry {rollout}"
    )


def held(
    record: ReleaseRecord, stable: ReleaseRecord, rollout: str, *, after_rollback: bool
) -> str:
    """Say which platform change is held, and how it is released."""
    why = (
        "a rollback took it back" if after_rollback else "it is released on its own, when accepted"
    )
    return (
        f"platform change held ({difference(record, stable)}): {why}. "
        f"To release it: tandem accept {rollout}"
    )


def given_back(stated: ReleaseRecord, stable: ReleaseRecord) -> str:
    """Say that a withheld version was stated and what the workload states instead."""
    return (
        f"the manifest states version {stated.metadata.name} ({difference(stated, stable)}), "
        f"which is withheld; {stable.metadata.name} stays in force"
    )


def entering(step: PlannedStep, total: int, replicas: int) -> str:
    """Say what a step asks for."""
    return f"step {step.index}/{total}: {step.replicas} of {replicas} pods{_traffic(step)}"


def _traffic(step: PlannedStep) -> str:
    if step.split is None:
        return ""
    parts = []
    if step.split.weight is not None:
        parts.append(f"{step.split.weight} % of traffic")
    if step.split.matches:
        parts.append("requests that match")
    return ", " + " and ".join(parts)


def waiting_for_pods(step: PlannedStep, total: int, new: int, ready: int) -> str:
    """Say that pods are not ready yet."""
    return (
        f"step {step.index}/{total}: waiting for pods, {ready} of {step.replicas} new ones ready "
        f"({new} exist)"
    )


def waiting_for_endpoints(step: PlannedStep, total: int, service: str) -> str:
    """Say that the canary Service has no ready endpoint yet."""
    return f"step {step.index}/{total}: waiting for a ready endpoint of Service {service!r}"


def waiting_for_stable(service: str, ready: int, needed: int) -> str:
    """Say that traffic cannot go back to the stable Service yet."""
    return (
        f"waiting for ready endpoints of Service {service!r} before traffic goes to it: "
        f"{ready} of {needed}; look at the pods that it selects"
    )


def needs_approval(step: PlannedStep, total: int, rollout: str, application: str) -> str:
    """Say that someone has to approve (upstream's sentence), what runs now, and how to go on.

    `application` is empty where no Application stands behind the Rollout.
    """
    ways = [f"tandem approve {rollout}", "kubectl-kruise rollout approve"]
    if application:
        ways.insert(0, f"vela workflow resume {application}")
    return (
        f"Rollout is in step({step.index}/{total}), and you need manually confirm to enter the "
        f"next step: {', '.join(ways[:-1])} or {ways[-1]}. New now: {step.replicas} pods"
        f"{_traffic(step)}"
    )


def approval_refused(named: str, waiting: str) -> str:
    """Say that an approval by annotation names something else than what waits."""
    return (
        f"approve: the annotation names {named!r}, and {waiting}; nothing was approved. Name "
        "release and step that wait, as <canaryRevision>/<currentStepIndex> of "
        "status.canaryStatus"
    )


def approved(index: int, total: int, by: str) -> str:
    """Say that a step was approved."""
    return f"step {index}/{total} approved by {by}"


def approval_used(approval: ReleaseApproval) -> str:
    """Say what a ReleaseApproval has approved."""
    spec = approval.spec
    return f"step {spec.step} of revision {spec.revision} was approved by it"


def approval_void(approval: ReleaseApproval, reason: ApprovalReason) -> str:
    """Say why a ReleaseApproval approves nothing."""
    spec = approval.spec
    why = {
        ApprovalReason.APPROVED: "it was used already",
        ApprovalReason.STEP_PASSED: "that step has passed already",
        ApprovalReason.NOT_REACHED: "that step has not been reached",
        ApprovalReason.OTHER_REVISION: "another revision is being released or runs by now",
        ApprovalReason.ROLLED_BACK: "that revision was rolled back",
        ApprovalReason.EXPIRED: "the step did not wait for it within 24 hours; approve it anew",
    }[reason]
    return (
        f"ReleaseApproval {approval.metadata.name} approves nothing: it is for step {spec.step} "
        f"of revision {spec.revision}, and {why}"
    )


def pausing(step: PlannedStep, total: int, until: datetime) -> str:
    """Say until when a step pauses."""
    return (
        f"Rollout is in step({step.index}/{total}), and wait duration({step.pause_seconds} "
        f"seconds) to enter the next step, until {until:%Y-%m-%dT%H:%M:%SZ}"
    )


def finishing_pods(new: int, ready: int, replicas: int) -> str:
    """Say that the workload's own controller is at work."""
    return f"{FINISHING}: {new} of {replicas} pods are new, {ready} ready"


def returning_pods(stable: int, ready: int, replicas: int) -> str:
    """Say how far a rollback is."""
    return f"{RETURNING}: {stable} of {replicas} pods are stable, {ready} ready"
