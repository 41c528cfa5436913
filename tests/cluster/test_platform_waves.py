"""`tandem platform`: waves over a few workloads, and over two hundred of one definition."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from devcluster.cluster import DevCluster
from tandem_cli.platform.standing import Standing
from tandem_controller import keys
from tandem_controller.effect import Kind
from tests.cluster import fleets
from tests.cluster.bed import Bed, images
from tests.cluster.fleets import TARGET, Run

pytestmark = pytest.mark.cluster

OLD, NEW = "init:v1", "init:v2"


@pytest.fixture
def run(tandem: DevCluster) -> Run:
    return fleets.runner(tandem)


async def _held(bed: Bed, *names: str) -> None:
    await fleets.stand(bed, names)
    await fleets.at_once(fleets.upgrade(bed, name) for name in names)
    await fleets.until(bed, lambda found: all(w.standing is Standing.HELD for w in found.values()))


def _json(text: str) -> Any:  # noqa: ANN401 - a command's document
    return msgspec.json.decode(text)


async def test_a_version_rolls_wave_by_wave_and_a_second_call_finds_nothing_to_do(
    bed: Bed, run: Run
) -> None:
    await _held(bed, "a", "b", "c")
    here = ("-n", bed.namespace)
    ns = bed.namespace

    planned = await run("platform", "plan", TARGET, *here, "--waves", "1,100%")
    assert planned.code == 0, planned.err
    assert planned.out.splitlines()[0] == ("web@1.1.0: 0 of 3 workloads have it, 0 are on the way")
    assert [line.split() for line in planned.out.splitlines()[3:5]] == [
        ["1", "1", "1", "1", "of", "3", f"{ns}/a"],
        ["2", "100%", "2", "3", "of", "3", f"{ns}/b,", f"{ns}/c"],
    ]
    unasked = await run("platform", "roll", TARGET, *here)
    assert (unasked.code, unasked.err) == (
        2,
        "tandem: nobody can be asked here: see the plan, then --yes\n",
    )
    assert (await fleets.standings(bed)) == {Standing.HELD: {"a", "b", "c"}}

    rolled = await run("platform", "roll", TARGET, *here, "--waves", "1,100%", "--yes")
    assert rolled.code == 0, rolled.out + rolled.err
    told = [line[10:] for line in rolled.out.splitlines()]
    assert told.index("wave 1/2 (1): until 1 have it") < told.index(f"{ns}/a begins: init=init:v2")
    assert told.index(f"{ns}/a step 1/2 approved") < told.index(f"{ns}/b begins: init=init:v2")
    assert rolled.out.splitlines()[-1] == "done: 3 of 3 have web@1.1.0"
    assert images(await bed.items(Kind.POD)) == {(NEW, "shop:v1")}

    again = await run("platform", "roll", TARGET, *here)
    assert (again.code, again.out.splitlines()[-1]) == (0, "done: 3 of 3 have web@1.1.0")


async def test_a_frozen_namespace_is_left_out_until_the_freeze_is_lifted(
    bed: Bed, run: Run
) -> None:
    await _held(bed, "a")
    frozen = await run("platform", "freeze", bed.namespace, "--reason", "holidays")
    assert frozen.out == f"waves stay out of namespace {bed.namespace}: holidays\n"

    rolled = await run("platform", "roll", TARGET, "-n", bed.namespace, "--yes", "-o", "json")
    assert rolled.code == 3, rolled.err
    why = f"namespace '{bed.namespace}' is frozen: holidays"
    assert _json(rolled.out)["left"] == [{"namespace": bed.namespace, "name": "a", "why": why}]
    shown = await run("platform", "status", "web", "-n", bed.namespace)
    assert why.replace("'", "") in shown.out

    assert (await run("platform", "unfreeze", bed.namespace)).code == 0
    rolled = await run("platform", "roll", TARGET, "-n", bed.namespace, "--yes")
    assert rolled.code == 0, rolled.out + rolled.err


async def test_a_rollback_by_somebody_stops_it_and_with_rollback_takes_back_what_runs(
    bed: Bed, run: Run
) -> None:
    await _held(bed, "a", "b", "c")
    here = ("-n", bed.namespace, "--waves", "2,100%", "--yes")
    by_people = ("--no-approve-steps", "--on-regression", "rollback")
    roll = asyncio.create_task(run("platform", "roll", TARGET, *here, *by_people))
    await bed.until_paused("a", 1)
    await bed.until_paused("b", 1)
    await bed.patch(Kind.ROLLOUT, "a", {"metadata": {"annotations": {keys.ROLLBACK: ""}}})

    ended = await roll
    assert ended.code == 1, ended.out + ended.err
    assert f"stopped at {bed.namespace}/a: rolling back: a rollback was asked for" in ended.out
    assert await fleets.standings(bed) == {Standing.REJECTED: {"a", "b"}, Standing.HELD: {"c"}}
    assert images(await bed.items(Kind.POD)) == {(OLD, "shop:v1")}


async def test_what_cannot_begin_is_one_line_and_code_2(bed: Bed, run: Run) -> None:
    nobody = await run("platform", "roll", TARGET, "-n", bed.namespace, "--yes")
    assert (nobody.code, nobody.err) == (
        2,
        "tandem: no Rollout's workload is of component definition 'web' here; see -n and -l\n",
    )
    assert (await run("platform", "roll", "web", "--yes")).code == 2
    assert (await run("platform", "plan", TARGET, "--waves", "5,1")).code == 2
    gone = await run("platform", "freeze", "no-such-namespace", "--reason", "x")
    assert (gone.code, gone.err) == (1, "tandem: there is no namespace 'no-such-namespace'\n")


FLEET = [f"w{number:03}" for number in range(200)]
SCALED, BUSINESS, BAD = "w050", "w100", "w010"
TIMEOUT_SECONDS = "60"


@pytest.mark.slow
@pytest.mark.timeout(1500)
async def test_200_workloads_of_an_upgraded_definition_roll_only_what_was_asked_for(
    bed: Bed, run: Run
) -> None:
    """The measured item: nothing rolls by itself; a wave with a bad version stops; it resumes."""
    await fleets.stand(bed, FLEET)
    await fleets.at_once(_rendered_anew(bed, name) for name in FLEET)
    await fleets.until(bed, lambda found: _count(found, Standing.HELD) == len(FLEET) - 1)
    await bed.until_paused(BUSINESS, 1)
    for kind in (Kind.POD, Kind.REPLICA_SET):
        assert await fleets.init_images(bed, kind) == {name: {OLD} for name in FLEET}
    pods = [p for p in await bed.items(Kind.POD) if p["metadata"]["labels"]["app"] == BUSINESS]
    assert images(pods) == {(OLD, "shop:v1"), (OLD, "shop:v2")}
    assert await bed.sizes(SCALED) == {"shop:v1": 3}
    await bed.approve(BUSINESS)
    await fleets.until(bed, lambda found: _count(found, Standing.HELD) == len(FLEET))

    here = ("-n", bed.namespace, "--yes", "-o", "json", "--timeout", TIMEOUT_SECONDS)
    waves = ("--waves", "1,10%,100%", "--max-concurrent", "10")
    first = await run("platform", "roll", TARGET, *waves, *here)
    assert first.code == 1, first.err
    stopped = _json(first.out)
    assert stopped["stoppedBy"]["name"] == BAD
    have = set(FLEET[:20]) - {BAD}
    assert await fleets.standings(bed) == {
        Standing.DONE: have,
        Standing.RELEASING: {BAD},
        Standing.HELD: set(FLEET[20:]),
    }
    found = await fleets.init_images(bed, Kind.POD)
    assert {name for name, seen in found.items() if seen != {OLD}} == {*have, BAD}

    await run("rollback", BAD, "-n", bed.namespace, "--wait")
    second = await run("platform", "roll", TARGET, *waves, *here)
    assert second.code == 3, second.err
    assert {one["name"] for one in _json(second.out)["left"]} == {BAD}
    assert len(_json(second.out)["releases"]) == 180

    await fleets.upgrade(bed, BAD)
    await fleets.until(bed, lambda found: _count(found, Standing.HELD) == 1)
    third = await run("platform", "roll", TARGET, *waves, *here)
    assert third.code == 0, third.err
    assert await fleets.init_images(bed, Kind.POD) == {name: {NEW} for name in FLEET}


async def _rendered_anew(bed: Bed, name: str) -> None:
    init = "init:v2-crash" if name == BAD else NEW
    image = "shop:v2" if name == BUSINESS else "shop:v1"
    await fleets.upgrade(bed, name, init=init, image=image, replicas=3 if name == SCALED else 2)


def _count(found: Any, standing: Standing) -> int:  # noqa: ANN401 - workloads by name
    return sum(w.standing is standing for w in found.values())
