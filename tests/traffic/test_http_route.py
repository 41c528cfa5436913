"""An HTTPRoute edited in place: each split as whole rules, and the way back without a trace."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem_controller.api.meta import ObjectMeta
from tandem_controller.api.network import HTTPRoute
from tandem_controller.api.rollout import (
    GatewayRef,
    PathMatch,
    RouteMatch,
    TrafficRouting,
    ValueMatch,
)
from tandem_controller.effect import Kind, Patch
from tandem_controller.snapshot import TrafficSnapshot
from tandem_controller.traffic.http_route import HTTPRouteProvider
from tandem_controller.traffic.split import Backends, Split
from tests.examples import OWNER, Obj, patched

PROVIDER = HTTPRouteProvider()
SHOP = Backends(namespace="web", stable="shop", canary="shop-canary", owner=OWNER)
ROOT: Obj = {"path": {"type": "PathPrefix", "value": "/"}}
BETA = RouteMatch(headers=(ValueMatch(name="x-group", value="beta"),))
BETA_HEADER: Obj = {"type": "Exact", "name": "x-group", "value": "beta"}


def ref(name: str, weight: int | None = 1, **more: object) -> Obj:
    """A backendRef as the API server stores it."""
    weighted = {} if weight is None else {"weight": weight}
    return {"group": "", "kind": "Service", "name": name, "port": 80, **weighted, **more}


def rule(*refs: Obj, matches: list[Obj] | None = None, **more: object) -> Obj:
    return {"matches": [ROOT] if matches is None else matches, "backendRefs": list(refs), **more}


def route(*rules: Obj) -> HTTPRoute:
    meta = ObjectMeta(name="shop", namespace="web", uid="uid-route", resource_version="90")
    return HTTPRoute(metadata=meta, spec={"parentRefs": [{"name": "gate"}], "rules": list(rules)})


def rules_of(current: HTTPRoute) -> list[Obj]:
    found: list[Obj] = current.spec["rules"]
    return found


def seen(current: HTTPRoute) -> TrafficSnapshot:
    return TrafficSnapshot(http_route=current)


def split(current: HTTPRoute, wanted: Split, before: HTTPRoute | None) -> HTTPRoute:
    """The route after a split is in force; asked again, nothing is due."""
    original = before.spec if before else None
    effects = PROVIDER.route(seen(current), SHOP, wanted, original)
    after = HTTPRoute(
        metadata=current.metadata, spec=patched({"spec": current.spec}, effects)["spec"]
    )
    assert PROVIDER.route(seen(after), SHOP, wanted, original) == ()
    return after


def restored(current: HTTPRoute, before: HTTPRoute | None) -> HTTPRoute:
    original = before.spec if before else None
    effects = PROVIDER.restore(seen(current), SHOP, original)
    after = HTTPRoute(
        metadata=current.metadata, spec=patched({"spec": current.spec}, effects)["spec"]
    )
    assert PROVIDER.restore(seen(after), SHOP, original) == ()
    return after


def weighted(before: HTTPRoute, weight: int) -> list[Obj]:
    return rules_of(split(before, Split(weight=weight), before))


class TestWeight:
    def test_is_one_patch_of_all_rules(self) -> None:
        before = route(rule(ref("shop")))
        assert PROVIDER.route(seen(before), SHOP, Split(weight=20), before.spec) == (
            Patch(
                kind=Kind.HTTP_ROUTE,
                namespace="web",
                name="shop",
                uid="uid-route",
                resource_version="90",
                body={"spec": {"rules": [rule(ref("shop", 80), ref("shop-canary", 20))]}},
            ),
        )

    def test_of_everything_leaves_the_stable_service_without_a_share(self) -> None:
        assert weighted(route(rule(ref("shop"))), 100) == [
            rule(ref("shop", 0), ref("shop-canary", 100))
        ]

    def test_of_nothing_changes_nothing(self) -> None:
        before = route(rule(ref("shop", 7)))
        assert PROVIDER.route(seen(before), SHOP, Split(weight=0), before.spec) == ()

    def test_splits_every_rule_that_names_the_stable_service_and_no_other(self) -> None:
        api = {"path": {"type": "PathPrefix", "value": "/api"}}
        redirect: Obj = {"filters": [{"type": "RequestRedirect"}], "matches": [api]}
        before = route(
            rule(ref("shop"), matches=[api], name="api"),
            rule(ref("docs")),
            redirect,
            rule(ref("shop", None, port=81), filters=[{"type": "URLRewrite"}]),
        )
        assert weighted(before, 30) == [
            rule(ref("shop", 70), ref("shop-canary", 30), matches=[api], name="api"),
            rule(ref("docs")),
            redirect,
            rule(
                ref("shop", 70, port=81),
                ref("shop-canary", 30, port=81),
                filters=[{"type": "URLRewrite"}],
            ),
        ]

    def test_keeps_the_users_proportions_beside_other_backends(self) -> None:
        before = route(rule(ref("shop", 3), ref("docs", 1), ref("old", 0)))
        assert weighted(before, 20) == [
            rule(ref("shop", 240), ref("shop-canary", 60), ref("docs", 100), ref("old", 0))
        ]

    def test_gives_a_service_that_is_switched_off_no_traffic(self) -> None:
        assert weighted(route(rule(ref("shop", 0))), 20) == [
            rule(ref("shop", 0), ref("shop-canary", 0))
        ]

    def test_stays_within_the_largest_weight_that_the_api_takes(self) -> None:
        [only] = weighted(route(rule(ref("shop", 1_000_000), ref("docs", 500_000))), 10)
        assert only == rule(ref("shop", 900_000), ref("shop-canary", 100_000), ref("docs", 500_000))

    @pytest.mark.parametrize(
        "mine",
        [
            {"name": "shop", "port": 80},
            {"name": "shop", "port": 80, "kind": "Service"},
            {"name": "shop", "port": 80, "group": ""},
            {"name": "shop", "port": 80, "group": None, "kind": None},
            {"name": "shop", "port": 80, "namespace": "web"},
        ],
    )
    def test_knows_a_service_by_the_defaults_of_kind_group_and_namespace(self, mine: Obj) -> None:
        before = route({"backendRefs": [mine]})
        assert weighted(before, 20) == [
            {
                "backendRefs": [
                    {**mine, "weight": 80},
                    {**mine, "name": "shop-canary", "weight": 20},
                ]
            }
        ]

    @pytest.mark.parametrize(
        "other",
        [
            ref("shop", kind="ServiceImport", group="multicluster.x-k8s.io"),
            ref("shop", namespace="elsewhere"),
        ],
    )
    def test_leaves_other_objects_of_the_same_name_alone(self, other: Obj) -> None:
        before = route(rule(ref("shop")), rule(other))
        assert weighted(before, 20)[1] == rule(other)


class TestMatches:
    def test_send_requests_that_fit_to_the_canary_and_leave_the_rest(self) -> None:
        before = route(rule(ref("shop", 3), name="main", timeouts={"request": "5s"}))
        after = split(before, Split(matches=(BETA,)), before)
        assert rules_of(after) == [
            rule(
                ref("shop-canary", 1),
                matches=[{**ROOT, "headers": [BETA_HEADER]}],
                timeouts={"request": "5s"},
            ),
            rule(ref("shop", 3), name="main", timeouts={"request": "5s"}),
        ]

    def test_are_added_to_each_condition_that_the_user_has(self) -> None:
        here: Obj = {"path": {"type": "Exact", "value": "/a"}, "headers": [{"name": "h"}]}
        there: Obj = {"path": {"type": "PathPrefix", "value": "/b"}, "queryParams": [{"name": "q"}]}
        query = RouteMatch(
            query_params=(ValueMatch(name="try", value="^1", type="RegularExpression"),)
        )
        tried = {"type": "RegularExpression", "name": "try", "value": "^1"}
        before = route(rule(ref("shop"), matches=[here, there]))
        after = split(before, Split(matches=(BETA, query)), before)
        assert rules_of(after)[0]["matches"] == [
            {**here, "headers": [{"name": "h"}, BETA_HEADER]},
            {**there, "headers": [BETA_HEADER]},
            {**here, "queryParams": [tried]},
            {**there, "queryParams": [{"name": "q"}, tried]},
        ]

    def test_of_a_path_take_the_place_of_the_rules_own(self) -> None:
        sale = RouteMatch(path=PathMatch(type="Exact", value="/sale"))
        before = route(rule(ref("shop")))
        after = split(before, Split(matches=(sale,)), before)
        assert rules_of(after)[0]["matches"] == [{"path": {"type": "Exact", "value": "/sale"}}]

    def test_of_a_rule_without_conditions_start_from_every_path(self) -> None:
        before = route({"backendRefs": [ref("shop")]})
        after = split(before, Split(matches=(BETA,)), before)
        assert rules_of(after)[0]["matches"] == [{**ROOT, "headers": [BETA_HEADER]}]

    def test_take_only_the_stable_backends_along(self) -> None:
        before = route(rule(ref("shop", 3), ref("docs", 1)))
        after = split(before, Split(matches=(BETA,)), before)
        assert rules_of(after)[0]["backendRefs"] == [ref("shop-canary", 1)]

    def test_and_weight_are_both_in_force(self) -> None:
        before = route(rule(ref("shop")))
        after = split(before, Split(weight=5, matches=(BETA,)), before)
        assert rules_of(after) == [
            rule(ref("shop-canary", 1), matches=[{**ROOT, "headers": [BETA_HEADER]}]),
            rule(ref("shop", 95), ref("shop-canary", 5)),
        ]

    def test_leave_nothing_behind_when_a_weight_follows(self) -> None:
        before = route(rule(ref("shop", 9)), rule(ref("docs")))
        matched = split(before, Split(matches=(BETA,)), before)
        after = split(matched, Split(weight=20), before)
        assert rules_of(after) == [rule(ref("shop", 80), ref("shop-canary", 20)), rule(ref("docs"))]
        back = split(after, Split(matches=(BETA,)), before)
        assert back == matched


class TestShareOfTheCanary:
    def test_is_the_largest_over_the_rules(self) -> None:
        current = route(rule(ref("shop", 90), ref("shop-canary", 10)), rule(ref("shop", 1)))
        assert PROVIDER.weight(seen(current), SHOP) == 10

    def test_is_rounded_up(self) -> None:
        current = route(rule(ref("shop", 2), ref("shop-canary", 1)))
        assert PROVIDER.weight(seen(current), SHOP) == 34

    def test_counts_no_other_backend_and_no_rule_of_matches(self) -> None:
        before = route(rule(ref("shop", 3), ref("docs", 50)))
        matched = split(before, Split(weight=25, matches=(BETA,)), before)
        assert PROVIDER.weight(seen(matched), SHOP) == 25

    def test_of_an_untouched_or_missing_route_is_nothing(self) -> None:
        assert PROVIDER.weight(seen(route(rule(ref("shop")))), SHOP) == 0
        assert PROVIDER.weight(seen(route(rule(ref("shop", 0)))), SHOP) == 0
        assert PROVIDER.weight(TrafficSnapshot(), SHOP) == 0


class TestEditsInMidRelease:
    """What the user writes while a release runs is kept."""

    ADDED = rule(ref("shop", 7), ref("docs", 3), matches=[{"path": {"value": "/new"}}])

    def test_a_rule_that_was_added_takes_part_and_stays_as_it_was_written(self) -> None:
        before = route(rule(ref("shop", 5)))
        current = split(before, Split(weight=20), before)
        edited = route(*rules_of(current), self.ADDED)
        again = split(edited, Split(weight=20), before)
        assert rules_of(again)[1]["backendRefs"] == [
            ref("shop", 560),
            ref("shop-canary", 140),
            ref("docs", 300),
        ]
        assert rules_of(restored(again, before)) == [rule(ref("shop", 5)), self.ADDED]

    def test_an_edited_rule_keeps_its_proportions(self) -> None:
        before = route(rule(ref("shop", 3), ref("docs", 1)))
        [only] = rules_of(split(before, Split(weight=20), before))
        edited = route({**only, "timeouts": {"request": "5s"}})
        again = split(edited, Split(weight=40), before)
        assert rules_of(again) == [
            rule(
                ref("shop", 180),
                ref("shop-canary", 120),
                ref("docs", 100),
                timeouts={"request": "5s"},
            )
        ]
        assert rules_of(restored(again, before)) == [
            rule(ref("shop", 3), ref("docs", 1), timeouts={"request": "5s"})
        ]

    def test_a_rule_that_was_removed_stays_away(self) -> None:
        before = route(rule(ref("shop"), name="a"), rule(ref("docs")), rule(ref("shop"), name="b"))
        current = split(before, Split(weight=20, matches=(BETA,)), before)
        edited = route(*rules_of(current)[:-2])
        assert rules_of(restored(edited, before)) == rules_of(before)[:2]

    def test_without_a_record_of_the_original_proportions_come_back(self) -> None:
        before = route(rule(ref("shop", 3), ref("docs", 1)), rule(ref("shop", 1), name="b"))
        current = split(before, Split(weight=20), before)
        assert restored(current, None) == before


REFS = st.builds(
    lambda name, weight, more: {**ref(name, weight), **more},
    st.sampled_from(["shop", "docs", "old"]),
    st.none() | st.integers(0, 20) | st.sampled_from([999, 1_000_000]),
    st.sampled_from([{}, {"namespace": "web"}, {"namespace": "far"}, {"kind": "X", "group": "y"}]),
)
MATCHES = st.sampled_from([[ROOT], [], [{"path": {"value": "/a"}}, ROOT], [{"headers": [{}]}]])
RULES = st.builds(
    lambda refs, matches, more: rule(*refs, matches=matches, **more),
    st.lists(REFS, max_size=3, unique_by=lambda r: (r["name"], r.get("namespace"), r["kind"])),
    MATCHES,
    st.sampled_from([{}, {"name": "n"}, {"filters": [{"type": "URLRewrite"}]}]),
)


def without_weights(value: Obj) -> str:
    refs = [{k: v for k, v in r.items() if k != "weight"} for r in value["backendRefs"]]
    return repr(sorted({**value, "backendRefs": refs}.items()))


ROUTES = st.lists(RULES, min_size=1, max_size=4, unique_by=without_weights).map(
    lambda rules: route(*rules)
)
HEADERS = st.builds(
    RouteMatch,
    headers=st.lists(
        st.builds(ValueMatch, name=st.sampled_from(["a", "b"]), value=st.just("1")), max_size=2
    ).map(tuple),
    path=st.none() | st.just(PathMatch(value="/p")),
)
SPLITS = st.lists(
    st.builds(
        Split,
        weight=st.none() | st.integers(0, 100),
        matches=st.lists(HEADERS, max_size=2).map(tuple),
    ),
    max_size=4,
)


@given(ROUTES, SPLITS)
def test_the_original_comes_back_after_any_splits(before: HTTPRoute, splits: list[Split]) -> None:
    current = copy.deepcopy(before)
    for wanted in splits:
        current = split(current, wanted, before)
    assert restored(current, before) == before


@given(ROUTES, SPLITS, st.integers(0, 6), st.integers(1, 50))
def test_a_rule_added_in_between_survives_any_splits(
    before: HTTPRoute, splits: list[Split], place: int, weight: int
) -> None:
    added = rule(ref("shop", weight), ref("new", 1), matches=[{"path": {"value": "/added"}}])
    current = copy.deepcopy(before)
    for index, wanted in enumerate(splits):
        current = split(current, wanted, before)
        if index == 0:
            rules = rules_of(current)
            current = route(*rules[:place], added, *rules[place:])
    expected = [*rules_of(before), added] if splits else rules_of(before)
    found = rules_of(restored(current, before))
    assert sorted(map(repr, map(tidy, found))) == sorted(map(repr, map(tidy, expected)))


def tidy(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """A rule with proportions in lowest terms, in an order that repr shows."""
    if isinstance(value, dict):
        return sorted((k, tidy(v)) for k, v in value.items())
    return [tidy(v) for v in value] if isinstance(value, list) else value


@given(ROUTES, SPLITS, st.integers(1, 100))
def test_the_share_in_force_is_the_one_asked_for(
    before: HTTPRoute, splits: list[Split], weight: int
) -> None:
    current = before
    for wanted in [*splits, Split(weight=weight)]:
        current = split(current, wanted, before)
    serves = any(
        r["name"] == "shop"
        and r.get("weight", 1)
        and r["kind"] == "Service"
        and r.get("namespace", "web") == "web"
        for one in rules_of(before)
        for r in one["backendRefs"]
    )
    assert PROVIDER.weight(seen(current), SHOP) == (weight if serves else 0)
    for one in rules_of(current):
        assert all(0 <= r.get("weight", 1) <= 1_000_000 for r in one["backendRefs"])


class TestProblem:
    ROUTING = TrafficRouting(service="shop", gateway=GatewayRef(http_route_name="shop"))

    def problem(self, traffic: TrafficSnapshot) -> str | None:
        return PROVIDER.problem(self.ROUTING, traffic, "shop")

    def test_is_a_missing_route(self) -> None:
        assert self.problem(TrafficSnapshot()) == (
            "trafficRoutings[0].gateway.httpRouteName: HTTPRoute 'shop' does not exist; create it "
            "or correct the name"
        )

    @pytest.mark.parametrize("other", [ref("docs"), ref("shop", namespace="far")])
    def test_is_a_route_without_the_service(self, other: Obj) -> None:
        assert self.problem(seen(route(rule(other)))) == (
            "trafficRoutings[0].gateway.httpRouteName: no rule of HTTPRoute 'shop' has Service "
            "'shop' as a backend; add it as a backendRef or correct trafficRoutings[0].service"
        )

    def test_is_none_otherwise(self) -> None:
        assert self.problem(seen(route(rule(ref("docs")), rule(ref("shop"))))) is None


def test_the_whole_spec_is_remembered() -> None:
    before = route(rule(ref("shop", 3)))
    assert PROVIDER.original(seen(before)) == ("shop", before.spec)
    assert PROVIDER.original(TrafficSnapshot()) is None


def test_a_missing_route_asks_for_nothing() -> None:
    assert PROVIDER.route(TrafficSnapshot(), SHOP, Split(weight=5), None) == ()
    assert PROVIDER.restore(TrafficSnapshot(), SHOP, None) == ()
