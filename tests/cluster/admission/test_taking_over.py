"""The API server's policies that take a workload over, with no process of ours."""

from __future__ import annotations

import pytest

from tandem_controller.keys import IN_PROGRESSING
from tests.cluster import bodies
from tests.cluster.admission.applier import STATED, assert_held, server_side_apply
from tests.cluster.admission.place import DEPLOYMENTS, NEW, Place, taken_over

pytestmark = pytest.mark.cluster

Obj = bodies.Obj


@pytest.mark.usefixtures("taking_over")
async def test_a_template_change_after_its_rollout_is_taken_over_without_any_process(
    place: Place,
) -> None:
    """As soon as the API server's watch has its Rollout; the webhook closes that gap (below)."""
    for name in ("first", "second", "third"):
        await place.stand(name)
        assert await place.outcome(name) == "taken over"


@pytest.mark.usefixtures("taking_over")
async def test_an_applier_that_states_the_knobs_is_held_without_any_process(place: Place) -> None:
    await assert_held(place)
    again = await server_side_apply(place, STATED | {"replicas": 5})
    third = await server_side_apply(place, STATED | {"replicas": 5})
    assert again["metadata"]["generation"] == third["metadata"]["generation"]


@pytest.mark.usefixtures("taking_over")
async def test_a_rollback_in_mid_release_is_paused_too_and_the_mark_stays(place: Place) -> None:
    await place.in_release()
    await place.patch(DEPLOYMENTS, {"spec": {"paused": False}}, by=place.tandem)
    dropped = NEW | {"metadata": {"annotations": {IN_PROGRESSING: None}}}
    assert taken_over(await place.patch(DEPLOYMENTS, dropped))


@pytest.mark.usefixtures("taking_over")
async def test_tandems_own_restoring_write_is_not_paused_again(place: Place) -> None:
    await place.in_release()
    restored = {"spec": NEW["spec"] | {"paused": False, "progressDeadlineSeconds": 600}}
    written = (await place.patch(DEPLOYMENTS, restored, by=place.tandem))["spec"]
    assert not written.get("paused")
    assert written["progressDeadlineSeconds"] == 600
    assert written["template"]["spec"]["containers"][0]["image"] == "shop:v2"
