"""Whether traffic can be routed as a strategy asks for."""

from __future__ import annotations

from collections.abc import Iterator

from tandem_controller.api.rollout import (
    CanaryStrategy,
    RouteMatch,
    Step,
    TrafficRouting,
)
from tandem_controller.decide.validity.problem import Problem

ROUTINGS = "spec.strategy.canary.trafficRoutings"

SUPPORTED_INGRESS_CLASSES = ("", "nginx", "higress")
"""`ingress.classType`; an empty one is nginx (upstream)."""

COOKIE = "canary-by-cookie"
"""A header of this name means a cookie (upstream's nginx script)."""

MAX_ROUTINGS = 1


def routing_problems(canary: CanaryStrategy) -> Iterator[Problem]:
    """Yield what is wrong with the traffic routings of a strategy."""
    if canary.traffic_routing_ref:
        yield Problem(
            field="spec.strategy.canary.trafficRoutingRef",
            message="TrafficRouting objects are not supported yet",
            remedy="state the Service and its route in trafficRoutings",
        )
    if len(canary.traffic_routings) > MAX_ROUTINGS:
        yield Problem(
            field=ROUTINGS,
            message=f"there are {len(canary.traffic_routings)} entries",
            remedy=f"state at most {MAX_ROUTINGS}",
        )
    for index, routing in enumerate(canary.traffic_routings):
        yield from _problems_of(routing, f"{ROUTINGS}[{index}]")


def _problems_of(routing: TrafficRouting, field: str) -> Iterator[Problem]:
    if not routing.service:
        yield Problem(
            field=f"{field}.service",
            message="the Service is missing",
            remedy="name the Service that selects the pods of the workload",
        )
    if routing.grace_period_seconds < 0:
        yield Problem(
            field=f"{field}.gracePeriodSeconds",
            message=f"{routing.grace_period_seconds} seconds is no time to wait",
            remedy="state 0 or more; 0 means the default of 3",
        )
    yield from _route_problems(routing, field)


def _route_problems(routing: TrafficRouting, field: str) -> Iterator[Problem]:
    ingress, gateway = routing.ingress, routing.gateway
    if routing.custom_network_refs:
        yield Problem(
            field=f"{field}.customNetworkRefs",
            message="routes other than Ingress and HTTPRoute are not supported yet",
            remedy="remove it and state ingress or gateway",
        )
    elif ingress is None and gateway is None:
        yield Problem(
            field=field,
            message="no route is named, so no traffic could be moved",
            remedy="state ingress.name or gateway.httpRouteName",
        )
    if ingress is not None and gateway is not None:
        yield Problem(
            field=field,
            message="both an ingress and a gateway are named; only one would be moved",
            remedy="state the one that carries the traffic",
        )
    if ingress is not None and not ingress.name:
        yield _missing(f"{field}.ingress.name", "Ingress")
    if ingress is not None and ingress.class_type not in SUPPORTED_INGRESS_CLASSES:
        supported = ", ".join(filter(None, SUPPORTED_INGRESS_CLASSES))
        yield Problem(
            field=f"{field}.ingress.classType",
            message=f"{ingress.class_type!r} is not supported",
            remedy=f"supported are {supported}; empty means nginx",
        )
    if gateway is not None and not gateway.http_route_name:
        yield _missing(f"{field}.gateway.httpRouteName", "HTTPRoute")


def _missing(field: str, kind: str) -> Problem:
    return Problem(
        field=field,
        message=f"the name of the {kind} is missing",
        remedy=f"name the {kind} that has the Service as a backend",
    )


def match_problems(step: Step, field: str, canary: CanaryStrategy) -> Iterator[Problem]:
    """Yield what is wrong with the traffic of one step, given where it is routed."""
    yield from _unrouted(step, field, canary)
    if step.request_header_modifier:
        yield Problem(
            field=f"{field}.requestHeaderModifier",
            message="changing request headers is not supported yet",
            remedy="remove it",
        )
    for index, match in enumerate(step.matches):
        if not (match.path or match.headers or match.query_params):
            yield Problem(
                field=f"{field}.matches[{index}]",
                message="the match has no condition, so every request would match",
                remedy="add headers, or remove the match and state traffic",
            )
    if any(routing.ingress for routing in canary.traffic_routings):
        yield from _ingress_matches(step.matches, f"{field}.matches")


def _unrouted(step: Step, field: str, canary: CanaryStrategy) -> Iterator[Problem]:
    """Refuse traffic that nothing routes.

    Unless it is the share of pods: v1alpha1 states that as the weight, with or without
    traffic routings.
    """
    if canary.traffic_routings or canary.traffic_routing_ref:
        return
    if step.matches:
        yield _nowhere(f"{field}.matches", "requests are matched")
    elif step.traffic is not None and step.traffic != step.replicas:
        yield _nowhere(f"{field}.traffic", "traffic is stated")


def _nowhere(field: str, what: str) -> Problem:
    return Problem(
        field=field,
        message=f"{what}, but there are no trafficRoutings that could move traffic",
        remedy="add spec.strategy.canary.trafficRoutings, or state replicas only",
    )


def _ingress_matches(matches: tuple[RouteMatch, ...], field: str) -> Iterator[Problem]:
    """Allow what the canary annotations of ingress-nginx can say.

    That is one header and one cookie, either of which is enough
    (ingress-nginx documentation, "Canary"). Upstream takes the first header of each
    match and the last match of each sort, and so matches more than was written.
    """
    names = []
    for index, match in enumerate(matches):
        entry = f"{field}[{index}]"
        if match.path or match.query_params:
            yield _not_in_ingress(entry, "an Ingress matches headers and cookies only")
        if len(match.headers) > 1:
            yield _not_in_ingress(f"{entry}.headers", "an Ingress cannot require two headers")
        names += [header.name for header in match.headers[:1]]
    cookies = names.count(COOKIE)
    if cookies > 1 or len(names) - cookies > 1:
        yield _not_in_ingress(field, "an Ingress matches one header and one cookie at most")


def _not_in_ingress(field: str, message: str) -> Problem:
    return Problem(
        field=field,
        message=message,
        remedy="reduce the match, or route with gateway.httpRouteName",
    )
