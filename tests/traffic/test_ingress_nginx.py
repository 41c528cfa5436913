"""The canary Ingress beside the user's: what it says for each split, and when it goes."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tandem_controller.api.meta import ObjectMeta
from tandem_controller.api.network import Ingress
from tandem_controller.api.rollout import IngressRef, RouteMatch, TrafficRouting, ValueMatch
from tandem_controller.effect import Create, Delete, Effect, Kind, Patch
from tandem_controller.snapshot import TrafficSnapshot
from tandem_controller.traffic.ingress_nginx import IngressNginxProvider
from tandem_controller.traffic.split import Backends, Split
from tests.examples import NOW, OWNER, Obj, owned, patched

PROVIDER = IngressNginxProvider()
SHOP = Backends(namespace="web", stable="shop", canary="shop-canary", owner=OWNER)
NGINX = "nginx.ingress.kubernetes.io/"
CANARY = {f"{NGINX}canary": "true"}
OURS = {"tandem.oam.dev/rollout": "shop"}


def header(name: str, value: str, kind: str = "Exact") -> RouteMatch:
    return RouteMatch(headers=(ValueMatch(name=name, value=value, type=kind),))


def by_header(name: str, **how: str) -> dict[str, str]:
    return {
        f"{NGINX}canary-by-header": name,
        **{f"{NGINX}canary-by-header-{key}": value for key, value in how.items()},
    }


BETA = header("x-group", "beta")
PATTERN = header("x-group", "b.*", "RegularExpression")
COOKIE = header("canary-by-cookie", "beta")
BY_BETA = by_header("x-group", value="beta")
BY_PATTERN = by_header("x-group", pattern="b.*")
BY_COOKIE = {f"{NGINX}canary-by-cookie": "beta"}

ANNOTATIONS: list[tuple[Split, dict[str, str]]] = [
    (Split(weight=20), {f"{NGINX}canary-weight": "20"}),
    (Split(weight=100), {f"{NGINX}canary-weight": "100"}),
    (Split(matches=(BETA,)), BY_BETA),
    (Split(matches=(PATTERN,)), BY_PATTERN),
    (Split(matches=(COOKIE,)), BY_COOKIE),
    (Split(matches=(BETA, COOKIE)), {**BY_BETA, **BY_COOKIE}),
    (Split(weight=5, matches=(BETA,)), {f"{NGINX}canary-weight": "5", **BY_BETA}),
    (Split(weight=5, matches=(PATTERN, COOKIE)), {f"{NGINX}canary-weight": "5"}),
]
ANNOTATIONS[-1][1].update({**BY_PATTERN, **BY_COOKIE})


def path(service: str, value: str = "/", **port: object) -> Obj:
    backend = {"service": {"name": service, "port": port or {"number": 80}}}
    return {"path": value, "pathType": "Prefix", "backend": backend}


def host(name: str, *paths: Obj) -> Obj:
    return {"host": name, "http": {"paths": list(paths)}}


def ingress(
    *rules: Obj,
    annotations: dict[str, str] | None = None,
    labels: dict[str, str] | None = None,
    **spec: object,
) -> Ingress:
    meta = ObjectMeta(
        name="shop",
        namespace="web",
        uid="uid-ingress",
        labels=labels or {},
        annotations=annotations or {},
    )
    return Ingress(metadata=meta, spec={"rules": list(rules) or [host("a", path("shop"))], **spec})


USERS = ingress()


def created(effects: tuple[Effect, ...]) -> Obj:
    [effect] = effects
    assert isinstance(effect, Create)
    assert effect.kind is Kind.INGRESS
    return effect.body


def stored(body: Obj) -> Ingress:
    """The canary Ingress once the API server has it."""
    found = msgspec.convert({**body, "metadata": {**body["metadata"], "uid": "uid-c"}}, Ingress)
    return replace(found, metadata=replace(found.metadata, resource_version="91"))


def canary_for(split: Split, users: Ingress = USERS) -> Ingress:
    return stored(created(route(users, None, split)))


def route(users: Ingress, canary: Ingress | None, split: Split) -> tuple[Effect, ...]:
    traffic = TrafficSnapshot(ingress=users, canary_ingress=canary)
    return PROVIDER.route(traffic, SHOP, split, None)


class TestCanaryIngress:
    def test_is_a_copy_that_leads_to_the_canary_service(self) -> None:
        tls = [{"hosts": ["a"], "secretName": "cert"}]
        users = ingress(
            host("a", path("shop", "/", name="http"), path("docs", "/docs")),
            host("b", path("docs")),
            {"host": "c"},
            {"http": {"paths": [path("shop", "/c")]}},
            annotations={f"{NGINX}rewrite-target": "/$1"},
            labels={"team": "a"},
            ingressClassName="nginx",
            tls=tls,
            defaultBackend={"service": {"name": "docs"}},
        )
        assert created(route(users, None, Split(weight=20))) == {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {
                "name": "shop-canary",
                "namespace": "web",
                "labels": {"team": "a", **OURS},
                "annotations": {
                    f"{NGINX}rewrite-target": "/$1",
                    **CANARY,
                    f"{NGINX}canary-weight": "20",
                },
                "ownerReferences": [OWNER],
            },
            "spec": {
                "ingressClassName": "nginx",
                "tls": tls,
                "rules": [
                    host("a", path("shop-canary", "/", name="http")),
                    {"http": {"paths": [path("shop-canary", "/c")]}},
                ],
            },
        }

    def test_states_neither_class_nor_tls_where_the_user_states_none(self) -> None:
        assert created(route(USERS, None, Split(weight=20)))["spec"] == {
            "rules": [host("a", path("shop-canary"))]
        }

    def test_carries_no_key_by_which_an_owner_tracks_its_objects(self) -> None:
        labels = {
            "app": "shop",
            "app.kubernetes.io/instance": "shop",
            "app.kubernetes.io/managed-by": "Helm",
            "app.oam.dev/name": "shop",
            "trait.oam.dev/type": "ingress",
            "workload.oam.dev/type": "webservice",
            "kustomize.toolkit.fluxcd.io/name": "apps",
            "helm.toolkit.fluxcd.io/name": "shop",
        }
        annotations = {
            "note": "kept",
            "argocd.argoproj.io/tracking-id": "shop:networking.k8s.io/Ingress:web/shop",
            "kubectl.kubernetes.io/last-applied-configuration": "{}",
            "app.oam.dev/last-applied-configuration": "{}",
            "meta.helm.sh/release-name": "shop",
        }
        users = ingress(labels=labels, annotations=annotations)
        metadata = created(route(users, None, Split(weight=20)))["metadata"]
        assert metadata["labels"] == {"app": "shop", **OURS}
        assert metadata["annotations"] == {
            "note": "kept",
            **CANARY,
            f"{NGINX}canary-weight": "20",
        }

    def test_leaves_the_users_ingress_as_it_is(self) -> None:
        users = ingress(host("a", path("shop"), path("docs")), tls=[{"hosts": ["a"]}])
        before = msgspec.json.encode(users)
        created(route(users, None, Split(weight=20)))["spec"]["tls"][0]["hosts"].append("x")
        assert msgspec.json.encode(users) == before


class TestSplit:
    @pytest.mark.parametrize(("split", "expected"), ANNOTATIONS)
    def test_is_said_by_the_annotations_of_nginx(
        self, split: Split, expected: dict[str, str]
    ) -> None:
        found = created(route(USERS, None, split))["metadata"]["annotations"]
        assert found == {**CANARY, **expected}

    def test_corrects_only_the_annotations_that_differ(self) -> None:
        canary = canary_for(Split(weight=20))
        assert route(USERS, canary, Split(weight=50)) == (
            Patch(
                kind=Kind.INGRESS,
                namespace="web",
                name="shop-canary",
                uid="uid-c",
                resource_version="91",
                body={"metadata": {"annotations": {f"{NGINX}canary-weight": "50"}}},
            ),
        )

    @given(
        st.sampled_from([s for s, _ in ANNOTATIONS]), st.sampled_from([s for s, _ in ANNOTATIONS])
    )
    def test_leaves_nothing_of_the_one_before(self, first: Split, second: Split) -> None:
        canary = canary_for(first)
        effects = route(USERS, canary, second)
        wire = {"metadata": {"annotations": canary.metadata.annotations}}
        after = patched(wire, effects)["metadata"]["annotations"]
        assert after == canary_for(second).metadata.annotations

    def test_is_written_once(self) -> None:
        for split, _ in ANNOTATIONS:
            assert route(USERS, canary_for(split), split) == ()

    def test_follows_rules_that_the_user_changes_in_mid_release(self) -> None:
        edited = ingress(host("a", path("shop")), host("b", path("shop")))
        [effect] = route(edited, canary_for(Split(weight=20)), Split(weight=20))
        assert isinstance(effect, Patch)
        assert effect.body == {
            "spec": {"rules": [host("a", path("shop-canary")), host("b", path("shop-canary"))]}
        }

    @pytest.mark.parametrize("split", [Split(), Split(weight=0)])
    def test_of_nothing_needs_no_canary_ingress(self, split: Split) -> None:
        assert route(USERS, None, split) == ()
        assert route(USERS, canary_for(Split(weight=20)), split) == REMOVE

    def test_of_a_missing_ingress_asks_for_nothing(self) -> None:
        assert PROVIDER.route(TrafficSnapshot(), SHOP, Split(weight=20), None) == ()


REMOVE = (Delete(kind=Kind.INGRESS, namespace="web", name="shop-canary", uid="uid-c"),)


class TestRestore:
    def test_deletes_the_canary_ingress_and_writes_nothing_else(self) -> None:
        traffic = TrafficSnapshot(ingress=USERS, canary_ingress=canary_for(Split(weight=20)))
        assert PROVIDER.restore(traffic, SHOP, None) == REMOVE

    def test_deletes_it_when_the_users_ingress_is_gone_too(self) -> None:
        traffic = TrafficSnapshot(canary_ingress=canary_for(Split(weight=20)))
        assert PROVIDER.restore(traffic, SHOP, None) == REMOVE

    def test_is_written_once(self) -> None:
        canary = canary_for(Split(weight=20))
        going = replace(canary, metadata=replace(canary.metadata, deletion_timestamp=NOW))
        for absent in (None, going):
            traffic = TrafficSnapshot(ingress=USERS, canary_ingress=absent)
            assert PROVIDER.restore(traffic, SHOP, None) == ()


class TestShareOfTheCanary:
    @pytest.mark.parametrize(
        ("split", "share"),
        [(Split(weight=20), 20), (Split(matches=(BETA,)), 0), (None, 0)],
    )
    def test_is_the_weight_that_the_canary_ingress_states(
        self, split: Split | None, share: int
    ) -> None:
        canary = canary_for(split) if split else None
        traffic = TrafficSnapshot(ingress=USERS, canary_ingress=canary)
        assert PROVIDER.weight(traffic, SHOP) == share


class TestProblem:
    ROUTING = TrafficRouting(service="shop", ingress=IngressRef(name="shop"))

    def problem(self, traffic: TrafficSnapshot) -> str | None:
        return PROVIDER.problem(self.ROUTING, traffic, "shop")

    def test_is_a_missing_ingress(self) -> None:
        assert self.problem(TrafficSnapshot()) == (
            "trafficRoutings[0].ingress.name: Ingress 'shop' does not exist; create it or correct "
            "the name"
        )

    def test_is_an_ingress_without_the_service(self) -> None:
        users = ingress(host("a", path("docs")), defaultBackend={"service": {"name": "shop"}})
        assert self.problem(TrafficSnapshot(ingress=users)) == (
            "trafficRoutings[0].ingress.name: no path of Ingress 'shop' has Service 'shop' as its "
            "backend; add it or correct trafficRoutings[0].service"
        )

    def test_is_none_otherwise(self) -> None:
        assert self.problem(TrafficSnapshot(ingress=USERS)) is None


def test_nothing_of_the_users_ingress_needs_to_be_remembered() -> None:
    assert PROVIDER.original(TrafficSnapshot(ingress=USERS)) is None


def test_owned_objects_name_their_rollout() -> None:
    canary = canary_for(Split(weight=20))
    assert canary.metadata.owner_references == owned(canary.metadata).owner_references
