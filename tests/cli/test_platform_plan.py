"""Who gets a version in which wave: in one order, on from where an earlier call ended."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem_cli.platform.plan import BadWavesError, LeftOut, Plan, make, sizes
from tandem_cli.platform.standing import Standing, Workload
from tandem_cli.platform.target import Target

TARGET = Target(component="web", version="2")


def workload(
    name: str, standing: Standing = Standing.HELD, *, namespace: str = "a", order: int = 0
) -> Workload:
    why = "" if standing in (Standing.HELD, Standing.DONE) else f"it is {standing}"
    return Workload(namespace=namespace, name=name, standing=standing, order=order, why=why)


def plan(*workloads: Workload, waves: str = "1,50%,100%", **frozen: str) -> Plan:
    return make(TARGET, workloads, frozen, sizes(waves))


def names(found: Plan) -> list[list[str]]:
    return [[name for _, name in wave.members] for wave in found.waves]


def test_waves_are_cut_by_order_then_namespace_and_name() -> None:
    found = plan(
        workload("z", order=-1),
        workload("c", namespace="b"),
        workload("d"),
        workload("b", namespace="b"),
        workload("last", order=1),
        waves="2,4,100%",
    )
    assert names(found) == [["z", "d"], ["b", "c"], ["last"]]
    assert [wave.until for wave in found.waves] == [2, 4, 5]


def test_a_share_is_rounded_up() -> None:
    assert names(plan(*map(workload, "abc"), waves="1%,34%,100%")) == [["a"], ["b"], ["c"]]


def test_who_has_it_counts_so_that_a_second_call_goes_on() -> None:
    done = [workload(name, Standing.DONE) for name in "ab"]
    found = plan(*done, *map(workload, "cdef"))
    assert names(found) == [[], ["c"], ["d", "e", "f"]]
    assert [wave.until for wave in found.waves] == [2, 3, 6]


def test_what_is_under_way_is_carried_on_first_and_never_left_out() -> None:
    going = [workload("y", Standing.ACCEPTED), workload("z", Standing.RELEASING)]
    found = plan(*going, workload("a"), waves="1")
    assert found.under_way == (("a", "y"), ("a", "z"))
    assert names(found) == [["y"]]
    assert found.left_out == (LeftOut(namespace="a", name="a", why="beyond the last wave"),)


def test_who_cannot_get_it_is_left_out_with_the_reason() -> None:
    others = [Standing.BUSY, Standing.CLOSED, Standing.ABSENT, Standing.REJECTED]
    found = plan(
        workload("a"),
        workload("x", namespace="frozen"),
        *(workload(str(s), s) for s in others),
        frozen="holidays",
    )
    assert names(found) == [["a"], [], []]
    assert {(one.name, one.why) for one in found.left_out} == {
        ("x", "namespace 'frozen' is frozen: holidays"),
        *((str(s), f"it is {s}") for s in others),
    }
    assert found.total == 1


@pytest.mark.parametrize("waves", ["", "0", "x", "1,,2", "101%", "0%", "-1", "5,2", "50%,10%"])
def test_other_waves_are_refused(waves: str) -> None:
    with pytest.raises(BadWavesError, match="--waves"):
        sizes(waves)


fleets = st.lists(
    st.builds(
        workload,
        st.from_regex("[a-c]{1,3}", fullmatch=True),
        st.sampled_from(Standing),
        namespace=st.sampled_from("abc"),
        order=st.integers(-1, 1),
    ),
    unique_by=lambda w: w.key,
)


@given(fleet=fleets, frozen=st.sets(st.sampled_from("abc")), random=st.randoms())
def test_everybody_is_planned_or_left_out_once_and_the_order_of_reading_is_no_matter(
    fleet: list[Workload], frozen: set[str], random: Random
) -> None:
    found = plan(*fleet, **dict.fromkeys(frozen, "why"))
    left = [(one.namespace, one.name) for one in found.left_out]
    assert sorted([*found.done, *found.members, *left]) == sorted(w.key for w in fleet)
    assert all(one.why for one in found.left_out)
    shuffled = sorted(fleet, key=lambda _: random.random())
    assert plan(*shuffled, **dict.fromkeys(frozen, "why")) == found
