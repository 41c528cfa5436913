"""Gateway API HTTPRoute: rules that name the stable Service are edited in place.

Weights follow `HTTPBackendRef.weight`: a share of the sum of a rule's weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from tandem_controller.api.network import HTTPRoute
from tandem_controller.api.rollout import RouteMatch, TrafficRouting, ValueMatch
from tandem_controller.effect import Effect, Kind, patch_of
from tandem_controller.snapshot import TrafficSnapshot
from tandem_controller.traffic.split import Backends, Split

Rule = dict[str, Any]
Ref = dict[str, Any]

MAX_WEIGHT = 1_000_000
"""The API's limit of a backendRef's weight."""


class HTTPRouteProvider:
    """Splits traffic between two backendRefs of an HTTPRoute's rules."""

    def problem(self, routing: TrafficRouting, traffic: TrafficSnapshot, stable: str) -> str | None:
        """Require the route, and a rule in it that names the stable Service."""
        name = routing.gateway.http_route_name if routing.gateway else None
        field = "trafficRoutings[0].gateway.httpRouteName"
        if traffic.http_route is None:
            return f"{field}: HTTPRoute {name!r} does not exist; create it or correct the name"
        namespace = traffic.http_route.metadata.namespace
        if not any(_names(rule, stable, namespace) for rule in _rules(traffic.http_route)):
            return (
                f"{field}: no rule of HTTPRoute {name!r} has Service {stable!r} as a backend; "
                f"add it as a backendRef or correct trafficRoutings[0].service"
            )
        return None

    def original(self, traffic: TrafficSnapshot) -> tuple[str, dict[str, Any]] | None:
        """Return the route's spec."""
        route = traffic.http_route
        return (route.metadata.name, route.spec) if route else None

    def weight(self, traffic: TrafficSnapshot, backends: Backends) -> int:
        """Return the highest share of the canary over the rules that serve the stable Service."""
        if traffic.http_route is None:
            return 0
        shares = [
            _share(rule, backends)
            for rule in _rules(traffic.http_route)
            if _names(rule, backends.stable, backends.namespace)
        ]
        return max(shares, default=0)

    def route(
        self,
        traffic: TrafficSnapshot,
        backends: Backends,
        split: Split,
        original: dict[str, Any] | None,
    ) -> tuple[Effect, ...]:
        """Patch the rules to this split."""
        route = traffic.http_route
        if route is None:
            return ()
        plain = _plain_rules(route, backends, original)
        return _patch(route, list(_split_rules(plain, backends, split)))

    def restore(
        self,
        traffic: TrafficSnapshot,
        backends: Backends,
        original: dict[str, Any] | None,
    ) -> tuple[Effect, ...]:
        """Patch the rules back to the user's."""
        route = traffic.http_route
        return _patch(route, _plain_rules(route, backends, original)) if route else ()


def _patch(route: HTTPRoute, rules: list[Rule]) -> tuple[Effect, ...]:
    if rules == _rules(route):
        return ()
    meta = route.metadata
    return (patch_of(Kind.HTTP_ROUTE, meta, {"spec": {"rules": rules}}),)


def _plain_rules(
    route: HTTPRoute, backends: Backends, original: dict[str, Any] | None
) -> list[Rule]:
    """Return the rules as the user means them now.

    Our backendRefs and rules are taken out and the user's weights put back; an edit that
    the user made to the route in mid-release stays.
    """
    before = list((original or {}).get("rules") or ())
    kept = [r for r in _rules(route) if not _only(r, backends.canary, backends.namespace)]
    return [_plain(rule, backends, before) for rule in kept]


def _plain(rule: Rule, backends: Backends, before: list[Rule]) -> Rule:
    """Return a rule with the weights it had, found by everything but weights.

    One that was edited in mid-release keeps its proportions; one without the canary is the
    user's own word.
    """
    if not _names(rule, backends.canary, backends.namespace):
        return rule
    plain = _united(rule, backends)
    return next((old for old in before if _weightless(old) == _weightless(plain)), plain)


