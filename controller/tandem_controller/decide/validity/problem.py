"""A fault in what a user wrote: where it is, what is wrong, and what to do about it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

_PERCENT = re.compile(r"[0-9]{1,9}%")


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One fault. `field` is the JSON path in the version of the API that the user wrote."""

    field: str
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message} ({self.remedy})"


def percentage(value: str) -> int | None:
    """Return the number of a percentage such as "20%"; None when it is none."""
    return int(value[:-1]) if _PERCENT.fullmatch(value) else None


def in_v1alpha1(problem: Problem) -> Problem:
    """Return a problem with the path that the field has in v1alpha1."""
    field = re.sub(r"^spec\.workloadRef", "spec.objectRef.workloadRef", problem.field)
    field = re.sub(r"(\.steps\[\d+\])\.traffic$", r"\1.weight", field)
    for name, annotation in _ANNOTATIONS.items():
        field = re.sub(rf"^spec\.strategy\.{name}$", annotation, field)
    return replace(problem, field=field)


_ANNOTATIONS = {
    r"canary\.enableExtraWorkloadForCanary": (
        "metadata.annotations[rollouts.kruise.io/rolling-style]"
    ),
    r"canary\.trafficRoutingRef": "metadata.annotations[rollouts.kruise.io/trafficrouting]",
}
