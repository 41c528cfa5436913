"""Series of what runs, and of nothing else; counters of what ended while we looked."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from tandem_controller import keys
from tandem_controller.api.record import (
    Change,
    Hold,
    HoldCause,
    HoldEnd,
    Outcome,
    Rejection,
    ReleaseRecord,
    ReleaseRecordStatus,
)
from tandem_controller.api.rollout import (
    CanaryStatus,
    CanaryStrategy,
    Pause,
    Phase,
    Rollout,
    RolloutStatus,
    Step,
)
from tandem_controller.kube.store import Key
from tandem_controller.link.gauges import GAUGES
from tandem_controller.link.metrics import ReleaseMetrics
from tandem_controller.snapshot import Snapshot
from tests.examples import NOW, Obj, deployment, rollout, workload
from tests.link.shop import V1, V2, V3, attempt, record, revision

SHOP = Key("web", "shop")
LABELS = {
    keys.OAM_COMPONENT: "shop",
    keys.DEFINITION_TYPE: "canary-ready-component@v1",
}
WHO = {
    "namespace": "web",
    "rollout": "shop",
    "workload": "shop",
    "component": "shop",
    "component_definition": "canary-ready-component",
}
ADOPTED = record(V1, attempt(0, Outcome.BASELINE), component_version="1.0.0")
Series = tuple[dict[str, str], float]


def manifest(template: Obj) -> str:
    """Return what an applier keeps of a Deployment: no field that the API server fills in."""
    return json.dumps({"kind": "Deployment", "spec": {"template": template}})


class Scrape:
    """Metrics with a registry of their own, read as Prometheus reads them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.metrics = ReleaseMetrics(self.registry)

    def see(
        self,
        *records: ReleaseRecord,
        runs: tuple[Obj, ...] = (V1,),
        annotations: dict[str, str] | None = None,
        of: Rollout | None = None,
        replicas: int = 10,
    ) -> None:
        """Observe the shop with one pod of each template."""
        stated = deployment(labels=LABELS, annotations=annotations, replicas=replicas)
        snapshot = Snapshot(
            rollout=of or rollout(),
            workload=workload(stated, *((template, 1, 1) for template in runs)),
            records=records,
        )
        self.metrics.observe(snapshot)

    def series(self, name: str) -> list[Series]:
        """Return the series of a name."""
        return [
            (dict(sample.labels), sample.value)
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name == name
        ]


@pytest.fixture
def scrape() -> Scrape:
    return Scrape()


def test_one_series_pairs_component_version_images_revision_and_state(scrape: Scrape) -> None:
    scrape.see(ADOPTED)
    wanted = {
        **WHO,
        "component_version": "1.0.0",
        "platform_image": "init:1",
        "platform_repository": "init",
        "business_image": "shop:1",
        "revision": revision(V1),
        "state": "stable",
    }
    assert scrape.series("tandem_workload_info") == [(wanted, 1.0)]


def test_what_no_longer_runs_leaves_no_series(scrape: Scrape) -> None:
    released = record(V2, attempt(5, Outcome.COMPLETED))
    scrape.see(ADOPTED, record(V2, attempt(5)), runs=(V1, V2))
    assert len(scrape.series("tandem_workload_info")) == 2
    scrape.see(ADOPTED, released, runs=(V2,))
    (left,) = scrape.series("tandem_workload_info")
    assert (left[0]["business_image"], left[0]["state"]) == ("shop:2", "stable")


def test_a_rollout_that_is_gone_leaves_no_series(scrape: Scrape) -> None:
    scrape.see(ADOPTED, record(V2, attempt(5)), runs=(V1, V2))
    scrape.metrics.forget(SHOP)
    assert [s for gauge in GAUGES for s in scrape.series(gauge.name)] == []


def test_a_rollout_that_was_never_shown_can_be_forgotten(scrape: Scrape) -> None:
    scrape.metrics.forget(SHOP)


def test_a_pairing_is_never_released_until_its_release_completes(scrape: Scrape) -> None:
    def found() -> list[tuple[str, str]]:
        series = scrape.series("tandem_pairing_never_released")
        return [(labels["business_image"], labels["state"]) for labels, _ in series]

    scrape.see(ADOPTED, runs=(V1, V2))
    assert found() == [("shop:2", "unrecorded")]
    scrape.see(ADOPTED, record(V2, attempt(5)), runs=(V1, V2))
    assert found() == [("shop:2", "canary")]
    scrape.see(ADOPTED, record(V2, attempt(5, Outcome.COMPLETED)), runs=(V2,))
    assert found() == []


