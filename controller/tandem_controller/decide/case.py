"""A release in progress as the rules of `decide` see it: the snapshot with what follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from tandem_controller.api.policy import OnDelete
from tandem_controller.api.record import Attempt, Originals, ReleaseRecord
from tandem_controller.api.rollout import CanaryStatus, RolloutStatus
from tandem_controller.api.workload import Deployment
from tandem_controller.decide import plan as plans
from tandem_controller.decide.history import records
from tandem_controller.ownership import owner_reference
from tandem_controller.snapshot import Snapshot, WorkloadSnapshot, canary_name
from tandem_controller.traffic import table as traffic_table
from tandem_controller.traffic.split import Backends, TrafficProvider
from tandem_controller.workloads.deployment import live_fingerprint
from tandem_controller.workloads.provider import Progress, Versions, WorkloadProvider

DEFAULT_GRACE_SECONDS = 3
"""Grace where a routing states 0 or less (upstream)."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """Everything a rule needs, computed once.

    `release` is the record whose attempt is open, `stable` the one to return to.
    """

    snapshot: Snapshot
    now: datetime
    provider: WorkloadProvider
    stable: ReleaseRecord
    release: ReleaseRecord

    @cached_property
    def workload(self) -> WorkloadSnapshot:
        """The workload; a case exists only where it does."""
        if self.snapshot.workload is None:
            msg = "a case needs a workload"
            raise AssertionError(msg)
        return self.snapshot.workload

    @property
    def deployment(self) -> Deployment:
        """The user's Deployment."""
        return self.workload.deployment

    @cached_property
    def attempt(self) -> Attempt:
        """The open attempt."""
        attempt = self.release.open_attempt
        if attempt is None:
            msg = "a case needs an open attempt"
            raise AssertionError(msg)
        return attempt

    @cached_property
    def on_delete(self) -> OnDelete:
        """What becomes of the release where its Rollout is deleted.

        KubeVela deletes the policy in the same moment as the Rollout. Then what held when the
        attempt began counts, or a release that was to stay as it is would be completed.
        """
        noted = self.attempt.circumstances.policy.get("onDelete")
        if self.snapshot.policy is None and noted is not None:
            return OnDelete(noted)
        return self.snapshot.policy_spec.on_delete

    @property
    def originals(self) -> Originals:
        """The users' fields as they were before the release."""
        return self.attempt.originals

    @cached_property
    def versions(self) -> Versions:
        """The release's templates."""
        return Versions(
            stable=self.stable.spec.fingerprint,
            stable_template=self.stable.spec.template,
            release=self.release.spec.fingerprint,
            release_template=self.release.spec.template,
            originals=self.originals.workload,
        )

    @cached_property
    def progress(self) -> Progress:
        """Pods by version."""
        return self.provider.progress(self.snapshot, self.versions, self.now)

    @cached_property
    def live(self) -> str:
        """Fingerprint of the template that the workload states now."""
        return live_fingerprint(self.workload)

    @cached_property
    def plan(self) -> plans.Plan:
        """The steps, resolved for the workload's replicas."""
        return plans.resolve(self.snapshot.strategy, self.deployment.spec.replicas)

    @cached_property
    def revision(self) -> str:
        """Short name of the release's template."""
        return records.revision(self.deployment.metadata.uid, self.release.spec.fingerprint)

    @property
    def status(self) -> RolloutStatus:
        """The Rollout's status as it was read."""
        return self.snapshot.rollout.status

    @property
    def canary_status(self) -> CanaryStatus:
        """The release's part of the status; empty when none was written."""
        return self.status.canary_status or CanaryStatus()

    @cached_property
    def traffic(self) -> TrafficProvider | None:
        """The traffic layer, or None when pods alone decide the split."""
        routing = self.snapshot.routing
        return traffic_table.provider_for(routing) if routing else None

    @cached_property
    def backends(self) -> Backends:
        """Stable and canary Service."""
        routing = self.snapshot.routing
        service = routing.service if routing else ""
        return Backends(
            namespace=self.snapshot.rollout.metadata.namespace,
            stable=service,
            canary=canary_name(service),
            owner=owner_reference(self.snapshot.rollout),
        )

    @property
    def original_route(self) -> dict[str, Any] | None:
        """The user's route spec, where it was recorded."""
        return next(iter(self.originals.routes.values()), None)

    @property
    def grace_seconds(self) -> int:
        """How long proxies get to load a route before endpoints go away."""
        routing = self.snapshot.routing
        given = routing.grace_period_seconds if routing else 0
        return given if given > 0 else DEFAULT_GRACE_SECONDS
