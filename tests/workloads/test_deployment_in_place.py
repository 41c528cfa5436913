"""A Deployment released in place: what is written, field by field, and when nothing is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem_controller.api.workload import Deployment, DeploymentStrategy
from tandem_controller.effect import Effect, Kind, Patch
from tandem_controller.snapshot import Snapshot, WorkloadSnapshot
from tandem_controller.workloads.deployment_in_place import (
    NEVER_AVAILABLE_SECONDS,
    NO_DEADLINE_SECONDS,
    DeploymentInPlace,
)
from tandem_controller.workloads.provider import Progress, Versions
from tests.examples import (
    MARK,
    NOW,
    USERS_FIELDS,
    USERS_STRATEGY,
    V1,
    V2,
    V3,
    Obj,
    after,
    deployment,
    hash_of,
    pod,
    replica_set,
    rollout,
    versions,
    workload,
)

PROVIDER = DeploymentInPlace()
TAKEN = {"rollouts.kruise.io/in-progressing": MARK}
LEFT = {"tandem.oam.dev/unfinished": "shop"}
LEAVE = {"annotations": {"rollouts.kruise.io/in-progressing": None, **LEFT}}
MOVING: Obj = {
    "minReadySeconds": NEVER_AVAILABLE_SECONDS,
    "progressDeadlineSeconds": NO_DEADLINE_SECONDS,
}


def rolling(surge: int | str, unavailable: int | str) -> Obj:
    return {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable},
    }


def snapshot(of: WorkloadSnapshot) -> Snapshot:
    return Snapshot(rollout=rollout(), workload=of)


def taken(stated: Obj = V2, **spec: Any) -> Deployment:  # noqa: ANN401 - as in `deployment`
    """The Deployment during a release."""
    return deployment(annotations=TAKEN, template=stated, **spec)


def change(body: Obj) -> tuple[Effect, ...]:
    return (
        Patch(
            kind=Kind.DEPLOYMENT,
            namespace="web",
            name="shop",
            uid="uid-shop",
            resource_version="70",
            body=body,
        ),
    )


def stable_set() -> str:
    return replica_set(V1, 0).metadata.name


def advance(
    of: WorkloadSnapshot, target: int, reserve: int = 0, of_versions: Versions | None = None
) -> tuple[Effect, ...] | None:
    known = of_versions or versions()
    seen = PROVIDER.progress(snapshot(of), known, NOW)
    return PROVIDER.advance(snapshot(of), known, seen, target=target, reserve=reserve, keep=0)


def freeze(of: WorkloadSnapshot, of_versions: Versions | None = None) -> tuple[Effect, ...]:
    known = of_versions or versions()
    return PROVIDER.freeze(snapshot(of), known, PROVIDER.progress(snapshot(of), known, NOW))


def moving(stated: Deployment, old: int, new: int) -> WorkloadSnapshot:
    """A workload whose ReplicaSets have followed the knobs; all pods are ready."""
    return workload(stated, (V1, old, old), (V2, new, new), min_ready=NEVER_AVAILABLE_SECONDS)


class TestMove:
    def test_states_the_knobs_for_exactly_the_pods_asked_for_and_unpauses_in_one_write(
        self,
    ) -> None:
        stated = taken(paused=True)
        assert advance(workload(stated, (V1, 10, 10)), target=2) == change(
            {"spec": {**MOVING, "strategy": rolling_diff(2, 0), "paused": False}}
        )

    def test_lets_old_pods_go_as_new_ones_get_ready(self) -> None:
        assert advance(moving(taken(**MOVING, strategy=rolling(2, 0)), 10, 2), target=5) == change(
            {"spec": {"strategy": {"rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}}}}
        )

    def test_goes_no_further_than_the_users_surge(self) -> None:
        stated = taken(paused=True)
        moved = advance(workload(stated, (V1, 10, 10)), target=10)
        assert after(stated, moved or ()).spec.strategy == strategy_of(3, 0)

    def test_keeps_the_stable_pods_that_traffic_needs(self) -> None:
        stated = taken(**MOVING, strategy=rolling(3, 0))
        moved = advance(moving(stated, 10, 3), target=5, reserve=9)
        assert moved is not None
        assert after(stated, moved).spec.strategy == strategy_of(3, 1)

    def test_is_written_once(self) -> None:
        stated = taken(paused=True)
        moved = advance(workload(stated, (V1, 10, 10)), target=2)
        assert advance(workload(after(stated, moved or ()), (V1, 10, 10)), target=2) == ()

    def test_repeats_the_mark_of_take_over_that_an_applier_dropped(self) -> None:
        stated = deployment(template=V2, **{**MOVING, "strategy": rolling(2, 0)})
        assert advance(workload(stated, (V1, 10, 10)), target=2) == change(
            {"metadata": {"annotations": TAKEN}}
        )

    def test_stops_when_an_applier_replaced_the_knobs(self) -> None:
        """Un-paused with the user's strategy, the Deployment controller releases everything."""
        of = workload(taken(), (V1, 10, 10), (V2, 2, 1))
        assert advance(of, target=4) == freeze(of) != ()

    def test_is_over_when_the_sizes_are_there(self) -> None:
        stated = taken(**MOVING, strategy=rolling(2, 2))
        assert advance(moving(taken(paused=True), 8, 2), target=2) is None
        assert advance(moving(taken(**MOVING, strategy=rolling(0, 2)), 8, 2), target=2) is None
        assert advance(moving(stated, 8, 2), target=2) == ()


