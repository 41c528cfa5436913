"""What becomes of a pod template that somebody states: the rules of hold, rollback and rejection.

`rule` is asked about every template that is not the one in force. It says which template the
workload is to state, and whether the one stated is held or rejected. docs/matrix.md is the
same in a table; tests play every cell of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tandem_controller import keys
from tandem_controller.api.fingerprint import template_fingerprint
from tandem_controller.api.policy import (
    HoldRelease,
    ReleasePolicySpec,
    RollbackScope,
    Together,
)
from tandem_controller.api.record import Change, HoldCause, ReleaseRecord
from tandem_controller.decide.classify import (
    Parts,
    change_of,
    compose,
    parts,
    without_images,
)
from tandem_controller.decide.hold.withheld import (
    Withheld,
    accepted,
    after_rollback,
    release_id,
    withheld,
)

Template = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Ruling:
    """The answer: the template to state, and what is wrong with the one that was stated."""

    template: Template
    hold: HoldCause | None = None
    """The stated template's platform part is to be held, for this reason."""
    refused: ReleaseRecord | None = None
    """The stated template is this rejected version."""


@dataclass(frozen=True, kw_only=True)
class Stated:
    """A stated template and the world that it comes into.

    `release` is the record of the release in progress; None at rest, and once the release is
    being taken back. `metadata` is the workload's, as on the wire.
    """

    template: Template
    metadata: Mapping[str, Any]
    policy: ReleasePolicySpec
    stable: ReleaseRecord
    release: ReleaseRecord | None
    known: tuple[ReleaseRecord, ...]

    @property
    def in_force(self) -> ReleaseRecord:
        """The version that the workload is to run or to move to."""
        return self.release or self.stable

    @cached_property
    def withheld(self) -> Withheld:
        """What is held and rejected."""
        return withheld(self.known, self.stable, self.policy.containers)

    @cached_property
    def parts(self) -> Parts:
        """The parts of the stated template."""
        return self.parts_of(self.template)

    def parts_of(self, template: Template) -> Parts:
        """The parts of a template by this workload's policy."""
        return parts(template, self.policy.containers)

    def business_of(self, record: ReleaseRecord) -> str:
        """The fingerprint of a record's business part."""
        return self.parts_of(record.spec.template).business

    def same_platform(self, record: ReleaseRecord) -> bool:
        """Whether the platform part is that of a record."""
        return self.parts.platform == self.parts_of(record.spec.template).platform

    def same_business(self, record: ReleaseRecord) -> bool:
        """Whether the business part is that of a record."""
        return self.parts.business == self.business_of(record)

    @property
    def change(self) -> Change:
        """What it changes against the stable version."""
        return change_of(self.parts_of(self.stable.spec.template), self.parts)

    @cached_property
    def on_purpose(self) -> bool:
        """Whether somebody stated platform and business part together, by `hold.together`.

        A manifest that no ComponentDefinition rendered was written by hand. A definition that
        states its version holds no image: images come from the Application then, and anything
        else does as long as the version is that of the stable record.
        """
        together = self.policy.hold.together
        if together is not Together.BY_ORIGIN:
            return together is Together.RELEASE
        held = self.withheld.held
        if held and held[0].platform == self.parts.platform:
            # The very template that a rollback took back, stated again, is no new change.
            return after_rollback(held[1]) and held[0] != self.parts
        if keys.OAM_COMPONENT not in (self.metadata.get("labels") or {}):
            return True
        version = (self.metadata.get("annotations") or {}).get(keys.COMPONENT_VERSION)
        if version is None:
            return False
        before, after = (
            self.parts_of(without_images(template)).platform
            for template in (self.stable.spec.template, self.template)
        )
        return before == after or version == self.stable.spec.component_version


def rule(stated: Stated) -> Ruling:
    """Say what becomes of a stated template."""
    if (stated.metadata.get("labels") or {}).get(keys.BREAK_GLASS) == "true":
        return Ruling(template=stated.template)
    if template_fingerprint(stated.template) == stated.in_force.spec.fingerprint:
        return Ruling(template=stated.template)
    if _accepted(stated):
        return Ruling(template=stated.template)
    if refused := _rejected(stated, stated.parts):
        return Ruling(template=stated.in_force.spec.template, refused=refused)
    if stated.release is not None:
        return _in_progress(stated, stated.release)
    return _at_rest(stated)


def _accepted(stated: Stated) -> bool:
    found = accepted(stated.known)
    return found is not None and found.spec.fingerprint == template_fingerprint(stated.template)


def _rejected(stated: Stated, pods: Parts) -> ReleaseRecord | None:
    """Return the rejected version that has these pods, unless it is stated under a new name."""
    return stated.withheld.rejection(pods, release_id(stated.metadata))


