"""Where a workload stands with a platform version, from nothing but what the cluster says."""

from __future__ import annotations

import pytest

from tandem_cli.platform.standing import Standing, Waiting, component_of, stand
from tandem_cli.platform.target import parse
from tandem_controller import keys
from tandem_controller.api.record import ReleaseRecord
from tandem_controller.snapshot import Snapshot
from tests.cli.holding import (
    at,
    attempt,
    hold,
    record,
    record_name,
    rejection,
    snapshot,
)

NEW = parse("web@1.1.0")
V1 = record("v1", "v1", attempt(0, "Baseline"), version="1.0.0")
HELD = record("v2", "v1", held=hold(1), version="1.1.0")
ACCEPTED = hold(1, endedAt=at(2).isoformat(), end="Accepted")
OPEN = record("v2", "v1", attempt(3), held=ACCEPTED, version="1.1.0")
BAD = record("v2", "v1", attempt(3, "RolledBack", rejection=rejection(3)), version="1.1.0")
BUSINESS = record("v1", "v2", attempt(3), version="1.1.0")


def test_a_held_version_can_be_released() -> None:
    found = stand(snapshot(V1, HELD), NEW)
    assert (found.standing, found.record, found.images, found.runs) == (
        Standing.HELD,
        record_name("v2", "v1"),
        "init=r/init:v2",
        "r/init:v1",
    )


@pytest.mark.parametrize(
    ("known", "standing", "why"),
    [
        ((V1,), Standing.ABSENT, "nothing of 1.1.0 is held for it"),
        ((), Standing.CLOSED, "nothing of it is recorded yet"),
        (
            (V1, record("v3", "v1", held=hold(1), version="1.2.0")),
            Standing.ABSENT,
            "another change is held (1.2.0, init=r/init:v3)",
        ),
        (
            (V1, record("v2", "v1", held=hold(1, "Rollback"), version="1.1.0")),
            Standing.CLOSED,
            "a rollback took it back; to release it: tandem accept shop",
        ),
        ((V1, HELD, BUSINESS), Standing.BUSY, "in the middle of another release (shop=r/shop:v2"),
        ((V1, BAD), Standing.REJECTED, "rejected: a rollback was asked for by annotation; to"),
    ],
    ids=["not stated", "no baseline", "another version", "after a rollback", "business", "bad"],
)
def test_who_cannot_get_it_says_why(
    known: tuple[ReleaseRecord, ...], standing: Standing, why: str
) -> None:
    found = stand(snapshot(*known), NEW)
    assert (found.standing, found.why[: len(why)]) == (standing, why)


@pytest.mark.parametrize(
    ("here", "why"),
    [
        (snapshot(V1, HELD, disabled=True), "its Rollout is disabled"),
        (snapshot(V1, HELD, paused=True), "its Rollout is paused (spec.strategy.paused)"),
    ],
    ids=["disabled", "paused"],
)
def test_a_rollout_that_is_switched_off_is_left_alone(here: Snapshot, why: str) -> None:
    found = stand(here, NEW)
    assert (found.standing, found.why) == (Standing.CLOSED, why)


def test_a_change_that_is_yet_to_begin_is_waited_for() -> None:
    assert stand(snapshot(V1, HELD, live=("v1", "v9")), NEW).standing is Standing.BUSY


@pytest.mark.parametrize("wish", [keys.ROLLBACK, keys.RETRY])
def test_another_wish_goes_first(wish: str) -> None:
    assert stand(snapshot(V1, HELD, annotations={wish: ""}), NEW).standing is Standing.BUSY


def test_it_counts_as_accepted_from_the_annotation_to_the_beginning_of_its_release() -> None:
    asked = snapshot(V1, HELD, annotations={keys.ACCEPT: ""})
    noted = snapshot(V1, record("v2", "v1", held=ACCEPTED, version="1.1.0"))
    assert [stand(here, NEW).standing for here in (asked, noted)] == [Standing.ACCEPTED] * 2


def test_a_release_of_it_says_at_which_step_it_waits_and_of_which_revision() -> None:
    here = snapshot(V1, OPEN, phase="Progressing", step=1, state="StepPaused", release=("v2", "v1"))
    found = stand(here, NEW)
    revision = record_name("v2", "v1").removeprefix("shop-")
    assert found.standing is Standing.RELEASING
    assert found.waiting == Waiting(revision=revision, step=1, steps=2)


