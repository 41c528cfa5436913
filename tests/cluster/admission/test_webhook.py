"""The webhook process, beside the refusing policies only."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from demo.processes import WEBHOOKS, TandemProcess
from devcluster.cluster import DevCluster
from tandem_controller.api.conversion import V1ALPHA1, V1BETA1
from tandem_controller.api.guard import MUTATING_VERSIONS, mutating_policies
from tandem_controller.install import CRD, guard_resource
from tandem_controller.kube.client import Client, PatchType
from tandem_controller.kube.errors import ApiError, NotFound
from tandem_controller.kube.resource import Resource
from tandem_controller.kube.wait import wait_for
from tests.cluster import bodies
from tests.cluster.administrator import as_admin
from tests.cluster.admission.applier import assert_held
from tests.cluster.admission.place import ALPHA, Place, decoded, rollout
from tests.cluster.admission.plane import WRITER, until_guarded

pytestmark = pytest.mark.cluster

Obj = bodies.Obj

BETA = Resource("rollouts.kruise.io", "v1beta1", "rollouts", "Rollout")


@pytest.fixture(scope="module")
def serving(plane: DevCluster, refusing: None) -> Iterator[None]:
    """The webhook process over loopback, and no mutating policy that could do its work."""
    del refusing
    webhook = TandemProcess.webhook(plane)
    webhook.start()
    try:
        as_admin(plane, _until_registered)
        as_admin(plane, _without_mutating_policies)
        as_admin(plane, lambda client: until_guarded(plane, client, "taken over"))
        yield
    finally:
        webhook.stop()


async def _until_registered(client: Client) -> None:
    await wait_for(client, WEBHOOKS, "tandem", None, lambda o: o is not None, seconds=60)
    crd = "rollouts.rollouts.kruise.io"
    await wait_for(client, CRD, crd, None, _serves_beta, seconds=10)
    async with asyncio.timeout(30):
        while not await client.server_resources("rollouts.kruise.io", "v1beta1"):  # noqa: ASYNC110
            await asyncio.sleep(0.1)


def _serves_beta(crd: Obj | None) -> bool:
    return bool(crd) and all(v["served"] for v in (crd or {})["spec"]["versions"])


async def _without_mutating_policies(client: Client) -> None:
    for version in MUTATING_VERSIONS:
        for policy in mutating_policies([WRITER], version):
            try:
                await client.delete(guard_resource(policy), policy["metadata"]["name"], uid=None)
            except NotFound:
                continue


@pytest.mark.usefixtures("serving")
async def test_both_versions_are_served_and_what_v1alpha1_cannot_say_comes_back(
    place: Place,
) -> None:
    ref = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"}
    match = {
        "path": {"type": "Exact", "value": "/new"},
        "queryParams": [{"name": "a", "value": "b"}],
    }
    step = {"traffic": "20%", "replicas": 1, "matches": [match]}
    routing = {"service": "shop", "gateway": {"httpRouteName": "shop"}}
    canary = {"steps": [step, {"replicas": "100%"}], "trafficRoutings": [routing]}
    body = {
        "metadata": {"name": "shop"},
        "spec": {"workloadRef": ref, "strategy": {"canary": canary}},
    }
    created = await place.create(BETA, body)
    assert created["apiVersion"] == V1BETA1
    stored = await place.get(ALPHA)
    assert stored["apiVersion"] == V1ALPHA1
    assert stored["spec"]["strategy"]["canary"]["steps"][0]["weight"] == 20
    assert (await place.get(BETA))["spec"] == created["spec"]

    stored["spec"]["strategy"]["paused"] = True
    await place.put(ALPHA, stored)
    seen = (await place.get(BETA))["spec"]
    assert seen["strategy"].pop("paused") is True
    assert seen == created["spec"]


@pytest.mark.usefixtures("serving")
async def test_a_status_written_in_v1beta1_does_not_touch_the_v1alpha1_spec(place: Place) -> None:
    spec = rollout()
    spec["spec"]["rolloutID"] = "r1"
    before = await place.create(ALPHA, spec)
    status = {"phase": "Healthy", "currentStepState": "Completed", "currentStepIndex": 2}
    await place.patch(BETA, {"status": status}, subresource="status")
    after = await place.get(ALPHA)
    assert after["spec"] == before["spec"]
    assert after["status"] == status
    assert after["metadata"]["generation"] == before["metadata"]["generation"]


@pytest.mark.usefixtures("serving")
async def test_bad_rollouts_are_refused_with_field_fault_and_remedy(place: Place) -> None:
    nameless = rollout()
    del nameless["spec"]["objectRef"]["workloadRef"]
    for bad, field, fault in (
        (nameless, "spec.objectRef.workloadRef.name", "supported are apps/v1 Deployment"),
        (rollout("shop", 50, 20), "steps[1].replicas", "steps go down"),
        (rollout("shop", 120), "steps[0].weight", "above 100"),
    ):
        with pytest.raises(ApiError) as refused:
            await place.create(ALPHA, bad)
        assert field in refused.value.message
        assert fault in refused.value.message
    await place.create(ALPHA, rollout())
    twin = rollout()
    twin["metadata"]["name"] = "twin"
    with pytest.raises(ApiError, match="already released by Rollout 'shop'"):
        await _create_until_refused(place, twin)


async def _create_until_refused(place: Place, twin: Obj) -> None:
    """Ask, as dry runs, for as long as the webhook's watch lacks the first Rollout."""
    async with asyncio.timeout(30):
        while True:
            await place.create(ALPHA, twin, dry_run=True)


