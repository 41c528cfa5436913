"""The controller's rights: each is used, and none is missing.

All cluster tests run the controller and the webhook as the addon's own ServiceAccount; that none
of their requests was refused is said when their cluster ends. Here each right is used once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from demo.processes import NAMESPACE, USER, TandemProcess
from devcluster.api import wait
from devcluster.cluster import DevCluster
from tandem_controller import keys, names
from tandem_controller.effect import Kind
from tandem_controller.install import CRD, guard_resource
from tandem_controller.kinds import KNOWN, WATCHED
from tandem_controller.kube.client import Client, PatchType
from tandem_controller.kube.events import EventRecorder, EventType, ObjectReference
from tandem_controller.kube.reflector import Reflector
from tandem_controller.kube.resource import Resource
from tandem_controller.kube.store import Store
from tandem_controller.kube.wait import wait_for
from tests.cluster import bodies
from tests.cluster.account import ACCOUNT, restrict
from tests.cluster.bed import Bed
from tests.cluster.rights import Right, granted, refused, used

pytestmark = pytest.mark.cluster

APPLICATION = {"app.oam.dev/name": "store"}
STEPS = [bodies.step(20), bodies.step(50)]
ROLL_BACK = {"metadata": {"annotations": {"tandem.oam.dev/rollback": ""}}}
SECRETS = Resource("", "v1", "secrets", "Secret")

TRIES = 10

ADMISSION = (
    ("ValidatingAdmissionPolicyBinding", "tandem-workload"),
    ("ValidatingAdmissionPolicy", "tandem-workload"),
    ("MutatingAdmissionPolicyBinding", "tandem-workload"),
    ("MutatingAdmissionPolicy", "tandem-workload"),
    ("ValidatingWebhookConfiguration", "tandem"),
    ("MutatingWebhookConfiguration", "tandem"),
)


def _admission(kind: str) -> Resource:
    version = "v1beta1" if kind.startswith("MutatingAdmissionPolicy") else "v1"
    return guard_resource({"apiVersion": f"admissionregistration.k8s.io/{version}", "kind": kind})


NEVER_ASKED_FOR = {
    Right("rollouts.kruise.io", "rollouts/finalizers", "update"): (
        "OwnerReferencesPermissionEnforcement, on in the dev cluster, only looks it up"
    ),
    Right("tandem.oam.dev", "releasepolicies/finalizers", "update"): (
        "the same, for a record whose owner is the policy"
    ),
} | {
    Right(_admission(kind).group, _admission(kind).plural, "delete", "", name): (
        "OwnerReferencesPermissionEnforcement looks it up when owner references are stated; and "
        "another controller's start makes us delete them (test_standby.py)"
    )
    for kind, name in ADMISSION
}
"""Rights that the API server looks up at another request, which needs them, and why."""


@pytest.fixture
async def account(tandem: DevCluster, bed: Bed) -> AsyncIterator[Client]:
    """A client with the controller's rights."""
    del bed
    client = await Client.connect(kubeconfig=tandem.kubeconfig_for(USER), user_agent="test")
    try:
        yield client
    finally:
        await client.close()


async def test_every_right_is_used(
    bed: Bed,
    account: Client,
    tandem: DevCluster,
    tandem_process: TandemProcess,
    tandem_webhook: TandemProcess,
) -> None:
    await _release_and_roll_back_with_config(bed, tandem)
    await _release_by_an_extra_deployment(bed)
    await _outgrow_the_history(bed)
    await _leave_a_workload_paused(bed)
    await _write_the_certificate_and_admission_anew(bed.client, tandem_webhook)
    await _take_over(tandem, tandem_process)
    await _count_events(account, bed.namespace)
    await _list_where_no_list_is_streamed(account)

    admin = await Client.connect(kubeconfig=tandem.kubeconfig, user_agent="test")
    rights = granted(await restrict(admin, tandem))
    await admin.close()
    requests = used(tandem.audit_log, ACCOUNT)
    unused = {r for r in rights if not any(r.allows(request) for request in requests)}
    assert unused == set(NEVER_ASKED_FOR)
    assert refused(tandem.audit_log, ACCOUNT) == set()


