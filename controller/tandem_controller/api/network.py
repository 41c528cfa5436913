"""Service, EndpointSlice, Ingress and HTTPRoute: what Tandem reads of them.

Specs stay raw, because they are copied and restored whole.
"""

from __future__ import annotations

from typing import Any

from tandem_controller.api.meta import Model, ObjectMeta

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
"""Names the Service of an EndpointSlice (discovery.k8s.io/v1)."""


class Service(Model, frozen=True):
    """v1 Service."""

    metadata: ObjectMeta
    spec: dict[str, Any] = {}

    @property
    def selector(self) -> dict[str, str]:
        """`spec.selector`, empty when the Service has none."""
        return dict(self.spec.get("selector") or {})


class EndpointConditions(Model, frozen=True):
    """`endpoints[].conditions`; a missing `ready` means true (API field documentation)."""

    ready: bool | None = None


class Endpoint(Model, frozen=True):
    """One endpoint of a slice."""

    addresses: tuple[str, ...] = ()
    conditions: EndpointConditions = EndpointConditions()


class EndpointSlice(Model, frozen=True):
    """discovery.k8s.io/v1 EndpointSlice."""

    metadata: ObjectMeta
    endpoints: tuple[Endpoint, ...] | None = None
    """Null, not empty, for a Service without pods."""

    @property
    def service(self) -> str:
        """The name of the Service that this slice belongs to."""
        return self.metadata.labels.get(SERVICE_NAME_LABEL, "")

    @property
    def ready(self) -> int:
        """How many endpoints take traffic."""
        return sum(e.conditions.ready is not False for e in self.endpoints or ())


class Ingress(Model, frozen=True):
    """networking.k8s.io/v1 Ingress."""

    metadata: ObjectMeta
    spec: dict[str, Any] = {}


class HTTPRoute(Model, frozen=True):
    """gateway.networking.k8s.io/v1 HTTPRoute."""

    metadata: ObjectMeta
    spec: dict[str, Any] = {}
