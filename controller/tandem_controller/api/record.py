"""ReleaseRecord (`tandem.oam.dev/v1alpha1`): one release, complete enough to return to it.

`spec` is intent, written before anything changes and never again. `status` is what
happened: one entry in `attempts` each time the same template is released.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from tandem_controller.api.evidence import Evidence
from tandem_controller.api.meta import Model, ObjectMeta


class Outcome(StrEnum):
    """How an attempt ended; an attempt without an outcome is in progress."""

    COMPLETED = "Completed"
    BASELINE = "Baseline"
    """Adopted while it was already running; nothing was released."""
    ROLLED_BACK = "RolledBack"
    SUPERSEDED = "Superseded"
    """A newer template replaced it before it was complete."""
    ABANDONED = "Abandoned"
    """Its Rollout was deleted or disabled in mid-release."""


class Change(StrEnum):
    """Which part of the pod template a release changes (`decide/classify.py`)."""

    BUSINESS = "Business"
    PLATFORM = "Platform"
    BOTH = "Both"
    NEITHER = "Neither"
    """Labels, annotations or the order of containers only."""


class HoldCause(StrEnum):
    """Why a platform change is held."""

    OWN_RELEASE = "OwnRelease"
    """It is to be released on its own, and not with another change."""
    ROLLBACK = "Rollback"
    """A rollback brought the platform part of the record back; the manifest still states this."""


class HoldEnd(StrEnum):
    """How a hold ended."""

    ACCEPTED = "Accepted"
    """Somebody asked for its release, or the policy did."""
    REPLACED = "Replaced"
    """The manifest states another platform change now, which is held instead."""
    RELEASED = "Released"
    """Its release has begun, on its own or with another change."""
    WITHDRAWN = "Withdrawn"
    """The manifest no longer states it."""


class ContainerImage(Model, frozen=True):
    """One container of the recorded template and the image it asks for."""

    name: str
    image: str
    init: bool = False


class WorkloadIdentity(Model, frozen=True):
    """The workload that was released."""

    api_version: str
    kind: str
    name: str
    uid: str


class ReleaseRecordSpec(Model, frozen=True):
    """What is released: the whole pod template and where it came from."""

    workload: WorkloadIdentity
    fingerprint: str
    template: dict[str, Any]
    business_fingerprint: str = ""
    platform_fingerprint: str = ""
    images: tuple[ContainerImage, ...] = ()
    application: str = ""
    component: str = ""
    component_definition: str = ""
    component_version: str = ""
    """Of the ComponentDefinition, where its rendered workload states one."""


class Originals(Model, frozen=True):
    """Users' fields as they were before Tandem changed them, by object.

    `workload` holds the Deployment's strategy, minReadySeconds and
    progressDeadlineSeconds; `services` the selector and `routes` the spec by name.
    """

    workload: dict[str, Any] = {}
    services: dict[str, dict[str, str] | None] = {}
    routes: dict[str, dict[str, Any]] = {}


class Circumstances(Model, frozen=True):
    """What held when an attempt began. The same template may be released under others."""

    stable: str = ""
    """Name of the record that the release returns to; empty for a baseline."""
    application_revision: str = ""
    publish_version: str = ""
    replicas: int | None = None
    plan: dict[str, Any] = {}
    """The Rollout's strategy, as it was stated."""
    policy: dict[str, Any] = {}
    """The policy in force, defaults included."""
    services: dict[str, dict[str, Any]] = {}
    """Specs of the user's Services, by name; `Originals` holds the routes."""


class Rejection(Model, frozen=True):
    """The verdict on a version that was rolled back: it is not released again by itself."""

    at: datetime
    cause: str = ""
    restored_at: datetime | None = None
    """When the workload was last given back the template in force."""
    cleared_at: datetime | None = None
    cleared_by: str = ""


class Hold(Model, frozen=True):
    """A platform change that waits for a release of its own."""

    since: datetime
    cause: HoldCause = HoldCause.OWN_RELEASE
    message: str = ""
    restored_at: datetime | None = None
    """When the workload was last given back the template in force."""
    ended_at: datetime | None = None
    end: HoldEnd | None = None


class Approval(Model, frozen=True):
    """Who let a step pass, and when."""

    step: int
    by: str = ""
    at: datetime | None = None


class Attempt(Model, frozen=True):
    """One release of the recorded template. `completed_at` orders stable records."""

    started_at: datetime
    change: Change | None = None
    """Against the stable version; None for a baseline."""
    rollout_id: str = ""
    """The user's own name of this release (label `rollouts.kruise.io/rollout-id`)."""
    circumstances: Circumstances = Circumstances()
    originals: Originals = Originals()
    approvals: tuple[Approval, ...] = ()
    parked_at: datetime | None = None
    """Since when the workload states the stable template on Tandem's behalf."""
    outcome: Outcome | None = None
    completed_at: datetime | None = None
    message: str = ""
    rejection: Rejection | None = None
    evidence: Evidence | None = None
    """None until the version ran everywhere, as the stable one."""


class ReleaseRecordStatus(Model, frozen=True):
    """What happened to the recorded template, oldest attempt first."""

    attempts: tuple[Attempt, ...] = ()
    hold: Hold | None = None


class ReleaseRecord(Model, frozen=True):
    """A ReleaseRecord object."""

    metadata: ObjectMeta
    spec: ReleaseRecordSpec
    status: ReleaseRecordStatus = ReleaseRecordStatus()

    @property
    def open_attempt(self) -> Attempt | None:
        """The attempt in progress, or None."""
        attempts = self.status.attempts
        return attempts[-1] if attempts and attempts[-1].outcome is None else None

    @property
    def stable_attempt(self) -> Attempt | None:
        """The attempt by which this template last became the stable one, or None."""
        return max(
            (a for a in self.status.attempts if a.outcome in _STABLE and a.completed_at),
            key=lambda a: a.completed_at or a.started_at,
            default=None,
        )

    @property
    def stable_since(self) -> datetime | None:
        """When this template last became the stable one, or None if it never did."""
        attempt = self.stable_attempt
        return attempt.completed_at if attempt else None


_STABLE = (Outcome.COMPLETED, Outcome.BASELINE)