async def _release_and_roll_back_with_config(bed: Bed, tandem: DevCluster) -> None:
    """In place, by a route, scaled in between; config is changed, lost and put back."""
    await bed.create(Kind.SERVICE, bodies.service())
    await bed.create(Kind.HTTP_ROUTE, bodies.http_route())
    for kind, name in _CONFIG:
        await bed.create(kind, _config(name, "1"))
    body = bodies.deployment()
    body["metadata"]["labels"] |= APPLICATION
    sources = [{_REFERENCES[kind]: {"name": name}} for kind, name in _CONFIG]
    body["spec"]["template"]["spec"]["containers"][0]["envFrom"] = sources
    await bed.create(Kind.DEPLOYMENT, body)
    await bed.create(Kind.ROLLOUT, bodies.rollout(steps=STEPS, routing=bodies.BY_ROUTE))
    await bed.until_proven("shop")
    await bed.patch(Kind.DEPLOYMENT, "shop", _with_sources("shop:v2", sources))
    await bed.until_paused("shop", 1)
    await _approve_another_revision(bed)
    await bed.approve("shop")
    await bed.until_paused("shop", 2)
    for replicas in (3, 10):
        await bed.patch(Kind.DEPLOYMENT, "shop", {"spec": {"replicas": replicas}})
        await bed.until(Kind.DEPLOYMENT, "shop", _has_ready(replicas))
    await _disturb_a_batch(bed, tandem)
    for kind, name in _CONFIG[:2]:
        await bed.patch(kind, name, {"data": {"key": "Mg=="}})
    for kind, name in _CONFIG[2:]:
        await bed.delete(kind, name)
    await bed.patch(Kind.ROLLOUT, "shop", ROLL_BACK)
    await bed.until_phase("shop", "Healthy")
    for kind, name in _CONFIG:
        assert (await bed.get(kind, name))["data"] == _config(name, "1")["data"]


async def _disturb_a_batch(bed: Bed, tandem: DevCluster) -> None:
    """ReplicaSets that somebody scales by hand while a step waits are scaled back.

    At rest, as in a move Tandem turns the Deployment's knobs and its controller scales; both at
    once, as that controller sees to their sum, and may be the faster one.
    """
    sizes = {"shop:v1": 5, "shop:v2": 5}
    names = {
        each["spec"]["template"]["spec"]["containers"][0]["image"]: each["metadata"]["name"]
        for each in await bed.items(Kind.REPLICA_SET)
    }
    for _ in range(TRIES):
        await bed.until(Kind.DEPLOYMENT, "shop", _is_at_rest)
        for image, size in sizes.items():
            await bed.until(Kind.REPLICA_SET, names[image], _is_complete(size))
        if Right("apps", "replicasets", "patch", bed.namespace, names["shop:v2"]) in used(
            tandem.audit_log, ACCOUNT
        ):
            return
        disturbed = {"shop:v1": 4, "shop:v2": 6}
        await asyncio.gather(
            *(
                bed.patch(Kind.REPLICA_SET, names[image], {"spec": {"replicas": size}})
                for image, size in disturbed.items()
            )
        )
        await bed.until(Kind.REPLICA_SET, names["shop:v2"], _is_complete(5))
    msg = f"the Deployment's controller was faster {TRIES} times"
    raise AssertionError(msg)


def _is_complete(size: int) -> Callable[[bodies.Obj | None], bool]:
    def complete(replica_set: bodies.Obj | None) -> bool:
        if replica_set is None:
            return False
        found = (replica_set["spec"]["replicas"], replica_set["status"].get("readyReplicas", 0))
        return found == (size, size)

    return complete


def _is_at_rest(deployment: bodies.Obj | None) -> bool:
    if deployment is None:
        return False
    seen = deployment["status"]["observedGeneration"] == deployment["metadata"]["generation"]
    return seen and bool(deployment["spec"].get("paused"))


async def _approve_another_revision(bed: Bed) -> None:
    """What becomes of an approval is written to it: this one is for nothing that waits."""
    spec = {"rollout": "shop", "revision": "0123456789", "step": 1, "by": "a workflow"}
    await bed.create(Kind.RELEASE_APPROVAL, {"metadata": {"name": "other"}, "spec": spec})
    await bed.until(
        Kind.RELEASE_APPROVAL,
        "other",
        lambda o: o is not None and o.get("status", {}).get("phase") == "Void",
    )


_CONFIG = (
    (Kind.CONFIG_MAP, "changed"),
    (Kind.SECRET, "changed"),
    (Kind.CONFIG_MAP, "lost"),
    (Kind.SECRET, "lost"),
)
_REFERENCES = {Kind.CONFIG_MAP: "configMapRef", Kind.SECRET: "secretRef"}


def _config(name: str, value: str) -> bodies.Obj:
    return {"metadata": {"name": name, "labels": APPLICATION}, "data": {"key": f"{value}A=="}}


def _with_sources(image: str, sources: list[bodies.Obj]) -> bodies.Obj:
    patch = bodies.new_images("init:v2", image)
    patch["spec"]["template"]["spec"]["containers"][0]["envFrom"] = sources
    return patch


def _has_ready(replicas: int) -> Callable[[bodies.Obj | None], bool]:
    return lambda o: (o or {}).get("status", {}).get("readyReplicas") == replicas


