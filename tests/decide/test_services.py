"""The two Services of a split: the user's, pinned and given back, and its canary copy."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_controller.api.fingerprint import template_fingerprint
from tandem_controller.api.meta import ObjectMeta
from tandem_controller.api.network import HTTPRoute, Service
from tandem_controller.api.record import (
    Attempt,
    Originals,
    ReleaseRecord,
    ReleaseRecordSpec,
    ReleaseRecordStatus,
    WorkloadIdentity,
)
from tandem_controller.api.rollout import CanaryStrategy, GatewayRef, Step, TrafficRouting
from tandem_controller.decide import services
from tandem_controller.decide.case import Case
from tandem_controller.effect import Create, Delete, Effect, Kind, Patch
from tandem_controller.snapshot import Snapshot, TrafficSnapshot
from tandem_controller.workloads.deployment_in_place import DeploymentInPlace
from tests.examples import (
    NOW,
    OWNER,
    USERS_FIELDS,
    V1,
    V2,
    Obj,
    deployment,
    hash_of,
    patched,
    rollout,
    workload,
)

HASH = "pod-template-hash"
OURS = {"tandem.oam.dev/rollout": "shop"}
PINNED = {"app": "shop", HASH: hash_of(V1)}
ROUTED = CanaryStrategy(
    steps=(Step(replicas="20%", traffic="20%"),),
    traffic_routings=(TrafficRouting(service="shop", gateway=GatewayRef(http_route_name="shop")),),
)
OWNED_BY_CLUSTER: Obj = {
    "clusterIP": "10.0.0.7",
    "clusterIPs": ["10.0.0.7"],
    "externalIPs": ["1.2.3.4"],
    "externalName": "x.example",
    "externalTrafficPolicy": "Local",
    "healthCheckNodePort": 30001,
    "ipFamilies": ["IPv4"],
    "ipFamilyPolicy": "SingleStack",
    "loadBalancerClass": "x",
    "loadBalancerIP": "1.2.3.4",
    "loadBalancerSourceRanges": ["0.0.0.0/0"],
    "allocateLoadBalancerNodePorts": True,
    "type": "LoadBalancer",
}


def service(name: str = "shop", selector: dict[str, str] | None = None, **spec: object) -> Service:
    meta = ObjectMeta(name=name, namespace="web", uid=f"uid-{name}", resource_version="50")
    own = {"app": "shop"} if selector is None else selector
    return Service(metadata=meta, spec={"selector": own, "ports": [{"port": 80}], **spec})


def record(of: Obj, *attempts: Attempt) -> ReleaseRecord:
    shop = WorkloadIdentity(api_version="apps/v1", kind="Deployment", name="shop", uid="uid-shop")
    spec = ReleaseRecordSpec(workload=shop, fingerprint=template_fingerprint(of), template=of)
    status = ReleaseRecordStatus(attempts=attempts)
    return ReleaseRecord(metadata=ObjectMeta(name="r"), spec=spec, status=status)


def case(
    stable: Service | None,
    canary: Service | None = None,
    *,
    recorded: dict[str, str] | None = None,
    sets: tuple[tuple[Obj, int, int], ...] = ((V1, 8, 8), (V2, 2, 2)),
) -> Case:
    """A release in which the Service's selector was recorded, unless `recorded` is None."""
    known = {} if recorded is None else {"shop": dict(recorded)}
    originals = Originals(workload=USERS_FIELDS, services=dict(known))
    stated = deployment(template=V2, paused=True)
    return Case(
        snapshot=Snapshot(
            rollout=rollout(ROUTED),
            workload=workload(stated, *sets),
            traffic=TrafficSnapshot(stable_service=stable, canary_service=canary),
        ),
        now=NOW,
        provider=DeploymentInPlace(),
        stable=record(V1),
        release=record(V2, Attempt(started_at=NOW, originals=originals)),
    )


def select(selector: Obj, name: str = "shop") -> tuple[Effect, ...]:
    return (
        Patch(
            kind=Kind.SERVICE,
            namespace="web",
            name=name,
            uid=f"uid-{name}",
            resource_version="50",
            body={"spec": {"selector": selector}},
        ),
    )


def after(stable: Service, effects: tuple[Effect, ...]) -> Service:
    return Service(metadata=stable.metadata, spec=patched({"spec": stable.spec}, effects)["spec"])


USERS = {"app": "shop"}


class TestPin:
    def test_adds_the_hash_of_the_stable_pods(self) -> None:
        assert services.pin_stable(case(service(), recorded=USERS)) == select({HASH: hash_of(V1)})

    def test_is_written_once(self) -> None:
        assert services.pin_stable(case(service(selector=PINNED), recorded=USERS)) == ()

    def test_waits_until_the_hash_is_known(self) -> None:
        assert services.pin_stable(case(service(), recorded=USERS, sets=())) == ()

    def test_asks_nothing_of_a_service_that_is_gone(self) -> None:
        gone = case(None, recorded=USERS)
        assert (services.pin_stable(gone), services.unpin_stable(gone)) == ((), ())

    def test_corrects_a_hash_that_is_not_the_stable_ones(self) -> None:
        wrong = service(selector={"app": "shop", HASH: "x"})
        assert services.pin_stable(case(wrong, recorded=USERS)) == select({HASH: hash_of(V1)})


