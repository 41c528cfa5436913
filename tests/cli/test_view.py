"""What a line about a release says, and when it counts as at rest or as waiting."""

from __future__ import annotations

import pytest

from tandem_cli import show, view
from tandem_cli.view import Summary, Version
from tests.cli.releases import record, record_name, rollout, snapshot


def test_a_release_shows_stable_and_new_images_and_what_the_status_says() -> None:
    known = (record("v1", "Baseline"), record("v2", None, hour=1))
    here = rollout("Progressing", "StepPaused", step=1)
    one = view.summarise(snapshot("v2", *known, rollout=here))
    assert (one.phase, one.step, one.steps, one.state) == ("Progressing", 1, 3, "StepPaused")
    assert one.stable == Version(
        record=record_name("v1"), init=("r/init:v1",), business=("r/shop:v1",)
    )
    assert one.release is not None
    assert one.release.business == ("r/shop:v2",)
    assert one.message == "said by the status"


def test_at_rest_when_what_is_stated_is_what_is_stable() -> None:
    one = view.summarise(snapshot("v1", record("v1", "Baseline"), rollout=rollout()))
    assert one.at_rest


@pytest.mark.parametrize(
    ("live", "paused", "phase"),
    [("v2", False, "Healthy"), ("v1", True, "Healthy"), ("v1", False, "Progressing")],
    ids=["a version was just applied", "the workload is held", "the status is of before"],
)
def test_not_at_rest_while_something_is_due(live: str, paused: bool, phase: str) -> None:
    here = rollout(phase)
    one = view.summarise(snapshot(live, record("v1", "Baseline"), rollout=here, paused=paused))
    assert not one.at_rest


def test_not_at_rest_before_anything_is_recorded() -> None:
    assert not view.summarise(snapshot("v1", rollout=rollout())).at_rest


def test_waiting_at_the_step_of_the_version_that_is_stated() -> None:
    known = (record("v1", "Baseline"), record("v2", None, hour=1))
    here = rollout("Progressing", "StepPaused", step=1)
    assert view.summarise(snapshot("v2", *known, rollout=here)).waiting


@pytest.mark.parametrize("live", ["v1", "v3"])
def test_not_waiting_when_another_version_was_applied_meanwhile(live: str) -> None:
    known = (record("v1", "Baseline"), record("v2", None, hour=1))
    here = rollout("Progressing", "StepPaused", step=1)
    assert not view.summarise(snapshot(live, *known, rollout=here)).waiting


def test_steps_say_what_they_ask_for_and_mark_the_current_one() -> None:
    known = (record("v1", "Baseline"), record("v2", None, hour=1))
    here = rollout("Progressing", "StepPaused", step=2)
    steps = list(view.steps(snapshot("v2", *known, rollout=here)))
    assert [s.asks for s in steps] == ["2 of 10 pods", "5 of 10 pods", "10 of 10 pods"]
    assert [s.current for s in steps] == [False, True, False]


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        ("r/shop:v1", "r/shop:v2", "r/shop:v1 → v2"),
        ("r/shop:v1", "r/shop:v1", "r/shop:v1"),
        ("r/shop:v1", "other/shop:v1", "r/shop:v1 → other/shop:v1"),
        ("host:5000/shop", "host:5000/shop:v2", "host:5000/shop → v2"),
        ("host:5000/shop:v2", "host:5000/shop", "host:5000/shop:v2 → host:5000/shop"),
        ("shop@sha256:aa", "shop@sha256:bb", "shop@sha256:aa → sha256:bb"),
    ],
)
def test_a_repository_is_said_once(before: str, after: str, shown: str) -> None:
    assert show.change(_change((before,), (after,)), init=False, full=False) == shown


def test_wide_output_says_images_in_full() -> None:
    one = _change(("shop:v1",), ("shop:v2",))
    assert show.change(one, init=False, full=True) == "shop:v1 → shop:v2"


def test_a_container_more_or_less_shows_both_lists() -> None:
    one = _change(("shop:v1",), ("shop:v1", "proxy:v1"))
    assert show.change(one, init=False, full=False) == "shop:v1 → shop:v1, proxy:v1"


def test_no_init_containers_show_nothing() -> None:
    assert show.change(_change(("shop:v1",), ("shop:v2",)), init=True, full=False) == ""


def test_at_rest_there_is_nothing_but_the_stable_image() -> None:
    assert show.change(_change(("shop:v1",), None), init=False, full=False) == "shop:v1"


def _change(before: tuple[str, ...], after: tuple[str, ...] | None) -> Summary:
    return Summary(
        namespace="demo",
        name="shop",
        workload="Deployment shop",
        phase="Progressing",
        stable=Version(record="one", business=before),
        release=Version(record="two", business=after) if after else None,
    )
