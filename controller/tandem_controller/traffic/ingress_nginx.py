"""ingress-nginx: a second Ingress with canary annotations beside the user's.

Annotations as documented by ingress-nginx (canary, canary-weight, canary-by-header,
canary-by-header-value, canary-by-header-pattern, canary-by-cookie). Higress reads the
same ones. The user's own Ingress is never written.
"""

from __future__ import annotations

import copy
from typing import Any

from tandem_controller.api.network import Ingress
from tandem_controller.api.rollout import TrafficRouting, ValueMatch
from tandem_controller.effect import Create, Effect, Kind, delete_of, patch_of
from tandem_controller.keys import OWNER, untracked
from tandem_controller.snapshot import TrafficSnapshot, canary_name
from tandem_controller.traffic.split import Backends, Split

PREFIX = "nginx.ingress.kubernetes.io/"
COOKIE = "canary-by-cookie"
"""A header match of this name selects by cookie (upstream's convention)."""

_CANARY_KEYS = tuple(
    f"{PREFIX}{key}"
    for key in (
        "canary",
        "canary-weight",
        "canary-by-header",
        "canary-by-header-value",
        "canary-by-header-pattern",
        COOKIE,
    )
)


class IngressNginxProvider:
    """Splits traffic by a canary Ingress."""

    def problem(self, routing: TrafficRouting, traffic: TrafficSnapshot, stable: str) -> str | None:
        """Require the Ingress, and a path in it that names the stable Service."""
        name = routing.ingress.name if routing.ingress else ""
        field = "trafficRoutings[0].ingress.name"
        if traffic.ingress is None:
            return f"{field}: Ingress {name!r} does not exist; create it or correct the name"
        if not _canary_rules(traffic.ingress, stable, stable):
            return (
                f"{field}: no path of Ingress {name!r} has Service {stable!r} as its backend; "
                f"add it or correct trafficRoutings[0].service"
            )
        return None

    def original(self, traffic: TrafficSnapshot) -> tuple[str, dict[str, Any]] | None:
        """Nothing: the user's Ingress is not edited."""
        del traffic
        return None

    def weight(self, traffic: TrafficSnapshot, backends: Backends) -> int:
        """Return the canary Ingress's weight."""
        del backends
        if traffic.canary_ingress is None:
            return 0
        return int(traffic.canary_ingress.metadata.annotations.get(f"{PREFIX}canary-weight", "0"))

    def route(
        self,
        traffic: TrafficSnapshot,
        backends: Backends,
        split: Split,
        original: dict[str, Any] | None,
    ) -> tuple[Effect, ...]:
        """Create the canary Ingress or correct its annotations and rules."""
        if traffic.ingress is None:
            return ()
        if not split.weight and not split.matches:
            return self.restore(traffic, backends, original)
        desired = _canary_ingress(traffic.ingress, backends, split)
        if traffic.canary_ingress is None:
            return (Create(kind=Kind.INGRESS, body=desired),)
        return _correct(traffic.canary_ingress, desired)

    def restore(
        self,
        traffic: TrafficSnapshot,
        backends: Backends,
        original: dict[str, Any] | None,
    ) -> tuple[Effect, ...]:
        """Delete the canary Ingress."""
        del backends, original
        canary = traffic.canary_ingress
        if canary is None or canary.metadata.deleting:
            return ()
        meta = canary.metadata
        return (delete_of(Kind.INGRESS, meta),)


def _canary_ingress(ingress: Ingress, backends: Backends, split: Split) -> dict[str, Any]:
    spec: dict[str, Any] = {
        key: copy.deepcopy(ingress.spec[key])
        for key in ("ingressClassName", "tls")
        if key in ingress.spec
    }
    spec["rules"] = _canary_rules(ingress, backends.stable, backends.canary)
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {
            "name": canary_name(ingress.metadata.name),
            "namespace": backends.namespace,
            "labels": {**untracked(ingress.metadata.labels), OWNER: backends.owner["name"]},
            "annotations": {**untracked(ingress.metadata.annotations), **_annotations(split)},
            "ownerReferences": [dict(backends.owner)],
        },
        "spec": spec,
    }


def _canary_rules(ingress: Ingress, stable: str, canary: str) -> list[dict[str, Any]]:
    """Return the rules with only the paths that lead to the stable Service, led to the canary."""
    out = []
    for rule in ingress.spec.get("rules") or ():
        paths = [
            _with_service(path, canary)
            for path in (rule.get("http") or {}).get("paths") or ()
            if _service_of(path) == stable
        ]
        if paths:
            out.append({**rule, "http": {"paths": paths}})
    return out


def _service_of(path: dict[str, Any]) -> str | None:
    name = ((path.get("backend") or {}).get("service") or {}).get("name")
    return str(name) if name else None


def _with_service(path: dict[str, Any], name: str) -> dict[str, Any]:
    backend = path["backend"]
    return {**path, "backend": {**backend, "service": {**backend["service"], "name": name}}}


def _annotations(split: Split) -> dict[str, str]:
    """Translate a split. nginx decides by header and cookie first, by weight for the rest."""
    out = {f"{PREFIX}canary": "true"}
    if split.weight is not None:
        out[f"{PREFIX}canary-weight"] = str(split.weight)
    for match in split.matches:
        for header in match.headers:
            out.update(_header(header))
    return out


def _header(header: ValueMatch) -> dict[str, str]:
    if header.name == COOKIE:
        return {f"{PREFIX}{COOKIE}": header.value}
    suffix = "pattern" if header.type == "RegularExpression" else "value"
    return {
        f"{PREFIX}canary-by-header": header.name,
        f"{PREFIX}canary-by-header-{suffix}": header.value,
    }


def _correct(current: Ingress, desired: dict[str, Any]) -> tuple[Effect, ...]:
    want = desired["metadata"]["annotations"]
    have = current.metadata.annotations
    stale = {key: None for key in _CANARY_KEYS if key in have and key not in want}
    annotations = {**stale, **{k: v for k, v in want.items() if have.get(k) != v}}
    body: dict[str, Any] = {}
    if annotations:
        body["metadata"] = {"annotations": annotations}
    if current.spec.get("rules") != desired["spec"]["rules"]:
        body["spec"] = {"rules": desired["spec"]["rules"]}
    if not body:
        return ()
    meta = current.metadata
    return (patch_of(Kind.INGRESS, meta, body),)