class TestArm:
    """From rest, new pods stop counting as available before the Deployment is un-paused."""

    def test_raises_min_ready_seconds_while_paused(self) -> None:
        of = workload(taken(paused=True), (V1, 8, 8), (V2, 2, 2))
        assert advance(of, target=5) == change({"spec": MOVING})

    def test_waits_for_the_replica_set_to_follow(self) -> None:
        of = workload(taken(paused=True, **MOVING), (V1, 8, 8), (V2, 2, 2))
        assert advance(of, target=5) == ()

    def test_then_moves(self) -> None:
        of = moving(taken(paused=True, **MOVING), 8, 2)
        assert advance(of, target=5) == change(
            {"spec": {"paused": False, "strategy": rolling_diff(3, 2)}}
        )

    def test_is_not_needed_where_no_new_pod_exists(self) -> None:
        of = workload(taken(paused=True), (V1, 10, 10), (V2, 0, 0))
        assert advance(of, target=2) == advance(workload(taken(paused=True), (V1, 10, 10)), 2)


class TestRest:
    def test_pauses_with_the_users_times_and_a_surge_of_the_pods_that_are_there(self) -> None:
        assert freeze(moving(taken(**MOVING, strategy=rolling(2, 0)), 10, 2)) == change(
            {
                "spec": {
                    "minReadySeconds": 5,
                    "progressDeadlineSeconds": 600,
                    "strategy": {"rollingUpdate": {"maxUnavailable": 1}},
                    "paused": True,
                }
            }
        )

    def test_states_no_surge_when_no_pod_is_surplus(self) -> None:
        stated = taken(**MOVING, strategy=rolling(0, 2))
        resting = freeze(moving(stated, 8, 2))
        assert after(stated, resting) == taken(paused=True, strategy=rolling(0, 1))

    def test_counts_pods_of_a_third_version(self) -> None:
        stated = taken(**MOVING, strategy=rolling(0, 2))
        resting = freeze(workload(stated, (V1, 8, 8), (V2, 2, 2), (V3, 1, 1)))
        assert after(stated, resting) == taken(paused=True, strategy=rolling(1, 1))

    def test_states_an_unavailability_that_the_api_accepts_without_a_surge(self) -> None:
        users = versions(originals={**USERS_FIELDS, "strategy": rolling(1, 0)})
        stated = taken(**MOVING, strategy=rolling(0, 2))
        resting = freeze(moving(stated, 8, 2), users)
        assert after(stated, resting).spec.strategy == strategy_of(0, 1)

    def test_waits_for_the_sizes_that_a_move_asked_for(self) -> None:
        assert freeze(moving(taken(**MOVING, strategy=rolling(2, 2)), 8, 2)) == ()

    def test_is_written_once(self) -> None:
        stated = taken(**MOVING, strategy=rolling(0, 2))
        resting = freeze(moving(stated, 8, 2))
        assert freeze(moving(after(stated, resting), 8, 2)) == ()


class TestRatioAfterScaling:
    """New pods above the step: stable pods up first, then new ones down."""

    def test_rests_before_replica_sets_are_resized(self) -> None:
        of = moving(taken(**MOVING, strategy=rolling(2, 2)), 8, 4)
        assert advance(of, target=2) == freeze(of) != ()

    def test_touches_no_replica_set_while_the_controller_moves(self) -> None:
        of = moving(taken(**MOVING, strategy=rolling(2, 2)), 3, 7)
        assert advance(of, target=2) == ()

    def test_raises_the_stable_replica_set_before_it_shrinks_the_new_one(self) -> None:
        stated = taken(paused=True, strategy=rolling(0, 1))
        effects = advance(workload(stated, (V1, 3, 3), (V2, 7, 7)), target=2) or ()
        assert [e.name for e in effects if isinstance(e, Patch) and e.kind is Kind.REPLICA_SET][
            :1
        ] == [stable_set()]

    def test_waits_where_a_version_has_no_replica_set(self) -> None:
        stated = taken(paused=True, strategy=rolling(0, 1))
        assert advance(workload(stated, (V2, 10, 10)), target=2) == ()


