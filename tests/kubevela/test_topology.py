"""One Application in two namespaces of the cluster, the second after the first."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tandem_controller.effect import Kind
from tests.cluster.bed import Bed
from tests.cluster.namespace import NAMESPACES, create_namespace
from tests.kubevela.bed import VelaBed
from tests.kubevela.topology import Place, message, place_after_place, steps, until_asked

pytestmark = pytest.mark.kubevela


@pytest.fixture
async def second(bed: VelaBed) -> AsyncIterator[Bed]:
    """Another namespace for the same Application."""
    name = await create_namespace(bed.client)
    yield Bed(bed.client, name)
    await bed.client.delete(NAMESPACES, name, uid=None)


async def test_a_deploy_waits_until_the_release_there_has_ended_and_the_next_begins_after_that(
    bed: VelaBed, second: Bed
) -> None:
    places = Place("first"), Place("second", namespace=second.namespace)
    bed.up(place_after_place("shop:v1", *places))
    await bed.until_running()
    before = await second.get(Kind.DEPLOYMENT, "shop")

    bed.up(place_after_place("shop:v2", *places))
    for number in (1, 2):
        asked = await until_asked(bed, f"first-{number}")
        assert steps(asked)["deploy-first"] == "running"
        assert "deploy-second" not in steps(asked)
        assert await second.get(Kind.DEPLOYMENT, "shop") == before
        bed.resume()

    for number in (1, 2):
        asked = await until_asked(bed, f"second-{number}")
        assert steps(asked)["deploy-first"] == "succeeded"
        assert steps(asked)["deploy-second"] == "running"
        assert await bed.sizes("shop") == {"shop:v2": 4}
        revision = (await second.get(Kind.ROLLOUT, "shop"))["status"]["canaryStatus"]
        question = f"approve_step_{number}_of_shop.local_{revision['canaryRevision']}"
        assert message(asked, f"second-{number}") == f"Suspended by field {question}"
        bed.resume()
    await bed.until_running()
    await second.until_phase("shop", "Healthy")
    assert await second.sizes("shop") == {"shop:v2": 4}
    assert await given(bed) == await given(second) == [(1, "Used"), (2, "Used")]


async def given(bed: Bed) -> list[tuple[int, str]]:
    """Return the steps that were approved in a namespace, and what became of it."""
    found = await bed.items(Kind.RELEASE_APPROVAL)
    return sorted((each["spec"]["step"], each["status"]["phase"]) for each in found)
