"""ReleaseApproval (`tandem.oam.dev/v1alpha1`): one approval of one step of one revision, once.

A workflow step of KubeVela cannot write a Rollout's status, which is how everybody else
approves. So it applies one of these, and Tandem turns it into the same approval.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from tandem_controller.api.meta import Model, ObjectMeta


class ApprovalPhase(StrEnum):
    """What became of an approval."""

    USED = "Used"
    VOID = "Void"


class ApprovalReason(StrEnum):
    """Why: it was used, or can never be used again."""

    APPROVED = "Approved"
    STEP_PASSED = "StepPassed"
    NOT_REACHED = "NotReached"
    OTHER_REVISION = "OtherRevision"
    ROLLED_BACK = "RolledBack"
    EXPIRED = "Expired"


class ReleaseApprovalSpec(Model, frozen=True):
    """What is approved; `revision` is the Rollout's `canaryRevision`, `step` counts from 1."""

    rollout: str
    revision: str
    step: int
    by: str = ""


class ReleaseApprovalStatus(Model, frozen=True):
    """What became of it; without a phase it is open."""

    phase: ApprovalPhase | None = None
    reason: ApprovalReason | None = None
    message: str = ""
    at: datetime | None = None


class ReleaseApproval(Model, frozen=True):
    """A ReleaseApproval object."""

    metadata: ObjectMeta
    spec: ReleaseApprovalSpec
    status: ReleaseApprovalStatus = ReleaseApprovalStatus()

    @property
    def open(self) -> bool:
        """Whether it can still be used."""
        return self.status.phase is None

    @property
    def giver(self) -> str:
        """How records, Events and the Rollout's status name whoever approves by it."""
        by = f" by {self.spec.by}" if self.spec.by else ""
        return f"ReleaseApproval {self.metadata.name}{by}"
