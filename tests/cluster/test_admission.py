"""CRDs, conversion, policies and webhooks on a real API server.

The file goes from least to most: schemas alone, then the policies that refuse, then those
that take over, then the webhook process with the refusing policies only.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from uuid import uuid4

import pytest

from demo.processes import TandemProcess
from devcluster.cluster import DevCluster
from tandem_controller.api.conversion import V1ALPHA1, V1BETA1
from tandem_controller.api.guard import MUTATING_VERSIONS, mutating_policies, validating_policies
from tandem_controller.decide.admission.workload import RESUMING_MANAGER
from tandem_controller.install import CRD, apply, guard_resource, install_crds
from tandem_controller.keys import BREAK_GLASS, IN_PROGRESSING
from tandem_controller.kube.client import Client, PatchType
from tandem_controller.kube.errors import ApiError, Forbidden, Invalid, NotFound
from tandem_controller.kube.resource import Resource
from tandem_controller.kube.wait import wait_for
from tests.cluster import bodies
from tests.cluster.bed import NAMESPACES
from tests.cluster.place import ALPHA, DEPLOYMENTS, NEW, Place, decoded, rollout, taken_over

pytestmark = pytest.mark.cluster

Obj = bodies.Obj

WRITER = "tandem-controller"
BETA = Resource("rollouts.kruise.io", "v1beta1", "rollouts", "Rollout")
RECORDS = Resource("tandem.oam.dev", "v1alpha1", "releaserecords", "ReleaseRecord")
MUTATING_WEBHOOKS = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "mutatingwebhookconfigurations",
    "MutatingWebhookConfiguration",
    namespaced=False,
)


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevCluster]:
    """A cluster with nothing but the CRDs."""
    folder = tmp_path_factory.mktemp("admission")
    with DevCluster("admission", state_dir=folder) as cluster:
        run(cluster, install_crds)
        yield cluster


def run(cluster: DevCluster, action: Callable[[Client], Awaitable[object]]) -> None:
    """Do something as the administrator."""

    async def connected() -> None:
        client = await Client.connect(kubeconfig=cluster.kubeconfig, user_agent="test")
        try:
            await action(client)
        finally:
            await client.close()

    asyncio.run(connected())


@pytest.fixture
async def place(plane: DevCluster, request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    """A namespace of one test's own."""
    taking = {"taking_over", "serving"} & set(request.fixturenames)
    user, tandem = [
        await Client.connect(kubeconfig=plane.kubeconfig_for(name), user_agent="test")
        for name in ("tandem-user", WRITER)
    ]
    name = f"t-{uuid4().hex[:8]}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    await user.create(NAMESPACES, body, field_manager="test")
    try:
        yield Place(user, tandem, name, "taken over" if taking else "refused")
    finally:
        await user.delete(NAMESPACES, name, uid=None)
        await user.close()
        await tandem.close()


# Schemas alone


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


# The policies that refuse


@pytest.fixture(scope="module")
def refusing(plane: DevCluster) -> None:
    """The validating policies, active."""

    async def install(client: Client) -> None:
        for policy in validating_policies([WRITER]):
            await apply(client, guard_resource(policy), policy)

    run(plane, install)
    run(plane, lambda client: until_guarded(plane, client, "refused"))


async def until_guarded(plane: DevCluster, admin: Client, guarded: str) -> None:
    """Wait until policies are compiled and bound, which nothing in the API tells."""
    name = f"probe-{uuid4().hex[:8]}"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    await admin.create(NAMESPACES, body, field_manager="test")
    user = await Client.connect(kubeconfig=plane.kubeconfig_for("tandem-user"), user_agent="test")
    try:
        await Place(user, admin, name, guarded).stand()
    finally:
        await admin.delete(NAMESPACES, name, uid=None)
        await user.close()


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


# The policies that take over


@pytest.fixture(scope="module")
def taking_over(plane: DevCluster, refusing: None) -> None:
    """The mutating policies too, active."""
    del refusing

    async def install(client: Client) -> None:
        for version in MUTATING_VERSIONS:
            group = "admissionregistration.k8s.io"
            if "mutatingadmissionpolicies" in await client.server_resources(group, version):
                for policy in mutating_policies([WRITER], version):
                    await apply(client, guard_resource(policy), policy)
                return
        pytest.skip("this server does not serve MutatingAdmissionPolicy")

    run(plane, install)
    run(plane, lambda client: until_guarded(plane, client, "taken over"))


@pytest.mark.usefixtures("taking_over")
async def test_a_template_change_after_its_rollout_is_taken_over_without_any_process(
    place: Place,
) -> None:
    """As soon as the API server's watch has its Rollout; the webhook closes that gap (below)."""
    for name in ("first", "second", "third"):
        await place.stand(name)
        assert await place.outcome(name) == "taken over"


STATED: Obj = {
    "minReadySeconds": 7,
    "progressDeadlineSeconds": 99,
    "paused": False,
    "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 9, "maxUnavailable": 9}},
}


async def server_side_apply(place: Place, spec: Obj) -> Obj:
    """Apply a whole manifest, as Argo CD and Flux do."""
    body = bodies.deployment(replicas=3)
    body["metadata"] = {"name": "shop"}
    body["spec"] |= spec
    raw = await place.user.patch(
        DEPLOYMENTS,
        "shop",
        body,
        place.namespace,
        patch_type=PatchType.APPLY,
        field_manager="applier",
        force=True,
    )
    return decoded(raw)


async def assert_held(place: Place) -> None:
    await place.in_release()
    before = (await place.get(DEPLOYMENTS))["spec"]
    after = (await server_side_apply(place, STATED | {"replicas": 5}))["spec"]
    assert after["replicas"] == 5
    for knob in STATED:
        assert after.get(knob) == before.get(knob) or (knob, after.get(knob)) == (
            "minReadySeconds",
            0,
        )


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


# The webhook process


@pytest.fixture(scope="module")
def serving(plane: DevCluster, refusing: None) -> Iterator[None]:
    """The webhook process over loopback, and no mutating policy that could do its work."""
    del refusing
    webhook = TandemProcess.webhook(plane)
    webhook.start()
    try:
        run(plane, _until_registered)
        run(plane, _without_mutating_policies)
        run(plane, lambda client: until_guarded(plane, client, "taken over"))
        yield
    finally:
        webhook.stop()


async def _until_registered(client: Client) -> None:
    await wait_for(client, MUTATING_WEBHOOKS, "tandem", None, lambda o: o is not None, seconds=60)
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
        hooks = decoded(await client.get(MUTATING_WEBHOOKS, "tandem"))["webhooks"]
        for hook in hooks:
            hook["clientConfig"]["url"] = "https://127.0.0.1:1/x"
        await client.patch(
            MUTATING_WEBHOOKS, "tandem", {"webhooks": hooks}, patch_type=PatchType.MERGE
        )

    run(plane, point_nowhere)
