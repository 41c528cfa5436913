"""Which traffic layer serves a Rollout's traffic routing: the one visible table."""

from __future__ import annotations

from tandem_controller.api.rollout import TrafficRouting
from tandem_controller.traffic.http_route import HTTPRouteProvider
from tandem_controller.traffic.ingress_nginx import IngressNginxProvider
from tandem_controller.traffic.split import TrafficProvider

INGRESS_CLASSES: dict[str, TrafficProvider] = {
    "": IngressNginxProvider(),
    "nginx": IngressNginxProvider(),
    "higress": IngressNginxProvider(),
}
"""Ingress providers by `ingress.classType`."""


def provider_for(routing: TrafficRouting) -> TrafficProvider | None:
    """Return the provider of a routing, or None when no provider serves it."""
    if routing.gateway and routing.gateway.http_route_name:
        return HTTPRouteProvider()
    if routing.ingress:
        return INGRESS_CLASSES.get(routing.ingress.class_type)
    return None