def test_a_hold_is_shown_with_its_beginning_until_it_ends(scrape: Scrape) -> None:
    hold = Hold(since=NOW, cause=HoldCause.ROLLBACK)
    scrape.see(ADOPTED, replace(record(V2), status=ReleaseRecordStatus(hold=hold)))
    labels = {
        **WHO,
        "platform_image": "init:2",
        "revision": revision(V2),
        "cause": "Rollback",
    }
    assert scrape.series("tandem_platform_hold_since_timestamp_seconds") == [
        (labels, NOW.timestamp())
    ]
    over = replace(hold, ended_at=NOW, end=HoldEnd.WITHDRAWN)
    scrape.see(ADOPTED, replace(record(V2), status=ReleaseRecordStatus(hold=over)))
    assert scrape.series("tandem_platform_hold_since_timestamp_seconds") == []


def test_of_two_holds_the_later_one_is_in_force(scrape: Scrape) -> None:
    held = [
        replace(record(of), status=ReleaseRecordStatus(hold=Hold(since=NOW + timedelta(hours=h))))
        for of, h in ((V3, 2), (V2, 1))
    ]
    scrape.see(ADOPTED, *held)
    ((labels, since),) = scrape.series("tandem_platform_hold_since_timestamp_seconds")
    assert labels["platform_image"] == "init:3"
    assert since == (NOW + timedelta(hours=2)).timestamp()


REJECTED = replace(attempt(5, Outcome.ROLLED_BACK), rejection=Rejection(at=NOW, cause="5xx"))


def test_a_rejection_is_shown_until_it_is_cleared(scrape: Scrape) -> None:
    scrape.see(ADOPTED, record(V2, REJECTED))
    labels = {
        **WHO,
        "platform_image": "init:2",
        "business_image": "shop:2",
        "revision": revision(V2),
        "stated": "unknown",
    }
    assert scrape.series("tandem_version_rejected") == [(labels, 1.0)]
    cleared = replace(REJECTED, rejection=Rejection(at=NOW, cleared_at=NOW))
    scrape.see(ADOPTED, record(V2, cleared))
    assert scrape.series("tandem_version_rejected") == []


VELA, KUBECTL = keys.LAST_APPLIED


@pytest.mark.parametrize(
    ("applied", "stated"),
    [
        ({}, "unknown"),
        ({KUBECTL: "{ cut"}, "unknown"),
        ({KUBECTL: "{}"}, "unknown"),
        ({KUBECTL: manifest(V2)}, "true"),
        ({VELA: manifest(V1)}, "false"),
        ({VELA: manifest(V2), KUBECTL: manifest(V1)}, "true"),
    ],
)
def test_the_owners_copy_of_its_manifest_tells_whether_it_states_a_rejected_version(
    scrape: Scrape, applied: dict[str, str], stated: str
) -> None:
    scrape.see(ADOPTED, record(V2, REJECTED), annotations=applied)
    assert [s["stated"] for s, _ in scrape.series("tandem_version_rejected")] == [stated]


def test_without_a_copy_a_version_that_was_taken_away_from_its_owner_is_stated(
    scrape: Scrape,
) -> None:
    verdict = Rejection(at=NOW, restored_at=NOW + timedelta(minutes=1))
    scrape.see(ADOPTED, record(V2, replace(REJECTED, rejection=verdict)))
    assert [s["stated"] for s, _ in scrape.series("tandem_version_rejected")] == ["true"]


def test_a_rejected_version_that_is_tried_again_is_not_rejected(scrape: Scrape) -> None:
    bad = replace(attempt(5, Outcome.ROLLED_BACK), rejection=Rejection(at=NOW))
    scrape.see(ADOPTED, record(V2, bad, attempt(9)))
    assert scrape.series("tandem_version_rejected") == []