class TestWithdraw:
    def test_states_the_stable_template_and_the_users_fields_in_one_write(self) -> None:
        stated = taken(**MOVING, strategy=rolling(2, 2))
        back = PROVIDER.withdraw(snapshot(workload(stated, (V1, 8, 8), (V2, 2, 2))), versions())
        assert back == change(
            {
                "spec": {
                    "strategy": {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 1}},
                    "minReadySeconds": 5,
                    "progressDeadlineSeconds": 600,
                    "template": {"spec": {"containers": V1["spec"]["containers"]}},
                },
                "metadata": LEAVE,
            }
        )
        assert after(stated, back) == deployment(annotations=LEFT)

    def test_leaves_a_template_alone_that_is_the_stable_one_already(self) -> None:
        stated = taken(V1, paused=True, strategy=rolling(0, 1))
        back = PROVIDER.withdraw(snapshot(workload(stated, (V1, 8, 8), (V2, 2, 2))), versions())
        assert back == change(
            {
                "spec": {
                    "strategy": {"rollingUpdate": {"maxSurge": "25%"}},
                    "paused": False,
                },
                "metadata": LEAVE,
            }
        )

    def test_is_written_once(self) -> None:
        of = workload(deployment(annotations=LEFT), (V1, 8, 8), (V2, 2, 2))
        assert PROVIDER.withdraw(snapshot(of), versions()) == ()

    @pytest.mark.parametrize(
        ("sets", "over"),
        [
            ([(V1, 10, 10)], True),
            ([(V1, 10, 10), (V2, 0, 0)], True),
            ([(V1, 10, 9)], False),
            ([(V1, 9, 9), (V2, 1, 1)], False),
            ([(V1, 10, 10), (V2, 1, 0)], False),
            ([(V1, 10, 10), (V3, 1, 1)], False),
            ([(V1, 11, 11)], False),
        ],
    )
    def test_is_over_when_only_stable_pods_are_left_and_ready(
        self, sets: list[tuple[Obj, int, int]], over: bool
    ) -> None:
        seen = PROVIDER.progress(snapshot(workload(deployment(), *sets)), versions(), NOW)
        assert PROVIDER.withdrawn(seen) is over

    def test_is_not_over_before_the_deployment_controller_has_seen_it(self) -> None:
        of = workload(deployment(generation=4, observed=3), (V1, 10, 10))
        assert not PROVIDER.withdrawn(PROVIDER.progress(snapshot(of), versions(), NOW))


class TestState:
    def test_states_a_template_at_rest(self) -> None:
        stated = taken(**MOVING, strategy=rolling(2, 2))
        of = snapshot(workload(stated, (V1, 8, 8), (V2, 2, 2)))
        effects = PROVIDER.state(of, versions(), V1)
        assert after(stated, effects) == taken(V1, paused=True, strategy=rolling(0, 1))
        assert len(effects) == 1

    def test_is_written_once(self) -> None:
        of = snapshot(workload(taken(V1, paused=True, strategy=rolling(0, 1)), (V1, 10, 10)))
        assert PROVIDER.state(of, versions(), V1) == ()

    def test_is_written_once_where_the_api_server_says_null(self) -> None:
        """API servers before 1.34 state `creationTimestamp: null` in every pod template."""
        served = {**V1, "metadata": {**V1["metadata"], "creationTimestamp": None}}
        of = snapshot(workload(taken(served, paused=True, strategy=rolling(0, 1)), (V1, 10, 10)))
        assert PROVIDER.state(of, versions(), V1) == ()


class TestFinish:
    def test_unpauses_with_the_users_fields(self) -> None:
        stated = taken(paused=True, strategy=rolling(0, 1))
        of = snapshot(workload(stated, (V1, 5, 5), (V2, 5, 5)))
        assert after(stated, PROVIDER.finish(of, versions())) == deployment(
            annotations=LEFT, template=V2
        )

    def test_is_written_once(self) -> None:
        of = snapshot(workload(deployment(annotations=LEFT, template=V2), (V2, 10, 10)))
        assert PROVIDER.finish(of, versions()) == ()

    @pytest.mark.parametrize(
        ("sets", "over"),
        [
            ([(V2, 10, 10)], True),
            ([(V1, 0, 0), (V2, 10, 10)], True),
            ([(V2, 10, 9)], False),
            ([(V1, 1, 1), (V2, 10, 10)], False),
            ([(V2, 10, 10), (V3, 1, 1)], False),
        ],
    )
    def test_is_over_when_only_new_pods_are_left_and_ready(
        self, sets: list[tuple[Obj, int, int]], over: bool
    ) -> None:
        of = snapshot(workload(deployment(annotations=LEFT, template=V2), *sets))
        assert PROVIDER.finished(PROVIDER.progress(of, versions(), NOW)) is over

    def test_leaves_nothing_to_clean_up(self) -> None:
        assert PROVIDER.clean_up(snapshot(workload(deployment(), (V1, 10, 10)))) == ()


