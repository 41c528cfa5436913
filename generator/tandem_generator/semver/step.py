"""Version steps and versions."""

from __future__ import annotations

import re
from enum import IntEnum
from typing import NamedTuple

_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)$")


class Step(IntEnum):
    """How far a version moves; a greater step is more than a smaller one."""

    NONE = 0
    PATCH = 1
    MINOR = 2
    MAJOR = 3

    def __str__(self) -> str:
        return self.name.lower()


class Version(NamedTuple):
    """X.Y.Z: KubeVela knows no other form (webhook `ValidateSemanticVersion`)."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read a version; raise ValueError with a sentence."""
        found = _VERSION.match(text)
        if found is None:
            raise ValueError(f"`{text}` is no version of the form X.Y.Z")
        return cls(*map(int, found.groups()))

    def raised(self, step: Step) -> Version:
        """Return the next version by a step."""
        if step is Step.MAJOR:
            return Version(self.major + 1, 0, 0)
        if step is Step.MINOR:
            return Version(self.major, self.minor + 1, 0)
        return Version(self.major, self.minor, self.patch + (step is Step.PATCH))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


def between(old: Version, new: Version) -> Step:
    """Return the step from one version to a later one; an earlier one is none."""
    if new <= old:
        return Step.NONE
    if new.major > old.major:
        return Step.MAJOR
    return Step.MINOR if new.minor > old.minor else Step.PATCH