async def _release_by_an_extra_deployment(bed: Bed) -> None:
    """In canary style, by the annotations of ingress-nginx, to the end."""
    await bed.create(Kind.SERVICE, bodies.service("web"))
    await bed.create(Kind.INGRESS, bodies.ingress("web"))
    await bed.create(Kind.DEPLOYMENT, bodies.deployment("web"))
    routing = {**bodies.BY_INGRESS, "service": "web", "ingress": {"name": "web"}}
    steps = [bodies.step(20), bodies.step(50, pause={"duration": 0})]
    made = bodies.rollout("web", steps=steps, routing=routing, style="canary")
    await bed.create(Kind.ROLLOUT, made)
    await bed.until_phase("web", "Healthy")
    await bed.patch(Kind.DEPLOYMENT, "web", bodies.new_images("init:v2", "shop:v2"))
    await bed.until_paused("web", 1)
    await bed.approve("web")
    await bed.until_phase("web", "Healthy")


async def _outgrow_the_history(bed: Bed) -> None:
    """More releases than the policy keeps records of."""
    await bed.create(Kind.RELEASE_POLICY, _policy("tiny", history=1))
    await bed.create(Kind.DEPLOYMENT, bodies.deployment("tiny", replicas=1))
    steps = [bodies.step(100, pause={"duration": 0})]
    await bed.create(Kind.ROLLOUT, bodies.rollout("tiny", steps=steps))
    await bed.until_phase("tiny", "Healthy")
    for version in ("v2", "v3", "v4"):
        image = f"shop:{version}"
        await bed.patch(Kind.DEPLOYMENT, "tiny", bodies.new_images("init:v1", image))
        await bed.until(Kind.ROLLOUT, "tiny", lambda o: _phase(o) == "Progressing")
        await bed.until_phase("tiny", "Healthy")


async def _leave_a_workload_paused(bed: Bed) -> None:
    """What a Rollout left that is gone is taken away; whether it is gone is asked for."""
    body = bodies.deployment("left", replicas=1)
    body["metadata"]["annotations"] = {keys.IN_PROGRESSING: '{"rolloutName":"gone"}'}
    body["spec"]["paused"] = True
    await bed.create(Kind.DEPLOYMENT, body)
    await bed.until(
        Kind.DEPLOYMENT, "left", lambda o: o is not None and not o["spec"].get("paused")
    )


def _policy(name: str, *, history: int) -> bodies.Obj:
    resource = KNOWN[Kind.RELEASE_POLICY].resource
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"name": name},
        "spec": {"history": history},
    }


def _phase(rollout: bodies.Obj | None) -> str:
    return str((rollout or {}).get("status", {}).get("phase", ""))


async def _write_the_certificate_and_admission_anew(client: Client, webhook: TandemProcess) -> None:
    """What an upgrade finds: a certificate that is no good any more, admission objects gone."""
    webhook.stop()
    spoilt = {"data": dict.fromkeys(("ca.crt", "tls.crt", "tls.key"), "")}
    await client.patch(SECRETS, names.WEBHOOK_SECRET, spoilt, NAMESPACE, patch_type=PatchType.MERGE)
    for kind, name in ADMISSION:
        await client.delete(_admission(kind), name, uid=None)
    webhook.start()
    for kind, name in ADMISSION:
        await wait_for(client, _admission(kind), name, None, lambda o: o is not None, seconds=30)
    assert await client.get(CRD, "rollouts.rollouts.kruise.io")


async def _take_over(tandem: DevCluster, leader: TandemProcess) -> None:
    """A second replica watches the Lease, and takes it when the first ends."""
    watched = Right("coordination.k8s.io", "leases", "watch", NAMESPACE, names.LEASE)
    second = TandemProcess.controller(tandem, "tandem-controller-2")
    second.start()
    try:
        log = tandem.audit_log
        await asyncio.to_thread(
            wait, "a second replica", lambda: watched in used(log, ACCOUNT), seconds=30
        )
    finally:
        leader.stop()
        leader.start()
        leader.health_address()
        second.stop()


async def _count_events(account: Client, namespace: str) -> None:
    """An Event that comes again is counted up; the controller does so after a while only."""
    recorder = EventRecorder(account, controller="test", instance="test", series_write_seconds=0.1)
    about = ObjectReference("apps/v1", "Deployment", namespace, "shop")
    task = asyncio.create_task(recorder.run())
    for _ in range(3):
        recorder.record(about, type=EventType.NORMAL, reason="Tested", action="Test", note="again")
        await asyncio.sleep(0.3)
    await recorder.flush()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _list_where_no_list_is_streamed(account: Client) -> None:
    """As an API server older than 1.34 is read, page by page."""
    for known in WATCHED.values():
        reflector = Reflector(
            account,
            known.resource,
            decode=known.decode,
            store=Store(),
            on_change=lambda _old, _new: None,
            watch_list=False,
        )
        task = asyncio.create_task(reflector.run())
        async with asyncio.timeout(10):
            await reflector.has_synced.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
