"""Arithmetic of batches: how many pods of each version come next.

Counts follow OpenKruise's rule that a percentage of pods is rounded up. The user's
maxSurge and maxUnavailable bound every move (Deployment API: surge percentages are
rounded up, unavailable ones down, and both zero means one unavailable).
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """The user's rolling update bounds in pods."""

    max_surge: int
    max_unavailable: int


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Where a batch stands and where it is to go.

    `reserve` is how many stable pods the present traffic needs until it is moved, `keep`
    how many the stable side needs for as long as the step lasts.
    """

    replicas: int
    old: int
    old_ready: int
    new: int
    new_ready: int
    target: int
    reserve: int
    keep: int
    bounds: Bounds


def scaled(value: int | str, total: int, *, up: bool) -> int:
    """Resolve an integer or percentage of `total`.

    Raises:
        ValueError: when the value is neither an integer nor a percentage.
    """
    if isinstance(value, int):
        return value
    if not value.endswith("%"):
        return int(value)
    exact = total * int(value[:-1]) / 100
    return math.ceil(exact) if up else math.floor(exact)


def bounds(max_surge: int | str | None, max_unavailable: int | str | None, replicas: int) -> Bounds:
    """Resolve a rolling update's bounds; absent ones are the API's default of 25 %."""
    surge = scaled("25%" if max_surge is None else max_surge, replicas, up=True)
    unavailable = scaled("25%" if max_unavailable is None else max_unavailable, replicas, up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return Bounds(max_surge=surge, max_unavailable=unavailable)


def next_counts(batch: Batch) -> tuple[int, int]:
    """Return how many old and new pods to ask for next.

    Surge is used before capacity is given up: with a surge the old pods leave only for
    new ones that are ready, without one as far as maxUnavailable allows. Only what the
    step itself keeps may exceed the surge: it asks for more pods than there are replicas.
    """
    stay = max(batch.replicas - batch.target, batch.keep)
    old = min(batch.old, max(stay, batch.reserve, _needed_old(batch)))
    room = max(batch.replicas + batch.bounds.max_surge, stay + batch.target) - old
    new = max(batch.new, min(batch.target, room))
    return old, new


def corrected_counts(batch: Batch) -> tuple[int, int]:
    """Return the counts that come next where there are more new or fewer stable pods than may be.

    Stable pods come first, as far as the surge has room (one pod at least); new ones go as
    far as ready pods are to spare.
    """
    stay = max(batch.replicas - batch.target, batch.keep)
    room = max(1, batch.replicas + batch.bounds.max_surge - batch.old - batch.new)
    if batch.old < stay:
        return min(stay, batch.old + room), batch.new
    floor = batch.replicas - batch.bounds.max_unavailable
    spare = max(0, batch.old_ready + batch.new_ready - floor)
    unready = batch.new - batch.new_ready
    return batch.old, max(batch.target, batch.new - unready - spare)


def _needed_old(batch: Batch) -> int:
    """Old pods that must stay for the number of ready pods not to fall too low.

    They count whether or not they are ready: a pod that is not may be about to be, and
    the Deployment controller removes unhealthy ones first anyway.
    """
    may_miss = 0 if batch.bounds.max_surge else batch.bounds.max_unavailable
    return batch.replicas - may_miss - batch.new_ready
