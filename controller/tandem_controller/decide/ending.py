"""How a release ends: completed, rolled back, or taken back for a moment.

On the way out traffic moves last, on the way back it moves first (DESIGN, invariant 1).
Routes are written before the endpoints go that they named, and proxies get the grace
period in between, because no Kubernetes object says when a proxy has loaded a route.
"""

from __future__ import annotations

from datetime import timedelta

from tandem_controller.api.record import Outcome
from tandem_controller.api.rollout import FinalisingStep
from tandem_controller.decide import rollback_check, services, words
from tandem_controller.decide.case import Case
from tandem_controller.decide.history import records
from tandem_controller.decide.position import ROLLBACK_PREFIX, finalising, position
from tandem_controller.effect import Decision, Effect, Note


def complete(case: Case) -> Decision:
    """Let the new version have everything, then remove every trace of the release."""
    return (
        _announce(case, words.FINISHING, "Finalising")
        or _leave_older(case)
        or _do(services.unpin_stable(case))
        or _do(case.provider.finish(case.snapshot, case.versions))
        or _route_home(case, needed=case.progress.new_ready)
        or _begin_grace(case, reason="Finalising")
        or _await_new(case)
        or _await_grace(case)
        or _do(case.provider.clean_up(case.snapshot))
        or _do(services.remove_canary_service(case))
        or _close(case, Outcome.COMPLETED, words.COMPLETED)
    )


def _leave_older(case: Case) -> Decision | None:
    """Send traffic home first where it goes to pods of an older release, which leave now."""
    if case.attempt.parked_at is None:
        return None
    return (
        _route_home(case, needed=min(1, case.progress.replicas))
        or _begin_grace(case, reason="Finalising")
        or _await_grace(case)
    )


def roll_back(case: Case) -> Decision:
    """Bring the stable version back: traffic first, then pods, then the rest."""
    return (
        rollback_check.before(case)
        or _announce(case, words.RETURNING, "Cancelling", rolling_back=True)
        or _return_to_stable(case, reason="Cancelling")
        or _close(case, Outcome.ROLLED_BACK, words.CANCELED)
    )


def take_back(case: Case) -> Decision:
    """Return to the stable version although the workload states the release's template.

    The template is stated last, when traffic has moved: even paused, a Deployment that
    states the stable template and has all of its pods drops every other one.
    """
    return roll_back(case)


def park(case: Case) -> Decision:
    """Hold the release at the stable version, and let it go on from there.

    Needed where no split can be kept: at zero replicas, and when a newer release finds
    pods of an older one. A rolling update removes the oldest pods first, so starting the
    newer one from there would shrink the stable version.
    """
    if case.progress.replicas == 0:
        return _rest_at_zero(case)
    if case.live == case.versions.release and _only_stable(case) and not _traffic_left(case):
        return Decision(effects=(records.amend(case.release, parked_at=None),))
    if returning := _return_to_stable(case, reason="Initializing"):
        return returning
    return Decision(
        effects=case.provider.state(case.snapshot, case.versions, case.versions.release_template)
    )


def _rest_at_zero(case: Case) -> Decision:
    return (
        _route_home(case, needed=0)
        or _do(services.unpin_stable(case))
        or _do(case.provider.withdraw(case.snapshot, case.versions))
        or _do(services.remove_canary_service(case))
        or finalising(case, words.ZERO, reason="Initializing", step=FinalisingStep.RESUME_WORKLOAD)
    )


def _only_stable(case: Case) -> bool:
    progress = case.progress
    return progress.new == progress.other == 0 and progress.stable == progress.replicas


def _traffic_left(case: Case) -> bool:
    return case.snapshot.traffic.canary_service is not None


def _return_to_stable(case: Case, *, reason: str) -> Decision | None:
    """Return what is left to do until only the stable version runs and serves.

    Stable pods that exist but are not ready are waited for before anything else goes:
    until then the new version's pods may be the only ones that answer.
    """
    rolling_back = reason == "Cancelling"
    can_serve = case.progress.stable > 0 or case.snapshot.traffic.stable_endpoints > 0
    traffic_first = (
        _route_home(case, needed=min(1, case.progress.replicas))
        or _begin_grace(case, reason=reason, rolling_back=rolling_back)
        or _await_grace(case)
        if can_serve
        else None
    )
    return (
        traffic_first
        or _do(case.provider.withdraw(case.snapshot, case.versions))
        or _await_stable(case, reason=reason, rolling_back=rolling_back)
        or _route_home(case, needed=min(1, case.progress.replicas))
        or _await_drained(case, reason=reason, rolling_back=rolling_back)
        or _do(services.unpin_stable(case))
        or _do(services.remove_canary_service(case))
    )