def _united(rule: Rule, backends: Backends) -> Rule:
    """Give each canary backendRef's weight back to its stable one, in lowest terms."""
    refs = _refs(rule)
    canaries = [ref for ref in refs if _is(ref, backends.canary, backends.namespace)]
    stables = [ref for ref in refs if ref not in canaries]
    sums = [sum(map(_weight, [ref, *_twins(ref, canaries, backends)])) for ref in stables]
    divisor = math.gcd(*sums) or 1
    united = [
        {**ref, "weight": weight // divisor} for ref, weight in zip(stables, sums, strict=True)
    ]
    return {**rule, "backendRefs": united}


def _twins(ref: Ref, canaries: list[Ref], backends: Backends) -> list[Ref]:
    """Return the canary's backendRefs that took their weight from a stable one."""
    if not _is(ref, backends.stable, backends.namespace):
        return []
    return [canary for canary in canaries if _nameless(canary) == _nameless(ref)]


def _weightless(rule: Rule) -> Rule:
    refs = [{k: v for k, v in ref.items() if k != "weight"} for ref in _refs(rule)]
    return {**rule, "backendRefs": refs}


def _nameless(ref: Ref) -> Ref:
    return {k: v for k, v in ref.items() if k not in ("name", "weight")}


def _split_rules(plain: list[Rule], backends: Backends, split: Split) -> Iterator[Rule]:
    for rule in plain:
        if _names(rule, backends.stable, backends.namespace):
            yield from _matched_rules(rule, backends, split.matches)
            yield _weighted(rule, backends, split.weight or 0)
        else:
            yield rule


def _weighted(rule: Rule, backends: Backends, weight: int) -> Rule:
    """Divide the stable Service's share of a rule between the two Services.

    Beside other backends the user's proportions are kept by multiplying all weights by 100.
    """
    if weight == 0:
        return rule
    refs = _refs(rule)
    out: list[Ref] = []
    for ref, mine in zip(refs, _proportions(refs), strict=True):
        if _is(ref, backends.stable, backends.namespace):
            out.append({**ref, "weight": mine * (100 - weight)})
            out.append({**ref, "name": backends.canary, "weight": mine * weight})
        else:
            out.append({**ref, "weight": mine * 100})
    return {**rule, "backendRefs": out}


def _proportions(refs: list[Ref]) -> list[int]:
    """Return the weights of backendRefs, small enough to be multiplied by 100."""
    weights = [_weight(ref) for ref in refs]
    largest = max(weights)
    if len(weights) == 1:
        return [min(1, largest)]
    if largest * 100 <= MAX_WEIGHT:
        return weights
    return [math.ceil(weight * MAX_WEIGHT / (largest * 100)) for weight in weights]


def _matched_rules(
    rule: Rule, backends: Backends, matches: tuple[RouteMatch, ...]
) -> Iterator[Rule]:
    """Yield the rule's copy for requests that fit a step's matches.

    A route's most specific match wins (Gateway API, HTTPRouteRule precedence), and each of
    the copy's matches is the rule's own with conditions added.
    """
    if not matches:
        return
    own = rule.get("matches") or [{"path": {"type": "PathPrefix", "value": "/"}}]
    combined = [_combine(base, match) for match in matches for base in own]
    refs = [
        {**{k: v for k, v in ref.items() if k != "weight"}, "name": backends.canary, "weight": 1}
        for ref in _refs(rule)
        if _is(ref, backends.stable, backends.namespace)
    ]
    copy = {k: v for k, v in rule.items() if k != "name"}
    yield {**copy, "matches": combined, "backendRefs": refs}


def _combine(base: dict[str, Any], match: RouteMatch) -> dict[str, Any]:
    out = dict(base)
    if match.path:
        out["path"] = {"type": match.path.type, "value": match.path.value}
    if match.headers:
        out["headers"] = [*base.get("headers", ()), *map(_value_match, match.headers)]
    if match.query_params:
        out["queryParams"] = [*base.get("queryParams", ()), *map(_value_match, match.query_params)]
    return out


def _value_match(match: ValueMatch) -> dict[str, str]:
    return {"type": match.type, "name": match.name, "value": match.value}


def _rules(route: HTTPRoute) -> list[Rule]:
    return list(route.spec.get("rules") or ())


def _refs(rule: Rule) -> list[Ref]:
    return list(rule.get("backendRefs") or ())


def _is(ref: Ref, service: str, namespace: str) -> bool:
    """Whether a backendRef of a route in this namespace names its Service.

    Group, kind and namespace default to a core Service beside the route (Gateway API).
    """
    return (
        ref.get("name") == service
        and (ref.get("kind") or "Service") == "Service"
        and not ref.get("group")
        and (ref.get("namespace") or namespace) == namespace
    )


def _weight(ref: Ref) -> int:
    return int(ref.get("weight", 1))


def _names(rule: Rule, service: str, namespace: str) -> bool:
    return any(_is(ref, service, namespace) for ref in _refs(rule))


def _only(rule: Rule, service: str, namespace: str) -> bool:
    refs = _refs(rule)
    return bool(refs) and all(_is(ref, service, namespace) for ref in refs)


def _share(rule: Rule, backends: Backends) -> int:
    """Percentage of the rule's stable-and-canary traffic that goes to the canary, rounded up."""
    stable, canary = (
        sum(_weight(ref) for ref in _refs(rule) if _is(ref, service, backends.namespace))
        for service in (backends.stable, backends.canary)
    )
    return math.ceil(100 * canary / (stable + canary)) if stable + canary else 0