def _in_progress(stated: Stated, release: ReleaseRecord) -> Ruling:
    """A template that comes while a release is in progress."""
    stable = stated.stable
    if stated.same_business(release) and stated.same_platform(release):
        return Ruling(template=stated.template)
    if stated.same_business(stable) and not stated.same_business(release):
        return _taken_back(stated, release)
    if stated.same_platform(stable):
        back = stated.same_business(stable)
        return Ruling(template=stable.spec.template if back else stated.template)
    if stated.same_business(release):
        return Ruling(template=release.spec.template, hold=HoldCause.OWN_RELEASE)
    platform_only = stated.business_of(release) == stated.business_of(stable)
    if stated.same_platform(release) and not platform_only:
        return Ruling(template=stated.template)
    return _both(stated, base=stable if platform_only else release)


def _taken_back(stated: Stated, release: ReleaseRecord) -> Ruling:
    """The business part of the stable version is back: a rollback, by `rollbackScope`.

    A platform part that comes with it and was not in the release is a change of its own.
    """
    stable = stated.stable.spec.template
    if stated.same_platform(stated.stable):
        return Ruling(template=stable)
    if not stated.same_platform(release):
        return Ruling(template=stable, hold=HoldCause.OWN_RELEASE)
    if stated.policy.rollback_scope is RollbackScope.BUSINESS:
        return Ruling(template=stated.template)
    return Ruling(template=stable, hold=HoldCause.ROLLBACK)


def _at_rest(stated: Stated) -> Ruling:
    """A template that comes while nothing is in progress, or while a release is taken back."""
    match stated.change:
        case Change.NEITHER:
            return Ruling(template=stated.template)
        case Change.PLATFORM:
            return _platform(stated)
        case Change.BUSINESS | Change.BOTH if proven := _proven(stated):
            return _returned(stated, proven)
        case Change.BUSINESS:
            return Ruling(template=stated.template)
        case _:
            return _both(stated, base=stated.stable)


def _platform(stated: Stated) -> Ruling:
    stable = stated.stable.spec.template
    if _was_taken_back(stated):
        if stated.policy.rollback_scope is RollbackScope.BUSINESS:
            return Ruling(template=stated.template)
        return Ruling(template=stable, hold=HoldCause.ROLLBACK)
    proven = _proven(stated)
    if stated.policy.hold.release is HoldRelease.AUTO or (proven and stated.same_platform(proven)):
        return Ruling(template=stated.template)
    return Ruling(template=stable, hold=HoldCause.OWN_RELEASE)


def _was_taken_back(stated: Stated) -> bool:
    """Whether a rollback took this platform part back, and the manifest still states it."""
    held = stated.withheld.held
    if held and held[0].platform == stated.parts.platform and after_rollback(held[1]):
        return True
    stable = stated.parts_of(stated.stable.spec.template)
    return any(
        found.platform == stated.parts.platform and found.business != stable.business
        for found, _ in stated.withheld.rejected
    )


def _proven(stated: Stated) -> ReleaseRecord | None:
    """Return the version with this business part that was stable last, if there was one."""
    records = [
        (r.stable_since, r)
        for r in stated.known
        if r.stable_since is not None and stated.same_business(r)
    ]
    same = [each for each in records if stated.same_platform(each[1])]
    return max(same or records, key=lambda each: each[0], default=(None, None))[1]


def _returned(stated: Stated, proven: ReleaseRecord) -> Ruling:
    """A business part that was stable before: with its own platform part it is proven."""
    if stated.same_platform(proven) or stated.policy.rollback_scope is RollbackScope.BUSINESS:
        return Ruling(template=stated.template)
    if stated.change is Change.BOTH and stated.on_purpose:
        return Ruling(template=stated.template)
    if _rejected(stated, stated.parts_of(proven.spec.template)):
        return Ruling(template=stated.template)
    return Ruling(template=proven.spec.template, hold=HoldCause.ROLLBACK)


def _both(stated: Stated, base: ReleaseRecord) -> Ruling:
    """Both parts change at once: one release, or the business part alone on that of `base`."""
    if stated.on_purpose:
        return Ruling(template=stated.template)
    in_force = stated.in_force.spec.template
    alone = compose(stated.template, base.spec.template, stated.policy.containers)
    found = stated.parts_of(alone)
    if refused := _rejected(stated, found):
        return Ruling(template=in_force, refused=refused, hold=HoldCause.OWN_RELEASE)
    same = found == stated.parts_of(in_force)
    return Ruling(template=in_force if same else alone, hold=HoldCause.OWN_RELEASE)
