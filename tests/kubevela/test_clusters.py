"""One Application in two clusters that KubeVela joined, the second after the first."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tandem_controller.effect import Kind
from tests.cluster.bed import Bed, Obj
from tests.kubevela.bed import phase
from tests.kubevela.clusters import EDGE, Beds, Clusters, beds, two_clusters
from tests.kubevela.programs import KubeVelaMissingError, Programs, cluster_gateway
from tests.kubevela.topology import (
    Place,
    message,
    place_after_place,
    side_by_side,
    standing,
    steps,
    until_asked,
)

pytestmark = pytest.mark.kubevela

PLACES = Place("near"), Place("far", EDGE)
STEP_ONE = ("Progressing", 1, "StepPaused")


@pytest.fixture(scope="module")
def clusters(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clusters]:
    """Two clusters, or a skip that says what is missing."""
    try:
        gateway = cluster_gateway()
    except KubeVelaMissingError as missing:
        pytest.skip(f"no second cluster without KubeVela's gateway: {missing}")
    with two_clusters(programs, gateway, tmp_path_factory.mktemp("clusters")) as found:
        yield found


@pytest.fixture
async def both(clusters: Clusters, tmp_path: Path) -> AsyncIterator[Beds]:
    """A namespace of one test's own in each cluster."""
    async with beds(clusters, tmp_path) as found:
        yield found


async def test_each_resume_approves_one_step_in_the_cluster_that_was_named(both: Beds) -> None:
    hub, edge = both.hub, both.edge
    hub.up(place_after_place("shop:v1", *PLACES))
    await hub.until_running()
    before = await edge.get(Kind.DEPLOYMENT, "shop")

    hub.up(place_after_place("shop:v2", *PLACES))
    for number in (1, 2):
        asked = await until_asked(hub, f"near-{number}")
        assert steps(asked)["deploy-near"] == "running"
        assert "deploy-far" not in steps(asked)
        assert await given(edge) == []
        hub.resume()
    for number in (1, 2):
        asked = await until_asked(hub, f"far-{number}")
        assert steps(asked)["deploy-near"] == "succeeded"
        assert steps(asked)["deploy-far"] == "running"
        assert standing(await edge.get(Kind.ROLLOUT, "shop"))[1:] == (number, "StepPaused")
        assert await edge.sizes("shop") == {"shop:v1": 4 - number, "shop:v2": number}
        assert await hub.sizes("shop") == {"shop:v2": 4}
        assert message(asked, f"far-{number}") == await question(edge, number)
        hub.resume()

    await hub.until_running()
    await edge.until_phase("shop", "Healthy")
    assert await edge.sizes("shop") == {"shop:v2": 4}
    assert await given(hub) == await given(edge) == [(1, "Used"), (2, "Used")]
    after = await edge.get(Kind.DEPLOYMENT, "shop")
    assert after["spec"]["strategy"] == before["spec"]["strategy"]


async def test_what_waits_in_one_cluster_is_not_approved_by_the_answer_for_another(
    both: Beds,
) -> None:
    hub, edge = both.hub, both.edge
    hub.up(side_by_side("shop:v1", *PLACES, asked=PLACES[1]))
    await hub.until_running()
    hub.up(side_by_side("shop:v2", *PLACES, asked=PLACES[1]))
    await until_asked(hub, "far-1")
    await hub.until_paused("shop", 1)

    hub.resume()
    await edge.until_paused("shop", 2)
    assert standing(await hub.get(Kind.ROLLOUT, "shop")) == STEP_ONE
    assert await given(hub) == []
    assert await given(edge) == [(1, "Used")]
    assert await hub.sizes("shop") == {"shop:v1": 3, "shop:v2": 1}


async def test_the_old_application_takes_both_clusters_back_one_after_the_other(
    both: Beds,
) -> None:
    hub, edge = both.hub, both.edge
    before = await far_in_mid_release(both)
    hub.up(place_after_place("shop:v1", *PLACES, version="c"))
    for number in (1, 2):
        await until_asked(hub, f"near-{number}")
        assert standing(await edge.get(Kind.ROLLOUT, "shop")) == STEP_ONE
        hub.resume()

    # In the second cluster it is the way back of a release in progress: nobody is asked.
    await hub.until_running()
    assert await pods_of(both) == before
    assert await given(edge) == []


async def test_a_workflow_rollback_ends_what_runs_at_once_and_waits_where_a_release_had_ended(
    both: Beds,
) -> None:
    hub, edge = both.hub, both.edge
    before = await far_in_mid_release(both)
    hub.vela("workflow", "suspend", "shop")
    hub.vela("workflow", "rollback", "shop")
    await edge.until_phase("shop", "Healthy")
    assert await edge.sizes("shop") == {"shop:v1": 4}

    for number in (1, 2):
        await hub.until_paused("shop", number)
        assert phase(await hub.application()) == "running"
        await hub.approve("shop")
    await hub.until_phase("shop", "Healthy")
    assert await pods_of(both) == before


async def far_in_mid_release(both: Beds) -> list[Obj]:
    """Bring v2 to the end in the first cluster and to its first step in the second.

    Returns the pod templates and strategies of before.
    """
    hub = both.hub
    hub.up(place_after_place("shop:v1", *PLACES, version="a"))
    await hub.until_running()
    before = await pods_of(both)
    hub.up(place_after_place("shop:v2", *PLACES, version="b"))
    for number in (1, 2):
        await until_asked(hub, f"near-{number}")
        hub.resume()
    await until_asked(hub, "far-1")
    return before


async def pods_of(both: Beds) -> list[Obj]:
    """Return what the Deployments of both clusters state."""
    return [(await bed.get(Kind.DEPLOYMENT, "shop"))["spec"] for bed in (both.hub, both.edge)]


async def given(bed: Bed) -> list[tuple[int, str]]:
    """Return the steps that were approved in a cluster, and what became of it."""
    found = await bed.items(Kind.RELEASE_APPROVAL)
    return sorted((each["spec"]["step"], each["status"]["phase"]) for each in found)


async def question(bed: Bed, step: int) -> str:
    """Return what the workflow says while it asks for a step of the edge cluster's release."""
    rollout = await bed.get(Kind.ROLLOUT, "shop")
    revision = rollout["status"]["canaryStatus"]["canaryRevision"]
    return f"Suspended by field approve_step_{step}_of_shop.{EDGE}_{revision}"