@pytest.mark.parametrize(
    ("paused", "replicas", "state"),
    [(False, 10, "StepUpgrade"), (True, 10, "Suspended"), (False, 0, "ScaledToZero")],
)
def test_the_step_of_a_release_says_since_when_it_is_as_it_is(
    scrape: Scrape, *, paused: bool, replicas: int, state: str
) -> None:
    moving = progressing(rollout(), paused=paused)
    scrape.see(ADOPTED, of=moving, replicas=replicas)
    labels = {"namespace": "web", "rollout": "shop", "state": state}
    name = "tandem_rollout_step_state_since_timestamp_seconds"
    assert scrape.series(name) == [(labels, (NOW - timedelta(hours=1)).timestamp())]
    scrape.see(ADOPTED)
    assert scrape.series(name) == []


@pytest.mark.parametrize(
    ("state", "paused", "seconds", "asked"),
    [
        ("StepPaused", False, None, True),
        ("StepPaused", True, None, False),
        ("StepPaused", False, 60, False),
        ("StepUpgrade", False, None, False),
    ],
)
def test_a_step_that_somebody_has_to_approve_says_since_when(
    scrape: Scrape, *, state: str, paused: bool, seconds: int | None, asked: bool
) -> None:
    scrape.see(ADOPTED, of=progressing(pausing(rollout(), seconds), paused=paused, state=state))
    labels = {"namespace": "web", "rollout": "shop", "step": "1"}
    series = scrape.series("tandem_rollout_approval_since_timestamp_seconds")
    assert series == ([(labels, (NOW - timedelta(hours=1)).timestamp())] if asked else [])


def pausing(of: Rollout, seconds: int | None) -> Rollout:
    """Return the Rollout with one step that pauses for so long; None: until an approval."""
    step = Step(traffic="50%", pause=Pause(duration=seconds))
    strategy = replace(of.spec.strategy, canary=CanaryStrategy(steps=(step,)))
    return replace(of, spec=replace(of.spec, strategy=strategy))


def progressing(of: Rollout, *, paused: bool, state: str = "StepUpgrade") -> Rollout:
    canary = CanaryStatus(
        current_step_index=1,
        current_step_state=state,
        last_update_time=NOW - timedelta(hours=1),
    )
    strategy = replace(of.spec.strategy, paused=paused)
    return replace(
        of,
        spec=replace(of.spec, strategy=strategy),
        status=RolloutStatus(phase=Phase.PROGRESSING, canary_status=canary),
    )


def test_releases_are_counted_when_they_end_by_what_they_changed(scrape: Scrape) -> None:
    scrape.see(ADOPTED, record(V2, attempt(5, change=Change.PLATFORM)))
    ended = record(V2, attempt(5, Outcome.COMPLETED, Change.PLATFORM))
    for _ in range(3):
        scrape.see(ADOPTED, ended)
    labels = {
        "namespace": "web",
        "component_definition": "canary-ready-component",
        "change": "Platform",
        "outcome": "Completed",
    }
    assert [s for s in scrape.series("tandem_releases_total") if s[1]] == [(labels, 1.0)]


def test_a_release_in_progress_has_its_counters_at_zero(scrape: Scrape) -> None:
    """Or the increase from nothing to 1 would be lost."""
    scrape.see(ADOPTED, record(V2, attempt(5, change=Change.BOTH)))
    found = {(s["change"], s["outcome"]): v for s, v in scrape.series("tandem_releases_total")}
    ends = ("Completed", "RolledBack", "Superseded", "Abandoned")
    assert found == {("Both", outcome): 0.0 for outcome in ends}


def test_history_that_a_new_controller_finds_is_not_counted_again(scrape: Scrape) -> None:
    scrape.see(ADOPTED, record(V2, attempt(5, Outcome.COMPLETED, Change.BOTH)))
    assert scrape.series("tandem_releases_total") == []


def test_a_release_whose_change_was_not_recorded_is_counted_as_unknown(scrape: Scrape) -> None:
    scrape.see(ADOPTED, record(V2, attempt(5)))
    scrape.see(ADOPTED, record(V2, attempt(5, Outcome.ROLLED_BACK)))
    ((labels, value),) = [s for s in scrape.series("tandem_releases_total") if s[1]]
    assert (labels["change"], labels["outcome"], value) == ("Unknown", "RolledBack", 1.0)


def test_every_family_is_there_before_the_first_rollout(scrape: Scrape) -> None:
    """Rules and dashboards can be checked against a controller that has nothing to do."""
    names = {family.name for family in scrape.registry.collect()}
    assert {gauge.name for gauge in GAUGES} < names