@pytest.mark.usefixtures("serving")
async def test_the_webhook_takes_over_from_the_moment_that_the_rollout_exists(
    place: Place,
) -> None:
    for name in (f"shop-{number}" for number in range(12)):
        await place.stand_unseen(name)
        assert await place.outcome(name) == "taken over"


@pytest.mark.usefixtures("serving")
async def test_the_webhook_holds_an_applier_that_states_the_knobs(place: Place) -> None:
    await assert_held(place)


@pytest.mark.usefixtures("serving")
async def test_an_approval_carries_the_users_name_and_an_early_one_is_refused(
    place: Place,
) -> None:
    await place.create(ALPHA, rollout())
    ready = {"status": {"canaryStatus": {"currentStepState": "StepReady"}}}
    for state in ("StepUpgrade", "StepPaused"):
        canary = {"currentStepState": state, "nextStepIndex": 2, "currentStepIndex": 1}
        by_tandem = {"status": {"phase": "Progressing", "canaryStatus": canary}}
        await place.patch(ALPHA, by_tandem, by=place.tandem, subresource="status")
        if state == "StepUpgrade":
            with pytest.raises(ApiError, match="it is in StepUpgrade"):
                await place.patch(BETA, ready, subresource="status")
    body = await place.get(ALPHA)
    body["status"]["canaryStatus"] = {"currentStepState": "StepReady", "currentStepIndex": 1}
    put = await place.put(ALPHA, body, subresource="status")
    assert put["status"]["canaryStatus"]["approvedBy"] == "tandem-user"
    assert put["status"]["canaryStatus"]["nextStepIndex"] == 2


@pytest.mark.usefixtures("serving")
async def test_what_kubevelas_old_struct_drops_is_given_back(place: Place) -> None:
    spec = rollout()
    spec["spec"]["strategy"]["canary"]["patchPodTemplateMetadata"] = {"labels": {"a": "b"}}
    body = await place.create(ALPHA, spec)
    del body["spec"]["strategy"]["canary"]["patchPodTemplateMetadata"]
    body["spec"]["strategy"]["paused"] = True
    put = await place.put(ALPHA, body)
    assert put["spec"]["strategy"]["paused"] is True
    assert put["spec"]["strategy"]["canary"]["patchPodTemplateMetadata"] == {"labels": {"a": "b"}}


# After its death


async def test_v1alpha1_works_while_the_webhook_process_is_dead(
    plane: DevCluster, place: Place, serving: None
) -> None:
    del serving
    run_in_thread = asyncio.to_thread
    await run_in_thread(_kill_webhook, plane)
    await place.create(ALPHA, rollout())
    body = await place.get(ALPHA)
    body["spec"]["strategy"]["paused"] = True
    await place.put(ALPHA, body)
    await place.user.delete(ALPHA, "shop", place.namespace, uid=None)


def _kill_webhook(plane: DevCluster) -> None:
    """Nobody answers any more: the URL points to a closed port."""

    async def point_nowhere(client: Client) -> None:
        crd = decoded(await client.get(CRD, "rollouts.rollouts.kruise.io"))
        webhook = crd["spec"]["conversion"]["webhook"]
        webhook["clientConfig"] |= {"url": "https://127.0.0.1:1/convert"}
        await client.patch(
            CRD,
            "rollouts.rollouts.kruise.io",
            {"spec": {"conversion": crd["spec"]["conversion"]}},
            patch_type=PatchType.MERGE,
        )
        hooks = decoded(await client.get(WEBHOOKS, "tandem"))["webhooks"]
        for hook in hooks:
            hook["clientConfig"]["url"] = "https://127.0.0.1:1/x"
        await client.patch(WEBHOOKS, "tandem", {"webhooks": hooks}, patch_type=PatchType.MERGE)

    as_admin(plane, point_nowhere)
