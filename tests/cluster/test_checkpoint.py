"""The checkpoint at admission, asked by a real API server about Applications."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import pytest

from demo.processes import TandemProcess
from devcluster.cluster import DevCluster
from tandem_controller.install import CRD, apply, install_crds
from tandem_controller.keys import RECORD_ROLLOUT, TOGETHER
from tandem_controller.kube.client import Client, PatchType
from tandem_controller.kube.errors import Invalid
from tandem_controller.kube.resource import Resource
from tandem_controller.kube.wait import wait_for

pytestmark = pytest.mark.cluster

Obj = dict[str, Any]

APPLICATIONS = Resource("core.oam.dev", "v1beta1", "applications", "Application")
RECORDS = Resource("tandem.oam.dev", "v1alpha1", "releaserecords", "ReleaseRecord")
WEBHOOKS = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingwebhookconfigurations",
    "ValidatingWebhookConfiguration",
    namespaced=False,
)
OPEN: Obj = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
APPLICATION_CRD: Obj = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "applications.core.oam.dev"},
    "spec": {
        "group": "core.oam.dev",
        "names": {"kind": "Application", "plural": "applications"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1beta1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {"spec": OPEN, "status": OPEN},
                    }
                },
            }
        ],
    },
}
"""As open as KubeVela's own, whose properties are of any form."""


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevCluster]:
    """A cluster whose webhook process denies."""
    with DevCluster("checkpoint", state_dir=tmp_path_factory.mktemp("checkpoint")) as cluster:
        asyncio.run(_install(cluster))
        webhook = TandemProcess.webhook(cluster, "--checkpoint", "deny")
        webhook.start()
        try:
            yield cluster
        finally:
            webhook.stop()


async def _install(cluster: DevCluster) -> None:
    client = await Client.connect(kubeconfig=cluster.kubeconfig, user_agent="test")
    try:
        await install_crds(client)
        await apply(client, CRD, APPLICATION_CRD)
        await wait_for(client, CRD, APPLICATION_CRD["metadata"]["name"], None, _served, seconds=30)
    finally:
        await client.close()


def _served(crd: Obj | None) -> bool:
    conditions = ((crd or {}).get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)


@pytest.fixture
async def user(plane: DevCluster) -> AsyncIterator[Client]:
    client = await Client.connect(kubeconfig=plane.kubeconfig_for("tandem-user"), user_agent="test")
    try:
        await wait_for(client, WEBHOOKS, "tandem", None, _judging, seconds=60)
        yield client
    finally:
        await client.close()


def _judging(configuration: Obj | None) -> bool:
    return any("applications" in w["name"] for w in (configuration or {}).get("webhooks", ()))


def properties(component: str = "shop", **changes: object) -> Obj:
    stated = {"businessImage": "shop:1", "initImage": "init:1", "replicas": 2, **changes}
    whole = {"name": component, "type": "canary-ready-component", "properties": stated}
    return {"spec": {"components": [whole]}}


async def patch(user: Client, name: str, body: Obj) -> Obj:
    raw = await user.patch(APPLICATIONS, name, body, "default", patch_type=PatchType.MERGE)
    decoded: Obj = msgspec.json.decode(raw)
    return decoded


async def create(user: Client, name: str, spec: Obj | None = None) -> None:
    body = {"apiVersion": "core.oam.dev/v1beta1", "kind": "Application", "metadata": {"name": name}}
    await user.create(APPLICATIONS, body | (spec or properties()), "default", field_manager="test")


async def _until_asked(user: Client, name: str, both: Obj) -> str:
    """Return the refusal; the API server learns of a webhook by a watch of its own."""
    async with asyncio.timeout(30):
        while True:
            try:
                await patch(user, name, both)
            except Invalid as refused:
                return refused.message
            await patch(user, name, properties())
            await asyncio.sleep(0.1)


async def test_both_in_one_step_are_refused_and_each_alone_passes(user: Client) -> None:
    await create(user, "shop")
    both = properties(businessImage="shop:2", initImage="init:2", replicas=3)
    said = await _until_asked(user, "shop", both)
    assert "spec.components[shop]: a component update (properties.initImage) and" in said
    await patch(user, "shop", properties(initImage="init:2", replicas=3))
    await patch(user, "shop", both)
    with pytest.raises(Invalid):
        await patch(user, "shop", properties())
    reason = {"metadata": {"annotations": {TOGETHER: "back to the first version"}}}
    assert (await patch(user, "shop", properties() | reason))["spec"] == properties()["spec"]
    with pytest.raises(Invalid):
        await patch(user, "shop", both | reason)


async def test_kubevelas_status_passes_whatever_the_spec_says(user: Client) -> None:
    await create(user, "status")
    raw = await user.patch(
        APPLICATIONS,
        "status",
        {"status": {"phase": "running"}},
        "default",
        subresource="status",
        patch_type=PatchType.MERGE,
    )
    assert msgspec.json.decode(raw)["status"] == {"phase": "running"}


async def test_a_version_that_a_record_proves_is_gone_back_to_in_one_step(user: Client) -> None:
    now = properties("cart", businessImage="cart:2", initImage="init:2")
    back = properties("cart", businessImage="cart:1", initImage="init:1")
    await create(user, "cart", now)
    await _until_asked(user, "cart", properties("cart", businessImage="cart:9", initImage="init:9"))
    await patch(user, "cart", now)
    with pytest.raises(Invalid):
        await patch(user, "cart", back)
    await _record(user, "cart", "cart:1", "init:1")
    async with asyncio.timeout(30):
        while True:  # the webhook learns of the record by a watch
            try:
                assert (await patch(user, "cart", back))["spec"] == back["spec"]
                break
            except Invalid:
                await asyncio.sleep(0.1)


async def _record(user: Client, rollout: str, *images: str) -> None:
    workload = {"apiVersion": "apps/v1", "kind": "Deployment", "name": rollout, "uid": "u"}
    spec = {
        "workload": workload,
        "fingerprint": "f",
        "template": {"spec": {"containers": []}},
        "images": [{"name": image.partition(":")[0], "image": image} for image in images],
    }
    body = {
        "apiVersion": RECORDS.api_version,
        "kind": RECORDS.kind,
        "metadata": {"name": rollout, "labels": {RECORD_ROLLOUT: rollout}},
        "spec": spec,
    }
    await user.create(RECORDS, body, "default", field_manager="test")
    attempt = {"startedAt": "2026-01-01T00:00:00Z", "outcome": "Completed"}
    await user.patch(
        RECORDS,
        rollout,
        {"status": {"attempts": [attempt]}},
        "default",
        subresource="status",
        patch_type=PatchType.MERGE,
    )
