"""Steps resolved for a number of replicas, and where a changed plan goes on."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tandem_controller.api.rollout import (
    CanaryStrategy,
    IngressRef,
    Pause,
    RouteMatch,
    Step,
    TrafficRouting,
    ValueMatch,
)
from tandem_controller.decide.plan import (
    PlannedStep,
    plan_hash,
    resolve,
    step_after_change,
)
from tandem_controller.traffic.split import Split

BETA = RouteMatch(headers=(ValueMatch(name="x-group", value="beta"),))
ROUTED = (TrafficRouting(service="shop", ingress=IngressRef(name="shop")),)


def step(replicas: int | str | None = None, **more: Any) -> Step:  # noqa: ANN401 - as the struct's
    return Step(replicas=replicas, **more)


def plan(*steps: Step, replicas: int = 10, routed: bool = False) -> tuple[PlannedStep, ...]:
    routings = ROUTED if routed else ()
    return resolve(CanaryStrategy(steps=steps, traffic_routings=routings), replicas)


def pods(*steps: Step, replicas: int = 10) -> list[int]:
    return [planned.replicas for planned in plan(*steps, replicas=replicas)]


class TestResolve:
    def test_gives_every_step_its_pods_traffic_and_wait(self) -> None:
        steps = (
            step("20%", traffic="5%", pause=Pause(duration=60)),
            step(5, matches=(BETA,)),
            step("100%", traffic="100%", pause=Pause(duration=0)),
        )
        assert plan(*steps, routed=True) == (
            PlannedStep(
                index=1,
                replicas=2,
                split=Split(weight=5),
                pause_seconds=60,
                finishing=False,
                everything=False,
            ),
            PlannedStep(
                index=2,
                replicas=5,
                split=Split(matches=(BETA,)),
                pause_seconds=None,
                finishing=False,
                everything=False,
            ),
            PlannedStep(
                index=3,
                replicas=10,
                split=Split(weight=100),
                pause_seconds=0,
                finishing=True,
                everything=True,
            ),
        )

    @pytest.mark.parametrize(
        ("share", "replicas", "expected"),
        [("40%", 3, 2), ("1%", 3, 1), ("50%", 5, 3), ("100%", 3, 3), ("34%", 0, 0)],
    )
    def test_rounds_percentages_of_pods_up(self, share: str, replicas: int, expected: int) -> None:
        assert pods(step(share), replicas=replicas) == [expected]

    def test_asks_for_no_more_pods_than_there_are(self) -> None:
        assert pods(step(3), step(30), replicas=10) == [3, 10]

    def test_takes_the_traffic_for_the_pods_where_a_step_states_no_pods(self) -> None:
        assert pods(step(traffic="25%"), step()) == [3, 10]

    def test_without_traffic_routing_pods_alone_decide(self) -> None:
        assert [p.split for p in plan(step("20%", traffic="20%", matches=(BETA,)))] == [None]

    def test_a_step_without_traffic_has_no_split(self) -> None:
        assert [p.split for p in plan(step("20%"), routed=True)] == [None]

    @pytest.mark.parametrize(
        ("last", "routed", "finishing", "everything"),
        [
            (step("100%"), False, True, True),
            (step("100%"), True, True, True),
            (step("100%", traffic="100%"), True, True, True),
            (step("100%", traffic="50%"), True, False, False),
            (step("100%", matches=(BETA,)), True, False, False),
            (step(10), False, False, True),
            (step("99%"), False, False, True),
            (step("90%"), False, False, False),
        ],
    )
    def test_only_a_last_step_of_exactly_everything_finishes_by_itself(
        self, last: Step, routed: bool, finishing: bool, everything: bool
    ) -> None:
        found = plan(step("10%"), last, routed=routed)[-1]
        assert (found.finishing, found.everything) == (finishing, everything)

    def test_an_earlier_step_of_everything_waits_like_any_other(self) -> None:
        assert [p.finishing for p in plan(step("100%"), step("100%"))] == [False, True]

    @given(st.lists(st.integers(1, 100), min_size=1, max_size=8), st.integers(0, 200))
    def test_rising_percentages_give_rising_pods_and_a_share_never_below_what_was_asked(
        self, shares: list[int], replicas: int
    ) -> None:
        found = pods(*(step(f"{share}%") for share in sorted(shares)), replicas=replicas)
        assert found == sorted(found)
        for share, count in zip(sorted(shares), found, strict=True):
            assert count * 100 >= share * replicas > (count - 1) * 100


durations = st.none() | st.integers(0, 600)
steps = st.builds(
    Step,
    replicas=st.sampled_from(["10%", "50%", 1, 3]),
    traffic=st.none() | st.sampled_from(["5%", "50%"]),
    matches=st.sampled_from([(), (BETA,)]),
    pause=st.builds(Pause, duration=durations),
)
strategies = st.builds(
    CanaryStrategy,
    steps=st.lists(steps, min_size=1, max_size=4).map(tuple),
    traffic_routings=st.sampled_from([(), ROUTED]),
    failure_threshold=st.none() | st.integers(0, 3) | st.just("10%"),
)


class TestHash:
    @given(
        strategies,
        st.lists(durations, min_size=4, max_size=4),
        st.none() | st.integers(0, 3) | st.just("10%"),
    )
    def test_is_blind_to_pauses_and_the_failure_threshold(
        self, before: CanaryStrategy, pauses: list[int | None], threshold: int | str | None
    ) -> None:
        changed = tuple(
            replace(one, pause=Pause(duration=pause))
            for one, pause in zip(before.steps, pauses, strict=False)
        )
        after = replace(before, steps=changed, failure_threshold=threshold)
        assert plan_hash(after) == plan_hash(before)

    @given(strategies, strategies)
    def test_sees_everything_else(self, one: CanaryStrategy, other: CanaryStrategy) -> None:
        def said(strategy: CanaryStrategy) -> object:
            return (
                [(s.replicas, s.traffic, s.matches) for s in strategy.steps],
                strategy.traffic_routings,
            )

        assert (plan_hash(one) == plan_hash(other)) is (said(one) == said(other))

    def test_is_short_and_never_changes_with_the_code(self) -> None:
        """A change would look to every running release like a change of its plan."""
        found = plan_hash(CanaryStrategy(steps=(step("20%"), step("100%"))))
        assert found == "d26060eb7d"


class TestChangedPlan:
    @pytest.mark.parametrize(
        ("current", "new_pods", "goes_on_at"),
        [
            (2, 5, 2),
            (2, 3, 2),
            (1, 2, 1),
            (1, 3, 2),
            (1, 9, 3),
            (3, 1, 3),
            (4, 5, 2),
            (0, 0, 1),
            (9, 11, 3),
        ],
    )
    def test_stays_where_the_step_covers_the_pods_and_else_takes_the_first_that_does(
        self, current: int, new_pods: int, goes_on_at: int
    ) -> None:
        changed = plan(step(2), step(5), step(10))
        assert step_after_change(changed, current, new_pods) == goes_on_at

    @given(
        st.lists(st.integers(1, 10), min_size=1, max_size=5).map(sorted),
        st.integers(0, 7),
        st.integers(0, 12),
    )
    def test_always_gives_a_step_of_the_plan_that_takes_no_pod_away_if_one_can(
        self, counts: list[int], current: int, new_pods: int
    ) -> None:
        changed = plan(*(step(count) for count in counts))
        found = step_after_change(changed, current, new_pods)
        assert 1 <= found <= len(changed)
        assert changed[found - 1].replicas >= min(new_pods, counts[-1])