class TestProgress:
    def test_counts_pods_by_the_version_of_their_replica_set(self) -> None:
        of = workload(taken(paused=True), (V1, 8, 7), (V2, 2, 1), (V3, 1, 1))
        assert PROVIDER.progress(snapshot(of), versions(), NOW) == Progress(
            replicas=10,
            stable=8,
            stable_ready=7,
            new=2,
            new_ready=1,
            other=1,
            observed=True,
            resting=True,
            stable_hash=hash_of(V1),
            new_hash=hash_of(V2),
        )

    def test_knows_no_hash_before_the_replica_set_exists(self) -> None:
        seen = PROVIDER.progress(snapshot(workload(taken(), (V1, 10, 10))), versions(), NOW)
        assert (seen.stable_hash, seen.new_hash, seen.new) == (hash_of(V1), "", 0)

    def test_counts_a_pod_after_the_users_min_ready_seconds_and_says_when(self) -> None:
        young = replica_set(V2, 2)
        of = WorkloadSnapshot(
            deployment=taken(),
            replica_sets=(young,),
            pods={
                young.metadata.uid: (
                    pod("a", ready_since=NOW - timedelta(seconds=5)),
                    pod("b", ready_since=NOW - timedelta(seconds=2)),
                    pod("c", ready_since=None),
                )
            },
        )
        seen = PROVIDER.progress(snapshot(of), versions(), NOW)
        assert (seen.new_ready, seen.next_ready_at) == (1, NOW + timedelta(seconds=3))


def test_remembers_the_fields_that_it_changes() -> None:
    of = snapshot(workload(deployment(), (V1, 10, 10)))
    assert PROVIDER.original(of) == USERS_FIELDS


def test_refuses_recreate_and_says_what_to_do() -> None:
    of = snapshot(workload(deployment(strategy={"type": "Recreate"}), (V1, 10, 10)))
    assert PROVIDER.problem(of) == (
        "Deployment 'shop': spec.strategy.type is Recreate, which never runs two versions side by "
        "side; set it to RollingUpdate"
    )
    assert PROVIDER.problem(snapshot(workload(deployment(), (V1, 10, 10)))) is None


@given(data=st.data(), armed=st.booleans(), replicas=st.integers(1, 12))
def test_writes_only_what_the_api_server_accepts_and_each_thing_once(
    data: st.DataObject, armed: bool, replicas: int
) -> None:
    """`ValidateDeploymentStrategy`: no negative bound, and not both of them zero."""
    count = st.integers(0, 12)
    surge: int | str = data.draw(st.sampled_from([0, 1, 3, "25%"]))  # type: ignore[assignment]
    unavailable: int | str = data.draw(st.sampled_from([1, 2, "25%"]))  # type: ignore[assignment]
    known = versions(originals={**USERS_FIELDS, "strategy": rolling(surge, unavailable)})
    old, new = data.draw(count), data.draw(count)
    sets = [
        (V1, old, data.draw(st.integers(0, old))),
        (V2, new, data.draw(st.integers(0, new))),
    ]
    target = data.draw(st.integers(1, replicas))
    reserve = data.draw(st.integers(0, replicas if surge else replicas - 1))
    min_ready = NEVER_AVAILABLE_SECONDS if armed else 0
    stated = taken(
        paused=data.draw(st.booleans()),
        replicas=replicas,
        **data.draw(st.sampled_from([{}, MOVING])),
    )

    def asked(of: Deployment) -> list[Effect]:
        found = advance(workload(of, *sets, min_ready=min_ready), target, reserve, known)
        return [e for e in found or () if isinstance(e, Patch) and e.kind is Kind.DEPLOYMENT]

    for _ in range(4):
        effects = asked(stated)
        changed = after(stated, effects)
        update = changed.spec.strategy.rolling_update
        assert update is not None
        if changed.spec.strategy != stated.spec.strategy:
            bounds = (update.max_surge, update.max_unavailable)
            assert all(isinstance(bound, int) and bound >= 0 for bound in bounds)
            assert bounds != (0, 0)
        stated = changed
    assert asked(stated) == []


def rolling_diff(surge: int, unavailable: int) -> Obj:
    """What changes in the user's strategy."""
    update = {"maxSurge": surge, "maxUnavailable": unavailable}
    users = USERS_STRATEGY["rollingUpdate"]
    return {"rollingUpdate": {k: v for k, v in update.items() if users[k] != v}}


def strategy_of(surge: int, unavailable: int) -> DeploymentStrategy:
    found = deployment(strategy=rolling(surge, unavailable)).spec.strategy
    assert isinstance(found, DeploymentStrategy)
    return found
