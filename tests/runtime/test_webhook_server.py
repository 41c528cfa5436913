"""The webhook server over real TLS: routes, hot certificates, draining."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from tandem_controller.api.conversion import rollout_of
from tandem_controller.api.rollout import Rollout
from tandem_controller.decide.admission.application import Checkpoint, Mode
from tandem_controller.decide.admission.workload import Guarded
from tandem_controller.kube.errors import ApiError
from tandem_controller.webhooks.certificates import Bundle, renewed
from tandem_controller.webhooks.configuration import (
    APPLICATIONS_PATH,
    CONFIG_PATH,
    CONVERT_PATH,
    DISABLING_PATH,
    ROLLOUTS_MUTATE_PATH,
    ROLLOUTS_PATH,
    STATUS_PATH,
    WORKLOADS_PATH,
    Endpoint,
    mutating_configuration,
    validating_configuration,
)
from tandem_controller.webhooks.server import WebhookServer

Obj = dict[str, Any]

SHOP: Obj = {
    "apiVersion": "rollouts.kruise.io/v1beta1",
    "kind": "Rollout",
    "metadata": {"name": "shop", "namespace": "web"},
    "spec": {
        "workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"},
        "strategy": {"canary": {"steps": [{"replicas": 1}]}},
    },
}


class Cache:
    has_synced = True

    def __init__(self) -> None:
        self.more: Obj = {}
        """What the Rollout has beyond what it was made with."""
        self.late = 0
        """How often the cache does not know of the Rollout yet."""

    def guarded(self, namespace: str, kind: str, name: str) -> Iterable[Guarded]:
        self.late -= 1
        known = (namespace, kind, name) == ("web", "Deployment", "shop") and self.late < 0
        return [Guarded(rollout=rollout_of(SHOP))] if known else []

    def rollouts_in(self, namespace: str) -> Iterable[Rollout]:
        return [rollout_of(SHOP)] if namespace == "web" else []

    def rollouts(self) -> Iterable[Rollout]:
        return [rollout_of(SHOP | self.more)]


def bundle() -> Bundle:
    return renewed(None, ("127.0.0.1",), datetime.now(tz=UTC))


def trusting(ca: bytes) -> aiohttp.ClientSession:
    context = ssl.create_default_context(cadata=ca.decode())
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context))


class Running:
    def __init__(self, server: WebhookServer, cache: Cache, first: Bundle) -> None:
        self.server = server
        self.cache = cache
        self.first = first
        self.told: list[tuple[str, bool]] = []
        server.observe = lambda path, allowed: self.told.append((path, allowed))

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server.port}"

    async def post(self, path: str, body: Obj) -> Obj:
        async with (
            trusting(self.first.ca) as session,
            session.post(self.url + path, json=body) as answer,
        ):
            assert answer.status == 200, await answer.text()
            found: Obj = await answer.json()
            return found


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    first = bundle()
    cache = Cache()
    server = WebhookServer(lookup=cache, writers={"tandem"}, host="127.0.0.1", port=0)
    server.use(first)
    await server.start()
    try:
        yield Running(server, cache, first)
    finally:
        await server.stop(drain_seconds=0)


def review(new: Obj, old: Obj | None = None, **more: str) -> Obj:
    request: Obj = {
        "uid": "7",
        "operation": "UPDATE" if old else "CREATE",
        "namespace": "web",
        "name": new["metadata"]["name"],
        "userInfo": {"username": "ada"},
        "object": new,
        "oldObject": old,
    }
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": request | more,
    }


def deployment(image: str) -> Obj:
    return {
        "metadata": {"name": "shop"},
        "spec": {"replicas": 1, "template": {"spec": {"i": image}}},
    }


async def test_a_new_template_is_answered_with_a_patch(running: Running) -> None:
    answer = await running.post(WORKLOADS_PATH, review(deployment("2"), deployment("1")))
    assert answer["response"]["uid"] == "7"
    assert answer["response"]["patchType"] == "JSONPatch"
    assert running.told == [(WORKLOADS_PATH, True)]


async def test_a_rollout_that_the_cache_learns_of_a_moment_later_takes_over_all_the_same(
    running: Running,
) -> None:
    running.cache.late = 1
    answer = await running.post(WORKLOADS_PATH, review(deployment("2"), deployment("1")))
    assert answer["response"]["patchType"] == "JSONPatch"


async def test_a_second_rollout_is_refused_and_the_first_is_no_rival_of_itself(
    running: Running,
) -> None:
    twin = SHOP | {"metadata": {"name": "twin", "namespace": "web"}}
    refused = await running.post(ROLLOUTS_PATH, review(twin))
    assert not refused["response"]["allowed"]
    assert "already released" in refused["response"]["status"]["message"]
    assert (await running.post(ROLLOUTS_PATH, review(SHOP)))["response"]["allowed"]


async def test_a_status_and_an_update_pass_through_their_routes(running: Running) -> None:
    waiting = SHOP | {"status": {"canaryStatus": {"currentStepState": "StepPaused"}}}
    approved = SHOP | {"status": {"canaryStatus": {"currentStepState": "StepReady"}}}
    answer = await running.post(STATUS_PATH, review(approved, waiting, subResource="status"))
    assert answer["response"]["patch"]
    assert (await running.post(ROLLOUTS_MUTATE_PATH, review(SHOP, SHOP)))["response"]["allowed"]


async def test_config_keeps_its_mark_while_the_cache_is_not_complete(running: Running) -> None:
    key = "tandem.oam.dev/withheld-config"
    mark = '{"content":"1","instead":"3","overlaid":"2","record":"shop-1"}'
    marked = {"name": "settings", "labels": {key: "shop"}, "annotations": {key: mark}}
    old, new = ({"metadata": marked, "data": {"a": value}} for value in "12")
    assert (await running.post(CONFIG_PATH, review(new, old)))["response"]["patch"]
    running.cache.has_synced = False
    assert "patch" not in (await running.post(CONFIG_PATH, review(new, old)))["response"]


async def test_an_application_is_judged_by_the_checkpoint_that_was_set(running: Running) -> None:
    def application(init: str, shop: str) -> Obj:
        component = {"name": "shop", "properties": {"initImage": init, "businessImage": shop}}
        return {"metadata": {"name": "shop"}, "spec": {"components": [component]}}

    both = review(application("2", "2"), application("1", "1"))
    assert (await running.post(APPLICATIONS_PATH, both))["response"] == {
        "uid": "7",
        "allowed": True,
    }
    running.server.checkpoint = Checkpoint(mode=Mode.WARN)
    (warning,) = (await running.post(APPLICATIONS_PATH, both))["response"]["warnings"]
    assert "component shop" in warning
    running.server.checkpoint = Checkpoint(mode=Mode.DENY)
    assert not (await running.post(APPLICATIONS_PATH, both))["response"]["allowed"]
    running.server.proven = lambda namespace, component: [{namespace, component, "1", "2"}]
    assert (await running.post(APPLICATIONS_PATH, both))["response"]["allowed"]


def end_of_the_addon(**more: object) -> Obj:
    addon = {"metadata": {"name": "addon-tandem", "namespace": "vela-system"}}
    asked = review(addon, addon)
    asked["request"] |= {"operation": "DELETE", "namespace": "vela-system", "object": None} | more
    return asked


async def test_the_addon_ends_with_a_farewell_unless_a_release_runs(running: Running) -> None:
    said: list[str] = []

    async def farewell() -> None:
        said.append("farewell")

    running.server.farewell = farewell
    running.cache.more = {"status": {"phase": "Progressing"}}
    refused = (await running.post(DISABLING_PATH, end_of_the_addon()))["response"]
    assert "web/shop" in refused["status"]["message"]
    assert said == []
    running.cache.more = {"status": {"phase": "Healthy"}}
    asked = end_of_the_addon(dryRun=True)
    assert (await running.post(DISABLING_PATH, asked))["response"]["allowed"]
    assert said == []
    assert (await running.post(DISABLING_PATH, end_of_the_addon()))["response"]["allowed"]
    assert said == ["farewell"]


async def test_the_addon_does_not_end_when_its_farewell_fails(running: Running) -> None:
    async def farewell() -> None:
        raise ApiError(500, "InternalError", "no etcd")

    running.server.farewell = farewell
    refused = (await running.post(DISABLING_PATH, end_of_the_addon()))["response"]
    assert "no etcd" in refused["status"]["message"]


async def test_a_conversion_review_keeps_the_order_of_its_objects(running: Running) -> None:
    objects = [SHOP | {"metadata": {"name": name, "namespace": "web"}} for name in ("a", "b", "c")]
    request = {"uid": "9", "desiredAPIVersion": "rollouts.kruise.io/v1alpha1", "objects": objects}
    answer = (await running.post(CONVERT_PATH, {"request": request}))["response"]
    assert answer["result"] == {"status": "Success"}
    assert [o["metadata"]["name"] for o in answer["convertedObjects"]] == ["a", "b", "c"]
    assert {o["apiVersion"] for o in answer["convertedObjects"]} == {"rollouts.kruise.io/v1alpha1"}


@pytest.mark.parametrize("version", ["rollouts.kruise.io/v2", ""])
async def test_a_conversion_to_an_unknown_version_fails_with_its_name(
    running: Running, version: str
) -> None:
    request = {"uid": "9", "desiredAPIVersion": version, "objects": [SHOP]}
    answer = (await running.post(CONVERT_PATH, {"request": request}))["response"]
    assert answer["result"]["status"] == "Failure"
    assert version in answer["result"]["message"]


@pytest.mark.parametrize("path", [WORKLOADS_PATH, CONVERT_PATH])
async def test_rubbish_gets_a_400_and_not_a_crash(running: Running, path: str) -> None:
    async with trusting(running.first.ca) as session:
        for body in (b"", b"[]", b"{}"):
            async with session.post(running.url + path, data=body) as answer:
                assert answer.status == 400


async def test_a_new_certificate_is_served_to_new_connections_without_a_restart(
    running: Running,
) -> None:
    second = bundle()
    async with trusting(running.first.ca) as old_client, trusting(second.ca) as new_client:
        async with old_client.get(running.url + "/readyz") as answer:
            assert answer.status == 200
        running.server.use(second)
        async with new_client.get(running.url + "/readyz") as answer:
            assert answer.status == 200
        async with old_client.get(running.url + "/readyz") as answer:
            assert answer.status == 200  # over the connection that was open before


async def test_while_draining_requests_are_answered_and_connections_closed(
    running: Running,
) -> None:
    stopping = asyncio.create_task(running.server.stop(drain_seconds=0.3))
    await asyncio.sleep(0.05)
    async with trusting(running.first.ca) as session:
        body = review(deployment("2"), deployment("1"))
        async with session.post(running.url + WORKLOADS_PATH, json=body) as answer:
            assert answer.status == 200
            assert answer.headers["Connection"] == "close"
        async with session.get(running.url + "/readyz") as answer:
            assert answer.status == 503
        async with session.get(running.url + "/healthz") as answer:
            assert answer.status == 200  # or kubelet would end it in the middle of it
    await stopping


def test_all_webhooks_ignore_failures_and_leave_tandem_and_kube_system_alone() -> None:
    endpoint = Endpoint(ca_bundle=b"ca", url="https://127.0.0.1:9443")
    mutating = mutating_configuration(endpoint, {"tandem", 'od"d'})
    validating = validating_configuration(endpoint, {"tandem"})
    asked_about_releases = [
        w for w in validating["webhooks"] if not w["name"].startswith(("disable-addon", "traits"))
    ]
    for webhook in mutating["webhooks"] + asked_about_releases:
        assert webhook["failurePolicy"] == "Ignore"
        assert webhook["clientConfig"]["url"].startswith("https://127.0.0.1:9443/")
        conditions = {c["name"]: c["expression"] for c in webhook["matchConditions"]}
        assert '"tandem"' in conditions["not-tandem"]
    workloads = mutating["webhooks"][0]
    assert workloads["namespaceSelector"]["matchExpressions"][0]["values"] == ["kube-system"]
    assert any("oldObject.spec.template" in c["expression"] for c in workloads["matchConditions"])
    (config,) = (w for w in mutating["webhooks"] if w["rules"][0]["resources"][0] == "configmaps")
    selected = {"key": "tandem.oam.dev/withheld-config", "operator": "Exists"}
    assert config["objectSelector"] == {"matchExpressions": [selected]}


def test_applications_are_asked_about_only_where_a_checkpoint_is_set_and_never_block() -> None:
    """KubeVela goes on while no Tandem answers, and its status writes are not asked about."""
    endpoint = Endpoint(ca_bundle=b"ca", url="https://127.0.0.1:9443")
    names = [w["name"] for w in validating_configuration(endpoint, {"tandem"})["webhooks"]]
    assert "applications.tandem.oam.dev" not in names
    *_, webhook = validating_configuration(endpoint, {"tandem"}, applications=True)["webhooks"]
    assert webhook == {
        "name": "applications.tandem.oam.dev",
        "admissionReviewVersions": ["v1"],
        "clientConfig": endpoint.client_config(APPLICATIONS_PATH),
        "failurePolicy": "Ignore",
        "matchConditions": [
            {"name": "spec-changes", "expression": "object.spec != oldObject.spec"}
        ],
        "matchPolicy": "Equivalent",
        "rules": [
            {
                "apiGroups": ["core.oam.dev"],
                "apiVersions": ["v1beta1"],
                "operations": ["UPDATE"],
                "resources": ["applications"],
                "scope": "Namespaced",
            }
        ],
        "sideEffects": "None",
        "timeoutSeconds": 5,
    }


def test_applications_with_two_traits_that_make_one_rollout_are_asked_about_and_never_block() -> (
    None
):
    endpoint = Endpoint(ca_bundle=b"ca", url="https://127.0.0.1:9443")
    webhooks = {w["name"]: w for w in validating_configuration(endpoint, {"tandem"})["webhooks"]}
    webhook = webhooks["traits.tandem.oam.dev"]
    assert webhook["failurePolicy"] == "Ignore"
    assert [rule["operations"] for rule in webhook["rules"]] == [["CREATE", "UPDATE"]]
    changed, two = (c["expression"] for c in webhook["matchConditions"])
    assert changed == "oldObject == null || object.spec != oldObject.spec"
    assert "['rollout', 'kruise-rollout', 'rolling-release']).size() > 1" in two


def test_only_the_end_of_the_addon_needs_tandem_and_a_label_lets_it_end_without() -> None:
    endpoint = Endpoint(ca_bundle=b"ca", url="https://127.0.0.1:9443")
    webhooks = {w["name"]: w for w in validating_configuration(endpoint, {"tandem"})["webhooks"]}
    guarded = webhooks["disable-addon.tandem.oam.dev"]
    escaped = webhooks["disable-addon-break-glass.tandem.oam.dev"]
    assert [w["failurePolicy"] for w in (guarded, escaped)] == ["Fail", "Ignore"]
    for webhook in (guarded, escaped):
        assert [rule["operations"] for rule in webhook["rules"]] == [["DELETE"]]
        is_addon, label = (c["expression"] for c in webhook["matchConditions"])
        assert "== 'addon-tandem' && request.namespace == 'vela-system'" in is_addon
        assert "tandem.oam.dev/break-glass" in label


def test_inside_a_cluster_the_service_is_named() -> None:
    endpoint = Endpoint(ca_bundle=b"ca", service_namespace="vela-system", service_name="tandem")
    config = endpoint.client_config("/convert")
    assert config["service"] == {
        "namespace": "vela-system",
        "name": "tandem",
        "port": 443,
        "path": "/convert",
    }
