"""ReleasePolicy (`tandem.oam.dev/v1alpha1`): how releases of one workload are judged and undone.

It carries the name of its Rollout. Where it is absent, `DEFAULT_POLICY` applies.
"""

from __future__ import annotations

from enum import StrEnum

from tandem_controller.api.meta import Model, ObjectMeta

GROUP = "tandem.oam.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"


class RollbackScope(StrEnum):
    """Whether a rollback brings the platform part of the record back too."""

    ALL = "All"
    BUSINESS = "Business"


class HoldRelease(StrEnum):
    """Whether a held platform change is released by itself or after an approval."""

    AUTO = "Auto"
    APPROVE = "Approve"


class Together(StrEnum):
    """What becomes of a platform change that comes in one write with a business change.

    ByOrigin releases both as one where somebody stated both on purpose, and holds the
    platform part where it came with another version of the component's definition.
    """

    BY_ORIGIN = "ByOrigin"
    HOLD = "Hold"
    RELEASE = "Release"


class MovedTag(StrEnum):
    """What a rollback does about an image tag that points to another digest than it did."""

    WARN = "Warn"
    RESTORE_DIGEST = "RestoreDigest"


class OnDelete(StrEnum):
    """What becomes of a release whose Rollout is deleted.

    Complete rolls on to the new version (upstream's behaviour), Freeze leaves pods
    and traffic as they are, Rollback returns to the stable version first.
    """

    COMPLETE = "Complete"
    FREEZE = "Freeze"
    ROLLBACK = "Rollback"


class Containers(Model, frozen=True):
    """Name patterns (shell style) of platform and business containers."""

    platform: tuple[str, ...] = ()
    business: tuple[str, ...] = ()


class Hold(Model, frozen=True):
    """How held platform changes end."""

    release: HoldRelease = HoldRelease.APPROVE
    together: Together = Together.BY_ORIGIN


class ReleasePolicySpec(Model, frozen=True):
    """The policy itself; `history` is how many finished records are kept."""

    containers: Containers = Containers()
    rollback_scope: RollbackScope = RollbackScope.ALL
    hold: Hold = Hold()
    moved_tag: MovedTag = MovedTag.WARN
    on_delete: OnDelete = OnDelete.COMPLETE
    history: int = 10


class ReleasePolicy(Model, frozen=True):
    """A ReleasePolicy object."""

    metadata: ObjectMeta
    spec: ReleasePolicySpec = ReleasePolicySpec()


DEFAULT_POLICY = ReleasePolicySpec()
"""What applies where a Rollout has no ReleasePolicy of its name."""
