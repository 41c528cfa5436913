"""Taking a workload in: what is stable when nothing was released by us."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tandem_controller import keys
from tandem_controller.api.fingerprint import template_fingerprint
from tandem_controller.api.record import Originals
from tandem_controller.decide import integrity, services
from tandem_controller.decide.config import withhold
from tandem_controller.decide.history import records
from tandem_controller.decide.history.content import circumstances_of
from tandem_controller.decide.hold.withheld import rejected
from tandem_controller.effect import Decision, Note
from tandem_controller.snapshot import Snapshot, WorkloadSnapshot
from tandem_controller.workloads.deployment import (
    by_fingerprint,
    is_frozen,
    live_fingerprint,
    original,
    size,
)

Template = dict[str, Any]

ADOPTED = "adopted as it ran"
ESCAPED = (
    "the template was rolled out while nothing held it back; it is taken as the stable version. "
    "Check that the admission policy or webhook is in place"
)


def adopt(snapshot: Snapshot, workload: WorkloadSnapshot, now: datetime) -> Decision:
    """Write a baseline record of what runs; no pod is restarted.

    A template that was changed and paused before it was ever looked at is not the baseline:
    the pods that run are. Nor is that of a release which was frozen and lost its records.
    """
    template = _running_template(workload)
    return _config_given_back(snapshot, template) or _baseline(
        snapshot, workload, template, now, ADOPTED
    )


def escaped(workload: WorkloadSnapshot) -> bool:
    """Whether the live template already runs everywhere, without a release."""
    deployment = workload.deployment
    live = by_fingerprint(workload, live_fingerprint(workload))
    return (
        not deployment.spec.paused
        and deployment.spec.replicas > 0
        and size(live) == size(workload.replica_sets) == deployment.spec.replicas
    )


def let_through(workload: WorkloadSnapshot) -> bool:
    """Whether somebody lets a template pass without steps (break-glass), and it rolls out."""
    deployment = workload.deployment
    labelled = deployment.metadata.labels.get(keys.BREAK_GLASS) == "true"
    held = deployment.spec.paused or keys.IN_PROGRESSING in deployment.metadata.annotations
    return labelled and not held


def accept(snapshot: Snapshot, workload: WorkloadSnapshot, now: datetime) -> Decision:
    """Make a template the stable one that runs without a record, and say how that came.

    It escaped, unless it was released and its record was lost since.
    """
    template = workload.deployment.spec.template
    if due := _config_given_back(snapshot, template):
        return due
    lost = integrity.lost_at_rest(snapshot, workload)
    message = integrity.LOST if lost else ESCAPED
    reason = "RecordRebuilt" if lost else "ReleaseEscaped"
    decision = _baseline(snapshot, workload, template, now, message)
    return Decision(
        effects=decision.effects, notes=(Note(reason=reason, message=message, warning=True),)
    )


def _config_given_back(snapshot: Snapshot, template: Template) -> Decision | None:
    """Give back what was kept from what runs now: of a workload that is gone, or let through."""
    known = records.of_workload(snapshot)
    own = records.by_fingerprint(known, template_fingerprint(template))
    return withhold.given_back(snapshot, template, (r for r in rejected(known) if r is not own))


def _running_template(workload: WorkloadSnapshot) -> Template:
    live = by_fingerprint(workload, live_fingerprint(workload))
    active = [rs for rs in workload.replica_sets if rs.spec.replicas > 0]
    if is_frozen(workload.deployment):
        active = [rs for rs in active if rs not in live]
    elif size(live) > 0:
        active = []
    if not active:
        return workload.deployment.spec.template
    return max(active, key=lambda rs: (rs.status.ready_replicas, rs.metadata.name)).spec.template


def _baseline(
    snapshot: Snapshot,
    workload: WorkloadSnapshot,
    template: Template,
    now: datetime,
    message: str,
) -> Decision:
    known = records.of_workload(snapshot)
    record = records.by_fingerprint(known, template_fingerprint(template))
    if record is None:
        return Decision(effects=(records.create(snapshot, workload.deployment, template),))
    note = Note(reason="Adopted", message=f"baseline {record.metadata.name} {message}")
    originals = Originals(
        workload=original(workload.deployment),
        services=services.selectors(snapshot),
        routes=services.routes(snapshot),
    )
    effect = records.baseline(
        record,
        now,
        message,
        originals=originals,
        circumstances=circumstances_of(snapshot, workload.deployment, originals),
    )
    return Decision(effects=(effect,), notes=(note,))