@pytest.mark.parametrize(
    ("phase", "state", "release"),
    [
        ("Progressing", "StepUpgrade", ("v2", "v1")),
        ("Progressing", "StepPaused", ("v1", "v2")),
        ("Healthy", "StepPaused", ("v2", "v1")),
    ],
    ids=["moving", "the status is of another release", "not progressing"],
)
def test_nothing_waits_for_an_approval_of_ours_otherwise(
    phase: str, state: str, release: tuple[str, str]
) -> None:
    here = snapshot(V1, OPEN, phase=phase, step=1, state=state, release=release)
    assert stand(here, NEW).waiting is None


def test_a_release_that_brings_business_too_is_another_release() -> None:
    both = record("v2", "v2", attempt(3), version="1.1.0")
    assert stand(snapshot(V1, both), NEW).standing is Standing.BUSY


def test_a_release_that_was_rejected_is_on_its_way_back() -> None:
    going = record("v2", "v1", attempt(3, rejection=rejection(3)), version="1.1.0")
    found = stand(snapshot(V1, going), NEW)
    assert (found.standing, found.why) == (
        Standing.RETURNING,
        "rolling back: a rollback was asked for by annotation",
    )


def test_it_is_done_when_it_is_stable() -> None:
    done = record("v2", "v1", attempt(3, "Completed"), held=ACCEPTED, version="1.1.0")
    found = stand(snapshot(V1, done, live=("v2", "v1")), NEW)
    assert (found.standing, found.runs) == (Standing.DONE, "1.1.0 (r/init:v2)")


def test_a_business_release_on_the_old_platform_does_not_count_as_done() -> None:
    business = record("v1", "v2", attempt(2, "Completed", change="Business"), version="1.1.0")
    assert stand(snapshot(V1, HELD, business, live=("v1", "v2")), NEW).standing is Standing.HELD
    assert stand(snapshot(V1, BAD, business, live=("v1", "v2")), NEW).standing is Standing.REJECTED


def test_a_good_build_of_a_version_counts_although_a_bad_one_is_rejected_still() -> None:
    good = record("v3", "v1", attempt(5, "Completed", change="Platform"), version="1.1.0")
    assert stand(snapshot(V1, BAD, good, live=("v3", "v1")), NEW).standing is Standing.DONE
    later = record("v3", "v2", attempt(6, "Completed", change="Business"), version="1.1.0")
    assert stand(snapshot(V1, BAD, good, later, live=("v3", "v2")), NEW).standing is Standing.DONE


def test_a_version_that_changes_no_pod_is_done_once_it_is_stated() -> None:
    assert stand(snapshot(V1, stated="1.1.0"), NEW).standing is Standing.DONE
    coming = snapshot(V1, stated="1.1.0", live=("v2", "v1"))
    assert stand(coming, NEW).standing is Standing.ABSENT


def test_without_a_version_whatever_is_held_counts() -> None:
    assert stand(snapshot(V1, HELD), parse("web")).standing is Standing.HELD
    assert stand(snapshot(V1), parse("web")).standing is Standing.DONE


def test_an_image_chooses_where_a_definition_has_no_version() -> None:
    bare = (record("v1", "v1", attempt(0, "Baseline")), record("v2", "v1", held=hold(1)))
    assert stand(snapshot(*bare), parse("web", ["init=r/init:v2"])).standing is Standing.HELD
    assert stand(snapshot(*bare), parse("web", ["init=r/init:v3"])).standing is Standing.ABSENT


@pytest.mark.parametrize("label", ["web", "web@v1.1.0"])
def test_the_component_is_the_one_of_kubevelas_label(label: str) -> None:
    assert component_of(snapshot(V1, component=label)) == "web"
    assert component_of(snapshot(V1, deployment=False)) == ""


def test_people_give_a_place_by_a_label() -> None:
    assert stand(snapshot(V1, labels={keys.WAVE_ORDER: "-3"}), NEW).order == -3
    wrong = stand(snapshot(V1, HELD, labels={keys.WAVE_ORDER: "first"}), NEW)
    assert (wrong.standing, wrong.why) == (
        Standing.CLOSED,
        "label tandem.oam.dev/wave-order is no whole number: correct it on the Rollout or workload",
    )
