"""The CRDs alone, and then the API server's policies that refuse, with no process of ours."""

from __future__ import annotations

import pytest

from tandem_controller.decide.admission.workload import RESUMING_MANAGER
from tandem_controller.keys import BREAK_GLASS
from tandem_controller.kube.errors import Forbidden, Invalid, NotFound
from tandem_controller.kube.resource import Resource
from tests.cluster import bodies
from tests.cluster.admission.place import (
    ALPHA,
    DEPLOYMENTS,
    NEW,
    Place,
    rollout,
)

pytestmark = pytest.mark.cluster

Obj = bodies.Obj

BETA = Resource("rollouts.kruise.io", "v1beta1", "rollouts", "Rollout")
RECORDS = Resource("tandem.oam.dev", "v1alpha1", "releaserecords", "ReleaseRecord")


async def test_crds_are_established_and_a_record_cannot_be_rewritten(place: Place) -> None:
    ref = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop", "uid": "u"}
    template = {"spec": {"containers": [{"name": "c", "image": "a"}]}}
    spec = {"workload": ref, "fingerprint": "f", "template": template}
    await place.create(RECORDS, {"metadata": {"name": "shop"}, "spec": spec})
    other = {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 1}}}}
    with pytest.raises(Invalid, match="cannot be changed"):
        await place.patch(RECORDS, other)
    attempt = {"startedAt": "2026-01-01T00:00:00Z", "outcome": "Baseline"}
    status = {"status": {"attempts": [attempt]}}
    written = await place.patch(RECORDS, status, subresource="status")
    assert written["status"]["attempts"] == [attempt]
    assert written["spec"]["template"] == template


async def test_v1beta1_is_not_served_before_it_can_be_converted(place: Place) -> None:
    await place.create(ALPHA, rollout())
    with pytest.raises(NotFound):
        await place.get(BETA)


async def test_an_old_clients_status_without_newer_fields_is_accepted(place: Place) -> None:
    body = await place.create(ALPHA, rollout())
    canary = {
        "canaryRevision": "",
        "podTemplateHash": "",
        "canaryReplicas": 0,
        "canaryReadyReplicas": 0,
        "currentStepIndex": 1,
        "currentStepState": "StepReady",
    }
    condition = {"type": "Progressing", "status": "True", "lastUpdateTime": None}
    body["status"] = {"canaryStatus": canary, "conditions": [condition], "phase": "Progressing"}
    put = await place.put(ALPHA, body, subresource="status")
    assert put["status"]["canaryStatus"]["currentStepState"] == "StepReady"


@pytest.mark.usefixtures("refusing")
async def test_without_tandem_a_new_template_is_refused_with_the_way_out(place: Place) -> None:
    await place.stand()
    with pytest.raises(Forbidden) as refused:
        await place.patch(DEPLOYMENTS, NEW)
    assert "Tandem did not take the new template over" in refused.value.message
    assert f"{BREAK_GLASS}=true" in refused.value.message


@pytest.mark.usefixtures("refusing")
async def test_without_tandem_scaling_and_labels_pass(place: Place) -> None:
    await place.stand()
    await place.patch(DEPLOYMENTS, {"spec": {"replicas": 5}, "metadata": {"labels": {"a": "b"}}})


@pytest.mark.usefixtures("refusing")
async def test_other_deployments_and_empty_ones_are_left_alone(place: Place) -> None:
    await place.create(ALPHA, rollout("other"))
    await place.create(DEPLOYMENTS, bodies.deployment(replicas=3))
    await place.patch(DEPLOYMENTS, NEW)
    await place.create(DEPLOYMENTS, bodies.deployment("other", replicas=0))
    await place.patch(DEPLOYMENTS, NEW, name="other")


@pytest.mark.usefixtures("refusing")
async def test_tandems_own_user_and_the_break_glass_label_pass(place: Place) -> None:
    await place.stand()
    await place.patch(DEPLOYMENTS, NEW, by=place.tandem)
    broken = bodies.new_images("init:v3", "shop:v3") | {
        "metadata": {"labels": {BREAK_GLASS: "true"}}
    }
    await place.patch(DEPLOYMENTS, broken)


@pytest.mark.usefixtures("refusing")
async def test_without_tandem_resume_alone_is_possible_in_mid_release(place: Place) -> None:
    await place.in_release()
    both = {"spec": {"paused": False, "minReadySeconds": 9}}
    with pytest.raises(Forbidden, match="in the middle of a release"):
        await place.patch(DEPLOYMENTS, both)
    alone: Obj = {"spec": {"paused": None}}
    with pytest.raises(Forbidden, match="in the middle of a release"):
        await place.patch(DEPLOYMENTS, alone, manager="helm")
    await place.patch(DEPLOYMENTS, alone, manager=RESUMING_MANAGER)
    assert "paused" not in (await place.get(DEPLOYMENTS))["spec"]


@pytest.mark.usefixtures("refusing")
async def test_without_tandem_a_new_template_in_mid_release_passes_only_if_paused(
    place: Place,
) -> None:
    """Also where the Deployment is not paused, because its pods move, and has no replicas."""
    await place.in_release()
    await place.patch(DEPLOYMENTS, {"spec": {"paused": False, "replicas": 0}}, by=place.tandem)
    with pytest.raises(Forbidden, match="in the middle of a release"):
        await place.patch(DEPLOYMENTS, NEW)
    await place.patch(DEPLOYMENTS, {"spec": NEW["spec"] | {"paused": True}})


@pytest.mark.usefixtures("refusing")
async def test_without_tandem_a_rollout_that_releases_nothing_refuses_nothing(
    place: Place,
) -> None:
    await place.stand()
    await place.patch(ALPHA, {"spec": {"disabled": True}})
    await place.would_be("released")
    await place.patch(DEPLOYMENTS, NEW)


@pytest.mark.usefixtures("refusing")
async def test_a_workload_whose_rollout_is_gone_is_guarded_no_longer(place: Place) -> None:
    await place.in_release()
    await place.user.delete(ALPHA, "shop", place.namespace, uid=None)
    await place.would_pass({"spec": {"paused": False}})
    await place.patch(DEPLOYMENTS, {"spec": {"paused": False}})
    await place.patch(DEPLOYMENTS, NEW)