def _await_drained(case: Case, *, reason: str, rolling_back: bool) -> Decision | None:
    """Wait until the EndpointSlices say that the new version's pods are gone.

    Un-pinned earlier, the stable Service would select those that are only about to be
    deleted (seen: one answer of the new version after the end of a rollback).
    """
    if case.snapshot.traffic.canary_endpoints == 0:
        return None
    step = case.canary_status.finalising_step or FinalisingStep.RESTORE_STABLE_SERVICE
    return finalising(
        case,
        words.DRAINING,
        reason=reason,
        step=FinalisingStep(step),
        rolling_back=rolling_back,
    )


def _announce(
    case: Case, message: str, reason: str, *, rolling_back: bool = False
) -> Decision | None:
    """Say once that the release is ending, before anything of the end happens."""
    step = FinalisingStep.ROUTE_TO_STABLE if rolling_back else FinalisingStep.RESUME_WORKLOAD
    told = case.canary_status.finalising_step and position(case).index
    turned = rolling_back != case.canary_status.observed_rollout_id.startswith(ROLLBACK_PREFIX)
    if told and not turned:
        return None
    # A completion follows the last step at once, which was told already.
    started = Note(reason="RollbackStarted", message=f"{message} ({_images(case)})", warning=True)
    decision = finalising(
        case,
        message,
        reason=reason,
        step=step,
        rolling_back=rolling_back,
        notes=(started, *rollback_check.warnings(case)) if rolling_back else (),
    )
    return decision if decision.effects else None


def _images(case: Case) -> str:
    return ", ".join(f"{i.name}={i.image}" for i in case.stable.spec.images)


def _route_home(case: Case, *, needed: int) -> Decision | None:
    """Send all traffic to the stable Service once it has as many endpoints as needed."""
    if case.traffic is None:
        return None
    traffic = case.snapshot.traffic
    effects = case.traffic.restore(traffic, case.backends, case.original_route)
    if not effects:
        return None
    if traffic.stable_endpoints < needed:
        message = words.waiting_for_stable(case.backends.stable, traffic.stable_endpoints, needed)
        step = case.canary_status.finalising_step or FinalisingStep.RESTORE_STABLE_SERVICE
        rolling_back = case.canary_status.observed_rollout_id.startswith(ROLLBACK_PREFIX)
        return finalising(
            case, message, reason="Finalising", step=FinalisingStep(step), rolling_back=rolling_back
        )
    message = f"all traffic goes to Service {case.backends.stable!r}"
    return Decision(effects=effects, notes=(Note(reason="TrafficRestored", message=message),))


def _begin_grace(case: Case, *, reason: str, rolling_back: bool = False) -> Decision | None:
    """Note when the routes were written; only where a canary Service was in use."""
    if case.traffic is None or case.snapshot.traffic.canary_service is None:
        return None
    if case.canary_status.finalising_step == FinalisingStep.REMOVE_CANARY_SERVICE:
        return None
    return finalising(
        case,
        words.ROUTED_BACK,
        reason=reason,
        step=FinalisingStep.REMOVE_CANARY_SERVICE,
        rolling_back=rolling_back,
    )


def _await_grace(case: Case) -> Decision | None:
    """Wait until proxies have loaded the routes."""
    since = case.canary_status.last_update_time
    if case.snapshot.traffic.canary_service is None or since is None:
        return None
    until = since + timedelta(seconds=case.grace_seconds)
    return Decision(wake_at=until) if until > case.now else None


def _await_new(case: Case) -> Decision | None:
    """Wait until the workload's own controller has rolled out the rest."""
    progress = case.progress
    if case.provider.finished(progress):
        return None
    if case.snapshot.rollout.metadata.deleting:
        # Deletion must not hang on pods that never get ready; nothing is held any more.
        return None
    step = case.canary_status.finalising_step or FinalisingStep.RESUME_WORKLOAD
    return finalising(
        case,
        words.finishing_pods(progress.new, progress.new_ready, progress.replicas),
        reason="Finalising",
        step=FinalisingStep(step),
        wake_at=progress.next_ready_at,
    )


def _await_stable(case: Case, *, reason: str, rolling_back: bool) -> Decision | None:
    progress = case.progress
    if case.provider.withdrawn(progress):
        return None
    step = case.canary_status.finalising_step or FinalisingStep.RESUME_WORKLOAD
    return finalising(
        case,
        words.returning_pods(progress.stable, progress.stable_ready, progress.replicas),
        reason=reason,
        step=FinalisingStep(step),
        rolling_back=rolling_back,
        wake_at=progress.next_ready_at,
    )


def _close(case: Case, outcome: Outcome, message: str) -> Decision:
    """Write the outcome into the record; the Rollout's status follows from it."""
    completed = outcome is Outcome.COMPLETED
    note = Note(
        reason="ReleaseCompleted" if completed else "RolledBack",
        message=message,
        warning=not completed,
    )
    moved = () if completed else rollback_check.moved_tags(case)
    return Decision(
        effects=(records.close(case.release, outcome, case.now, message),), notes=(note, *moved)
    )


def _do(effects: tuple[Effect, ...]) -> Decision | None:
    return Decision(effects=effects) if effects else None
