"""Batches: how many pods of each version come next, within the user's bounds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem_controller.workloads.batch import Batch, Bounds, bounds, next_counts, scaled

MOST = 60


@st.composite
def limits(draw: st.DrawFn) -> Bounds:
    surge = draw(st.integers(0, 20))
    unavailable = draw(st.integers(1 if surge == 0 else 0, 20))
    return Bounds(max_surge=surge, max_unavailable=unavailable)


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    """Any place that a workload may be in, whatever brought it there."""
    replicas = draw(st.integers(1, MOST))
    old, new = draw(st.integers(0, MOST)), draw(st.integers(0, MOST))
    return Batch(
        replicas=replicas,
        old=old,
        old_ready=draw(st.integers(0, old)),
        new=new,
        new_ready=draw(st.integers(0, new)),
        target=draw(st.integers(0, replicas)),
        reserve=draw(st.integers(0, replicas)),
        keep=draw(st.integers(0, replicas)),
        bounds=draw(limits()),
    )


def start(replicas: int, target: int, users: Bounds, reserve: int = 0, keep: int = 0) -> Batch:
    return Batch(
        replicas=replicas,
        old=replicas,
        old_ready=replicas,
        new=0,
        new_ready=0,
        target=target,
        reserve=reserve,
        keep=keep,
        bounds=users,
    )


def settled(batch: Batch, old: int, new: int) -> Batch:
    """The batch after a move whose pods all became ready."""
    return replace(batch, old=old, old_ready=old, new=new, new_ready=new)


def least_ready(batch: Batch, old: int) -> int:
    """Ready pods once the surplus old ones have left, the unready ones first."""
    return min(old, batch.old_ready) + batch.new_ready


class TestOneMove:
    @given(batches())
    def test_never_asks_for_pods_beyond_replicas_and_surge_nor_what_the_step_keeps(
        self, batch: Batch
    ) -> None:
        old, new = next_counts(batch)
        kept = max(batch.replicas - batch.target, batch.keep) + batch.target
        assert old + new <= max(batch.replicas + batch.bounds.max_surge, kept) or new == batch.new

    @given(batches())
    def test_never_raises_new_pods_above_the_target(self, batch: Batch) -> None:
        _, new = next_counts(batch)
        assert new <= max(batch.target, batch.new)

    @given(batches())
    def test_never_takes_new_pods_away_nor_brings_old_ones_back(self, batch: Batch) -> None:
        old, new = next_counts(batch)
        assert (old <= batch.old, new >= batch.new) == (True, True)

    @given(batches())
    def test_takes_no_ready_pod_below_what_the_user_allows(self, batch: Batch) -> None:
        old, _ = next_counts(batch)
        ready = batch.old_ready + batch.new_ready
        floor = batch.replicas - batch.bounds.max_unavailable
        assert least_ready(batch, old) >= min(floor, ready)

    @given(batches())
    def test_with_a_surge_takes_no_ready_pod_below_the_replicas(self, batch: Batch) -> None:
        surging = replace(batch, bounds=Bounds(max_surge=3, max_unavailable=7))
        old, _ = next_counts(surging)
        assert least_ready(surging, old) >= min(batch.replicas, batch.old_ready + batch.new_ready)

    @given(batches())
    def test_keeps_the_old_pods_that_traffic_needs(self, batch: Batch) -> None:
        old, _ = next_counts(batch)
        assert old >= min(batch.old, batch.reserve)

    @given(batches())
    def test_keeps_the_old_pods_of_the_step(self, batch: Batch) -> None:
        old, _ = next_counts(batch)
        assert old >= min(batch.old, max(batch.replicas - batch.target, batch.keep))

    @given(batches())
    def test_never_asks_a_deployment_for_more_old_pods_than_it_has_replicas(
        self, batch: Batch
    ) -> None:
        assert next_counts(batch)[0] <= batch.replicas


class TestManyMoves:
    @given(replicas=st.integers(1, MOST), share=st.integers(0, 100), users=limits())
    def test_reach_the_target_while_pods_get_ready(
        self, replicas: int, share: int, users: Bounds
    ) -> None:
        target = replicas * share // 100
        batch = start(replicas, target, users)
        moves = 0
        while (counts := next_counts(batch)) != (batch.old, batch.new):
            batch = settled(batch, *counts)
            moves += 1
            assert moves <= 2 * replicas + 2
        assert (batch.old, batch.new) == (replicas - target, target)

    @given(data=st.data(), users=limits())
    def test_reach_the_target_whatever_becomes_ready_in_which_order(
        self, data: st.DataObject, users: Bounds
    ) -> None:
        replicas = data.draw(st.integers(1, 12))
        batch = start(replicas, data.draw(st.integers(0, replicas)), users)
        while (batch.old, batch.new, batch.new_ready) != (
            replicas - batch.target,
            batch.target,
            batch.target,
        ):
            old, new = next_counts(batch)
            ready = data.draw(st.integers(min(batch.new_ready + 1, new), new))
            moved = replace(batch, old=old, old_ready=old, new=new, new_ready=ready)
            assert moved != batch
            batch = moved

    @given(replicas=st.integers(1, MOST), share=st.integers(1, 100), users=limits())
    def test_stop_at_the_reserve_and_go_on_when_traffic_has_moved(
        self, replicas: int, share: int, users: Bounds
    ) -> None:
        target = -(-replicas * share // 100)
        reserve = replicas if users.max_surge else max(0, replicas - users.max_unavailable)
        batch = start(replicas, target, users, reserve)
        for _ in range(2 * replicas + 2):
            batch = settled(batch, *next_counts(batch))
        assert batch.old == max(reserve, replicas - target)
        assert batch.new == min(target, replicas + users.max_surge - batch.old) > 0
        batch = replace(batch, reserve=0)
        for _ in range(2 * replicas + 2):
            batch = settled(batch, *next_counts(batch))
        assert (batch.old, batch.new) == (replicas - target, target)


def test_surge_comes_first_and_old_pods_leave_for_ready_ones() -> None:
    batch = start(10, 2, Bounds(max_surge=3, max_unavailable=2))
    assert next_counts(batch) == (10, 2)
    batch = replace(batch, new=2, new_ready=1)
    assert next_counts(batch) == (9, 2)
    assert next_counts(replace(batch, new_ready=2)) == (8, 2)


def test_without_surge_capacity_is_given_up_as_far_as_the_user_allows() -> None:
    batch = start(10, 5, Bounds(max_surge=0, max_unavailable=2))
    assert next_counts(batch) == (8, 2)
    batch = replace(batch, old=8, old_ready=8, new=2)
    assert next_counts(batch) == (8, 2)
    assert next_counts(replace(batch, new_ready=1)) == (7, 3)


def test_pods_that_never_get_ready_hold_the_batch_where_it_is() -> None:
    batch = replace(start(10, 10, Bounds(max_surge=2, max_unavailable=0)), new=2)
    assert next_counts(batch) == (10, 2)


@pytest.mark.parametrize(
    ("value", "total", "up", "count"),
    [
        (3, 10, True, 3),
        (30, 10, False, 30),
        ("4", 10, True, 4),
        ("0%", 10, True, 0),
        ("100%", 7, False, 7),
        ("40%", 3, True, 2),
        ("40%", 3, False, 1),
        ("25%", 0, True, 0),
        ("29%", 100, True, 29),
        ("150%", 4, True, 6),
    ],
)
def test_percentages_of_pods_are_rounded_as_asked(
    value: int | str, total: int, up: bool, count: int
) -> None:
    assert scaled(value, total, up=up) == count


@given(percent=st.integers(0, 1000), total=st.integers(0, 1_000_000))
def test_percentages_are_exact_for_any_workload(percent: int, total: int) -> None:
    product = percent * total
    assert scaled(f"{percent}%", total, up=True) == -(-product // 100)
    assert scaled(f"{percent}%", total, up=False) == product // 100


@pytest.mark.parametrize("value", ["some", "12.5%", "%", ""])
def test_what_is_no_count_is_an_error(value: str) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        scaled(value, 10, up=True)


@pytest.mark.parametrize(
    ("surge", "unavailable", "replicas", "expected"),
    [
        (None, None, 10, Bounds(max_surge=3, max_unavailable=2)),
        (None, None, 1, Bounds(max_surge=1, max_unavailable=0)),
        ("25%", "25%", 3, Bounds(max_surge=1, max_unavailable=0)),
        (0, 0, 10, Bounds(max_surge=0, max_unavailable=1)),
        (0, "5%", 10, Bounds(max_surge=0, max_unavailable=1)),
        ("0%", "0%", 0, Bounds(max_surge=0, max_unavailable=1)),
        (0, "100%", 10, Bounds(max_surge=0, max_unavailable=10)),
        (2, 0, 10, Bounds(max_surge=2, max_unavailable=0)),
    ],
)
def test_bounds_resolve_as_the_deployment_controller_does(
    surge: int | str | None, unavailable: int | str | None, replicas: int, expected: Bounds
) -> None:
    assert bounds(surge, unavailable, replicas) == expected
