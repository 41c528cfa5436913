"""The gauges of one Rollout: name, meaning, labels, and what a snapshot says of each.

One visible table. Names follow Prometheus' rules: base units, `_info` for a constant 1 that
only carries labels, `_timestamp_seconds` for a moment since the epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from tandem_controller import keys
from tandem_controller.api.rollout import Phase, StepState
from tandem_controller.link.pairing import Pairing, pairings
from tandem_controller.link.standing import held, rejected
from tandem_controller.snapshot import Snapshot

_MOVING = (Phase.PROGRESSING, Phase.TERMINATING, Phase.DISABLING)

Row = tuple[tuple[str, ...], float]
"""Values of a gauge's labels, without namespace and Rollout, and the gauge's value."""


@dataclass(frozen=True, kw_only=True)
class View:
    """A snapshot, with what several gauges ask of it."""

    snapshot: Snapshot

    @cached_property
    def pairings(self) -> tuple[Pairing, ...]:
        """What runs."""
        return pairings(self.snapshot)

    @cached_property
    def identity(self) -> tuple[str, str, str]:
        """Workload, component and the component's definition; empty where none is stated."""
        rollout, workload = self.snapshot.rollout, self.snapshot.workload
        labels = workload.deployment.metadata.labels if workload else {}
        return (
            rollout.spec.workload_ref.name,
            labels.get(keys.OAM_COMPONENT, ""),
            labels.get(keys.DEFINITION_TYPE, "").partition("@")[0],
        )


@dataclass(frozen=True, kw_only=True)
class Gauge:
    """One family of series. `rows` are at most a handful for one Rollout."""

    name: str
    help: str
    labels: tuple[str, ...]
    rows: Callable[[View], Iterator[Row]]


def _phase(view: View) -> Iterator[Row]:
    for phase in Phase:
        yield (phase.value,), float(view.snapshot.rollout.status.phase == phase)


def _step(view: View) -> Iterator[Row]:
    yield (), float(view.snapshot.rollout.status.current_step_index)


def _step_state(view: View) -> Iterator[Row]:
    """Since when the step is in its state; what somebody asked to wait has a state of its own."""
    rollout, workload = view.snapshot.rollout, view.snapshot.workload
    canary = rollout.status.canary_status
    if rollout.status.phase not in _MOVING or canary is None or canary.last_update_time is None:
        return
    state = canary.current_step_state
    if rollout.spec.strategy.paused:
        state = "Suspended"
    elif workload and workload.deployment.spec.replicas == 0:
        state = "ScaledToZero"
    yield (state,), canary.last_update_time.timestamp()


def _question(view: View) -> Iterator[Row]:
    """Since when a step waits for somebody's approval; a pause that ends by itself is none."""
    rollout = view.snapshot.rollout
    canary = rollout.status.canary_status
    if canary is None or canary.current_step_state != StepState.PAUSED:
        return
    steps, index = view.snapshot.strategy.steps, canary.current_step_index
    timed = 0 < index <= len(steps) and steps[index - 1].pause.duration is not None
    for (state,), since in _step_state(view):
        if state == StepState.PAUSED and not timed:
            yield (str(index),), since


def _workload(view: View) -> Iterator[Row]:
    """One series a running revision: the pairing of versions, images and state."""
    for each in view.pairings:
        yield (
            (
                *view.identity,
                each.component_version,
                each.images.platform,
                each.images.platform_repository,
                each.images.business,
                each.revision,
                each.state.value,
            ),
            1.0,
        )


def _never_released(view: View) -> Iterator[Row]:
    for each in view.pairings:
        if not each.released:
            yield (
                (
                    *view.identity,
                    each.images.platform,
                    each.images.business,
                    each.revision,
                    each.state.value,
                ),
                1.0,
            )


def _held(view: View) -> Iterator[Row]:
    if found := held(view.snapshot):
        labels = (found.images.platform, found.revision, found.cause.value)
        yield (*view.identity, *labels), found.since.timestamp()


def _rejected(view: View) -> Iterator[Row]:
    if found := rejected(view.snapshot):
        labels = (found.images.platform, found.images.business, found.revision)
        yield (*view.identity, *labels, found.stated.value), 1.0


_IDENTITY = ("workload", "component", "component_definition")

GAUGES = (
    Gauge(
        name="tandem_rollout_phase",
        help="1 for the phase that a Rollout is in",
        labels=("phase",),
        rows=_phase,
    ),
    Gauge(
        name="tandem_rollout_step",
        help="The step that a Rollout is at, from 1",
        labels=(),
        rows=_step,
    ),
    Gauge(
        name="tandem_rollout_step_state_since_timestamp_seconds",
        help="Since when the step of a release in progress is in its state",
        labels=("state",),
        rows=_step_state,
    ),
    Gauge(
        name="tandem_rollout_approval_since_timestamp_seconds",
        help="Since when a step waits for somebody to approve it",
        labels=("step",),
        rows=_question,
    ),
    Gauge(
        name="tandem_workload_info",
        help="Component version, platform image and business image that run together",
        labels=(
            *_IDENTITY,
            "component_version",
            "platform_image",
            "platform_repository",
            "business_image",
            "revision",
            "state",
        ),
        rows=_workload,
    ),
    Gauge(
        name="tandem_pairing_never_released",
        help="1 for a running pair of platform and business part that no release completed",
        labels=(*_IDENTITY, "platform_image", "business_image", "revision", "state"),
        rows=_never_released,
    ),
    Gauge(
        name="tandem_platform_hold_since_timestamp_seconds",
        help="Since when a platform change is held",
        labels=(*_IDENTITY, "platform_image", "revision", "cause"),
        rows=_held,
    ),
    Gauge(
        name="tandem_version_rejected",
        help="1 for a version that was rolled back and is not released again by itself",
        labels=(*_IDENTITY, "platform_image", "business_image", "revision", "stated"),
        rows=_rejected,
    ),
)