class TestUnpin:
    def test_takes_only_the_hash_away(self) -> None:
        pinned = case(service(selector=PINNED), recorded={"app": "shop"})
        assert services.unpin_stable(pinned) == select({HASH: None})

    def test_needs_no_record(self) -> None:
        assert services.unpin_stable(case(service(selector=PINNED))) == select({HASH: None})

    def test_is_written_once(self) -> None:
        assert services.unpin_stable(case(service(), recorded={"app": "shop"})) == ()

    def test_gives_a_hash_back_that_the_user_selects_by(self) -> None:
        own = {"app": "shop", HASH: "users"}
        pinned = service(selector=PINNED)
        back = after(pinned, services.unpin_stable(case(pinned, recorded=own)))
        assert back.selector == own

    def test_leaves_a_selector_alone_that_an_applier_has_given_back_already(self) -> None:
        restated = service(selector={"app": "shop"})
        assert services.unpin_stable(case(restated, recorded={"app": "shop"})) == ()

    @settings(max_examples=40)
    @given(
        st.dictionaries(
            st.sampled_from(["app", "tier", HASH]), st.sampled_from(["a", "b"]), min_size=1
        )
    )
    def test_gives_back_any_selector_that_was_pinned(self, users: dict[str, str]) -> None:
        before = service(selector=users)
        pinned = after(before, services.pin_stable(case(before, recorded=users)))
        assert pinned.selector == {**users, HASH: hash_of(V1)}
        assert after(pinned, services.unpin_stable(case(pinned, recorded=users))) == before


class TestCanaryCopy:
    def copy_of(self, stable: Service) -> Obj:
        [effect] = services.canary_service(case(stable, recorded=stable.selector))
        assert isinstance(effect, Create)
        assert effect.kind is Kind.SERVICE
        return effect.body

    def test_selects_the_new_pods(self) -> None:
        assert self.copy_of(service()) == {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": "shop-canary",
                "namespace": "web",
                "labels": OURS,
                "annotations": {},
                "ownerReferences": [OWNER],
            },
            "spec": {
                "selector": {"app": "shop", HASH: hash_of(V2)},
                "ports": [{"port": 80}],
            },
        }

    def test_has_nothing_that_belongs_to_one_service_alone(self) -> None:
        ports = [{"name": "http", "port": 80, "targetPort": "web", "nodePort": 30080}]
        kept: Obj = {
            "sessionAffinity": "ClientIP",
            "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 9}},
            "internalTrafficPolicy": "Local",
            "publishNotReadyAddresses": True,
        }
        stable = service(ports=ports, **OWNED_BY_CLUSTER, **kept)
        before = copy.deepcopy(stable.spec)
        assert self.copy_of(stable)["spec"] == {
            "selector": {"app": "shop", HASH: hash_of(V2)},
            "ports": [{"name": "http", "port": 80, "targetPort": "web"}],
            **kept,
        }
        assert stable.spec == before

    def test_of_a_headless_service_is_headless(self) -> None:
        stable = service(clusterIP="None", clusterIPs=["None"], type="ClusterIP")
        assert self.copy_of(stable)["spec"] == {
            "selector": {"app": "shop", HASH: hash_of(V2)},
            "ports": [{"port": 80}],
            "clusterIP": "None",
        }

    def test_carries_no_key_by_which_an_owner_tracks_its_objects(self) -> None:
        meta = ObjectMeta(
            name="shop",
            labels={"team": "a", "app.oam.dev/name": "x", "app.kubernetes.io/instance": "x"},
            annotations={
                "note": "kept",
                "argocd.argoproj.io/tracking-id": "x",
                "kubectl.kubernetes.io/last-applied-configuration": "{}",
                "kustomize.toolkit.fluxcd.io/checksum": "x",
            },
        )
        found = self.copy_of(Service(metadata=meta, spec=service().spec))["metadata"]
        assert (found["labels"], found["annotations"]) == (
            {"team": "a", **OURS},
            {"note": "kept"},
        )

    def test_starts_from_the_users_selector_although_the_service_is_pinned(self) -> None:
        pinned = case(service(selector=PINNED), recorded={"app": "shop"})
        [effect] = services.canary_service(pinned)
        assert isinstance(effect, Create)
        assert effect.body["spec"]["selector"] == {"app": "shop", HASH: hash_of(V2)}

    def test_follows_the_new_pods_when_it_exists(self) -> None:
        old = service("shop-canary", {"app": "shop", HASH: "old"})
        assert services.canary_service(case(service(), old, recorded={"app": "shop"})) == select(
            {HASH: hash_of(V2)}, "shop-canary"
        )

    def test_is_written_once(self) -> None:
        ours = service("shop-canary", {"app": "shop", HASH: hash_of(V2)})
        assert services.canary_service(case(service(), ours, recorded={"app": "shop"})) == ()

    def test_waits_until_the_hash_is_known(self) -> None:
        seen = case(service(), recorded={"app": "shop"}, sets=((V1, 10, 10),))
        assert services.canary_service(seen) == ()


class TestRemoval:
    def test_deletes_the_canary_service(self) -> None:
        assert services.remove_canary_service(case(service(), service("shop-canary"))) == (
            Delete(kind=Kind.SERVICE, namespace="web", name="shop-canary", uid="uid-shop-canary"),
        )

    def test_is_written_once(self) -> None:
        going = ObjectMeta(name="shop-canary", deletion_timestamp=NOW)
        for absent in (None, Service(metadata=going)):
            assert services.remove_canary_service(case(service(), absent)) == ()


class TestOriginals:
    ROUTE = HTTPRoute(metadata=ObjectMeta(name="shop"), spec={"rules": [{"name": "a"}]})

    @pytest.mark.parametrize("routed", [True, False])
    def test_are_remembered_where_traffic_is_routed(self, routed: bool) -> None:
        seen = Snapshot(
            rollout=rollout(ROUTED if routed else None),
            traffic=TrafficSnapshot(stable_service=service(), http_route=self.ROUTE),
        )
        found = (services.selectors(seen), services.routes(seen))
        assert found == (
            ({"shop": {"app": "shop"}}, {"shop": {"rules": [{"name": "a"}]}})
            if routed
            else ({}, {})
        )
