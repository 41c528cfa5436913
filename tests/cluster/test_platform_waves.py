"""`tandem platform`: waves over a few workloads, and over two hundred of one definition."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
import pytest

from devcluster.cluster import DevCluster
from tandem_cli.platform.standing import Key, Standing, Workload
from tandem_controller import keys
from tandem_controller.effect import Kind
from tests.cluster import fleets
from tests.cluster.bed import Bed, images
from tests.cluster.fleets import TARGET, Fleet, Run
from tests.cluster.namespace import NAMESPACES

pytestmark = pytest.mark.cluster

OLD, NEW = "init:v1", "init:v2"


@pytest.fixture
def run(tandem: DevCluster) -> Run:
    return fleets.runner(tandem)


async def _held(bed: Bed, *names: str) -> Fleet:
    """Let workloads stand that hold the version."""
    fleet = Fleet([bed], fleets.COMPONENT)
    await fleet.stand(names)
    await fleet.upgrade_all(names, {})
    await fleet.until(lambda found: all(w.standing is Standing.HELD for w in found.values()))
    return fleet


def _json(text: str) -> Any:  # noqa: ANN401 - a command's document
    return msgspec.json.decode(text)


async def test_a_version_rolls_wave_by_wave_and_a_second_call_finds_nothing_to_do(
    bed: Bed, run: Run
) -> None:
    fleet = await _held(bed, "a", "b", "c")
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
    assert await fleet.standings() == {Standing.HELD: {(ns, name) for name in "abc"}}

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
    fleet = await _held(bed, "a", "b", "c")
    here = ("-n", bed.namespace, "--waves", "2,100%", "--yes")
    by_people = ("--no-approve-steps", "--on-regression", "rollback")
    roll = asyncio.create_task(run("platform", "roll", TARGET, *here, *by_people))
    await bed.until_paused("a", 1)
    await bed.until_paused("b", 1)
    await bed.patch(Kind.ROLLOUT, "a", {"metadata": {"annotations": {keys.ROLLBACK: ""}}})

    ended = await roll
    assert ended.code == 1, ended.out + ended.err
    ns = bed.namespace
    last = ended.out.splitlines()[-1]
    assert last.startswith(f"stopped at {ns}/a: ")
    assert "a rollback was asked for by annotation" in last
    assert await fleet.standings() == {
        Standing.REJECTED: {(ns, "a"), (ns, "b")},
        Standing.HELD: {(ns, "c")},
    }
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


FLEET_COMPONENT = "fleet"
FLEET_TARGET = f"{FLEET_COMPONENT}@{fleets.NEW}"
TEAMS, EACH = 10, 20
TIMEOUT_SECONDS = "60"


@pytest.fixture
async def teams(bed: Bed) -> AsyncIterator[list[Bed]]:
    """Namespaces of ten teams, in the order of their names."""
    beds = [Bed(bed.client, f"{bed.namespace}-{number}") for number in range(TEAMS)]
    for team in beds:
        metadata = {"name": team.namespace}
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
        await bed.client.create(NAMESPACES, body, field_manager="test")
    yield beds
    for team in beds:
        await bed.client.delete(NAMESPACES, team.namespace, uid=None)


@pytest.mark.slow
@pytest.mark.timeout(1500)
async def test_200_workloads_of_an_upgraded_definition_roll_only_what_was_asked_for(
    teams: list[Bed], run: Run
) -> None:
    """The measured item: nothing rolls by itself; a wave with a bad version stops; it resumes."""
    names = [f"w{number:02}" for number in range(EACH)]
    fleet = Fleet(teams, FLEET_COMPONENT)
    everybody = [(team.namespace, name) for team in teams for name in names]
    bad, scaled, business = everybody[10], everybody[50], everybody[100]
    await fleet.stand(names)

    # The definition is upgraded, and every Application is rendered anew.
    await fleet.upgrade_all(
        names,
        {
            bad: {"init": "init:v2-crash"},
            scaled: {"replicas": 3},
            business: {"image": "shop:v2"},
        },
    )
    await fleet.until(lambda found: _at(found, Standing.HELD) == {*everybody} - {business})
    owner = fleet.bed(business)
    await owner.until_paused(business[1], 1)
    for kind in (Kind.POD, Kind.REPLICA_SET):
        assert await fleet.init_images(kind) == {key: {OLD} for key in everybody}
    pods = [p for p in await owner.items(Kind.POD) if p["metadata"]["labels"]["app"] == business[1]]
    assert images(pods) == {(OLD, "shop:v1"), (OLD, "shop:v2")}
    assert await fleet.bed(scaled).sizes(scaled[1]) == {"shop:v1": 3}
    await owner.approve(business[1])
    await fleet.until(lambda found: _at(found, Standing.HELD) == {*everybody})

    waves = ("--waves", "1,10%,100%", "--max-concurrent", "10", "--timeout", TIMEOUT_SECONDS)
    roll = ("platform", "roll", FLEET_TARGET, *waves, "--yes", "-o", "json")
    first = await run(*roll)
    assert first.code == 1, first.err
    assert (_json(first.out)["stoppedBy"]["name"], _json(first.out)["haveIt"]) == (bad[1], 19)
    have = {*everybody[:20]} - {bad}
    assert await fleet.standings() == {
        Standing.DONE: have,
        Standing.RELEASING: {bad},
        Standing.HELD: {*everybody[20:]},
    }
    seen = await fleet.init_images(Kind.POD)
    assert {key for key, found in seen.items() if found != {OLD}} == {*have, bad}

    back = await run("rollback", bad[1], "-n", bad[0], "--wait")
    assert back.code == 0, back.err
    second = await run(*roll)
    assert second.code == 3, second.err
    assert [(one["namespace"], one["name"]) for one in _json(second.out)["left"]] == [bad]
    assert len(_json(second.out)["releases"]) == len(everybody) - 20

    await fleets.upgrade(fleet.bed(bad), bad[1])
    await fleet.until(lambda found: _at(found, Standing.HELD) == {bad})
    third = await run(*roll)
    assert third.code == 0, third.err
    assert await fleet.init_images(Kind.POD) == {key: {NEW} for key in everybody}


def _at(found: Mapping[Key, Workload], standing: Standing) -> set[Key]:
    return {key for key, workload in found.items() if workload.standing is standing}
