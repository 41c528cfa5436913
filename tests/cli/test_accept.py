"""What `accept` and `retry` release, what they say of it, and when there is nothing to release."""

from __future__ import annotations

import pytest

from tandem_cli import accept, retry, view
from tandem_cli.session import Refusal
from tandem_cli.withheld import Held, Rejected
from tandem_controller import keys
from tandem_controller.snapshot import Snapshot
from tests.cli.holding import at, attempt, hold, record, record_name, rejection, snapshot

V1 = record("v1", "v1", attempt(0, "Baseline"))
HELD = record("v2", "v1", held=hold(1), version="1.1.0")
BAD = record("v2", "v1", attempt(1, "RolledBack", rejection=rejection(1)))


def test_a_held_change_is_shown_with_cause_since_and_way_out() -> None:
    assert view.summarise(snapshot(V1, HELD)).held == Held(
        record=record_name("v2", "v1"),
        images="init=r/init:v2",
        component_version="1.1.0",
        cause="it is released on its own, when accepted",
        since=at(1),
        way_out="tandem accept shop",
    )


def test_a_change_that_a_rollback_took_back_says_so() -> None:
    after = record("v2", "v1", held=hold(1, "Rollback"))
    held = view.summarise(snapshot(V1, after)).held
    assert held is not None
    assert held.cause == "a rollback took it back"


def test_a_rejected_version_is_shown_with_cause_since_and_way_out() -> None:
    assert view.summarise(snapshot(V1, BAD)).rejected == Rejected(
        record=record_name("v2", "v1"),
        images="init=r/init:v2, shop=r/shop:v1",
        cause="a rollback was asked for by annotation",
        since=at(1),
        still_stated=False,
        way_out="tandem retry shop",
    )


def test_where_nothing_is_withheld_nothing_is_shown() -> None:
    one = view.summarise(snapshot(V1))
    assert (one.held, one.rejected) == (None, None)


@pytest.mark.parametrize("asked", keys.WISHES)
def test_while_a_wish_waits_to_be_met_a_rollout_is_not_at_rest(asked: str) -> None:
    assert view.summarise(snapshot(V1, HELD)).at_rest
    assert not view.summarise(snapshot(V1, HELD, annotations={asked: ""})).at_rest


def test_an_accepted_change_is_not_at_rest_until_its_release_has_begun() -> None:
    pending = record(
        "v2", "v1", held=hold(1, endedAt=at(2).isoformat(), end="Accepted"), version="1.1.0"
    )
    assert not view.summarise(snapshot(V1, pending)).at_rest


def test_accept_says_what_is_released_and_what_runs() -> None:
    here = snapshot(V1, HELD)
    assert accept.announcement(here, accept.wanted(here, None)) == (
        f"shop: releases init=r/init:v2 ({record_name('v2', 'v1')}), held since "
        "2026-01-01T13:00:00Z because it is released on its own, when accepted; "
        f"{record_name('v1', 'v1')} is what runs"
    )


def test_in_mid_release_accept_says_that_it_starts_over() -> None:
    here = snapshot(V1, HELD, record("v1", "v2", attempt(2)))
    said = accept.announcement(here, accept.wanted(here, record_name("v2", "v1")))
    assert said.endswith(
        f"together with {record_name('v1', 'v2')} (init=r/init:v1, shop=r/shop:v2), which is in "
        "progress and starts over"
    )


@pytest.mark.parametrize("here", [snapshot(V1), snapshot(HELD)], ids=["no hold", "no baseline"])
def test_accept_is_refused_where_nothing_is_held(here: Snapshot) -> None:
    with pytest.raises(Refusal, match="'shop' holds no platform change; see: tandem get shop"):
        accept.wanted(here, None)


def test_accept_is_refused_where_something_else_is_held() -> None:
    with pytest.raises(Refusal, match="not 'nope': nothing was accepted"):
        accept.wanted(snapshot(V1, HELD), "nope")


def test_retry_says_what_is_released_again_and_why_it_was_rejected() -> None:
    found = retry.wanted(snapshot(V1, BAD), None)
    assert retry.announcement("shop", found) == (
        f"shop: releases init=r/init:v2, shop=r/shop:v1 again ({record_name('v2', 'v1')}), "
        "rejected since 2026-01-01T13:00:00Z: a rollback was asked for by annotation"
    )


def test_retry_takes_the_version_rejected_last_or_the_one_named() -> None:
    later = record("v3", "v1", attempt(2, "RolledBack", rejection=rejection(2)))
    here = snapshot(V1, BAD, later)
    assert retry.wanted(here, None) == later
    assert retry.wanted(here, BAD.metadata.name) == BAD


@pytest.mark.parametrize(
    ("asked", "said"),
    [(None, "has rejected no version; see: tandem get"), ("nope", "has not rejected 'nope'")],
)
def test_retry_is_refused_where_nothing_is_rejected(asked: str | None, said: str) -> None:
    with pytest.raises(Refusal, match=said):
        retry.wanted(snapshot(V1), asked)


def test_retry_is_refused_once_the_verdict_was_cleared() -> None:
    cleared = rejection(1) | {"clearedAt": at(2).isoformat()}
    here = snapshot(V1, record("v2", "v1", attempt(1, "RolledBack", rejection=cleared)))
    with pytest.raises(Refusal, match="has rejected no version"):
        retry.wanted(here, None)
