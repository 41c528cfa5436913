"""The shop on the real node: what its user applies, and a bed that sends requests to it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from demo.traffic import Load, load, until_served
from devcluster.node.gateway import GATEWAY
from tandem_cli import follow
from tandem_controller.effect import Kind
from tandem_controller.kinds import WATCHED
from tandem_controller.kube.client import Client, PatchType
from tandem_controller.kube.watch_stream import WatchEventType
from tests.cluster.bed import Bed

Obj = dict[str, Any]

REPLICAS = 5
GRACE_SECONDS = 2
WAIT_SECONDS = 120.0
"""Longest wait for the end of a release; after a kill the dead controller's Lease is in it."""
SHOP = "shop"

BY_ROUTE: Obj = {
    "service": SHOP,
    "gracePeriodSeconds": GRACE_SECONDS,
    "gateway": {"httpRouteName": SHOP},
}
BY_INGRESS: Obj = {
    "service": SHOP,
    "gracePeriodSeconds": GRACE_SECONDS,
    "ingress": {"name": SHOP, "classType": "nginx"},
}


class ShopBed(Bed):
    """A namespace on the real node, and the host name by which the gateway knows it."""

    def __init__(self, client: Client, namespace: str, *, url: str, folder: Path) -> None:
        super().__init__(client, namespace)
        self.url = url
        self.host = f"{namespace}.example"
        self.log = folder / "requests.jsonl"

    async def apply(self, kind: Kind, body: Obj) -> None:
        """Server-side apply, as a user does it again and again."""
        resource = WATCHED[kind].resource
        stated = {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            **body,
            "metadata": {"name": SHOP, "namespace": self.namespace, **body.get("metadata", {})},
        }
        await self.client.patch(
            resource,
            SHOP,
            stated,
            self.namespace,
            patch_type=PatchType.APPLY,
            field_manager="user",
            force=True,
        )

    async def stand(self, routing: Obj, **options: Any) -> None:  # noqa: ANN401 - of `deployment`
        """Create the shop and wait until v1 is its stable version, and is served."""
        await self.apply(Kind.SERVICE, SERVICE)
        await self.apply(Kind.HTTP_ROUTE, http_route(self.host))
        await self.apply(Kind.INGRESS, ingress(f"by-ingress.{self.host}"))
        await self.apply(Kind.DEPLOYMENT, deployment("v1", **options))
        await self.until(Kind.DEPLOYMENT, SHOP, _all_ready)
        await self.apply(Kind.ROLLOUT, rollout(routing))
        await self.until_phase(SHOP, "Healthy")
        if "ingress" in routing:
            self.host = f"by-ingress.{self.host}"
        await until_served(self.url, host=self.host)

    async def release(self, version: str, **options: Any) -> None:  # noqa: ANN401
        """Apply another version, or an earlier one again."""
        await self.apply(Kind.DEPLOYMENT, deployment(version, **options))

    @asynccontextmanager
    async def under_load(self) -> AsyncIterator[Load]:
        """Send requests as the measured demo does: one attempt each, a new connection each."""
        async with load(self.url, self.log, host=self.host) as running:
            yield running

    async def listed(self, kind: Kind) -> tuple[list[Obj], str]:
        """Return all objects of a kind, and the version from which `changes` goes on."""
        raw = await self.client.list_page(WATCHED[kind].resource, namespace=self.namespace)
        page: Obj = msgspec.json.decode(raw)
        return page["items"], page["metadata"]["resourceVersion"]

    async def changes(
        self, kind: Kind, since: str, name: str | None = None
    ) -> AsyncGenerator[Obj | None, None]:
        """Yield each state of an object (None: deleted), or of all objects, after a version."""
        events = self.client.watch(
            WATCHED[kind].resource,
            namespace=self.namespace,
            resource_version=since,
            timeout_seconds=600,
            field_selector=f"metadata.name={name}" if name else None,
        )
        async with aclosing(events):
            async for event in events:
                if event.type is WatchEventType.DELETED:
                    yield None
                elif event.type is not WatchEventType.BOOKMARK:
                    changed: Obj = msgspec.json.decode(event.object)
                    yield changed

    async def until_at_rest(self) -> None:
        """Wait until no release is in progress and none is due."""
        await follow.wait(
            self.client, self.namespace, SHOP, follow.healthy, timeout_seconds=WAIT_SECONDS
        )

    async def until_waiting_or_at_rest(self) -> bool:
        """Wait until a step waits for an approval, or nothing is left; say whether one waits."""
        found = await follow.wait(
            self.client,
            self.namespace,
            SHOP,
            lambda summary: summary.waiting or summary.at_rest,
            timeout_seconds=WAIT_SECONDS,
        )
        return found[0].waiting


def _all_ready(obj: Obj | None) -> bool:
    return obj is not None and obj.get("status", {}).get("readyReplicas") == obj["spec"]["replicas"]


SERVICE: Obj = {
    "metadata": {"labels": {"app": SHOP, "team": "shop"}},
    "spec": {
        "selector": {"app": SHOP},
        "ports": [{"name": "http", "port": 80, "targetPort": 8080}],
    },
}


COMPONENT = {
    "app.oam.dev/name": SHOP,
    "app.oam.dev/component": SHOP,
    "workload.oam.dev/type": "fixed-init-image",
}


def deployment(
    version: str,
    *,
    init: str = "",
    component: bool = False,
    env: Mapping[str, str] | None = None,
    max_unavailable: int = 1,
) -> Obj:
    """Return the Deployment of a version: the same init and business version, unless stated.

    As a component of an Application it carries KubeVela's labels, and nothing of Tandem's:
    so does what a definition renders that fixes its init image.
    """
    work = {"name": "work", "mountPath": "/work"}
    business = {
        "name": "business",
        "image": f"shop:{version}",
        "imagePullPolicy": "Never",
        "env": [{"name": name, "value": value} for name, value in (env or {}).items()],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
        "lifecycle": {"preStop": {"sleep": {"seconds": 3}}},
        "volumeMounts": [work],
    }
    first = {
        "name": "init",
        "image": f"init:{init or version}",
        "imagePullPolicy": "Never",
        "volumeMounts": [work],
    }
    pods = {
        "terminationGracePeriodSeconds": 10,
        "initContainers": [first],
        "containers": [business],
        "volumes": [{"name": "work", "emptyDir": {}}],
    }
    return {
        "metadata": {
            "labels": {"app": SHOP, **(COMPONENT if component else {})},
            "annotations": {"team": "shop"},
        },
        "spec": {
            "replicas": REPLICAS,
            "minReadySeconds": 1,
            "progressDeadlineSeconds": 300,
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": "30%", "maxUnavailable": max_unavailable},
            },
            "selector": {"matchLabels": {"app": SHOP}},
            "template": {"metadata": {"labels": {"app": SHOP}}, "spec": pods},
        },
    }


def http_route(host: str) -> Obj:
    """Return an HTTPRoute with a weight of the user's own."""
    return {
        "metadata": {"labels": {"team": "shop"}},
        "spec": {
            "parentRefs": [{"name": GATEWAY, "namespace": "default"}],
            "hostnames": [host],
            "rules": [{"backendRefs": [{"name": SHOP, "port": 80, "weight": 7}]}],
        },
    }


def ingress(host: str) -> Obj:
    """Return an Ingress of class nginx."""
    backend = {"service": {"name": SHOP, "port": {"number": 80}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    return {
        "metadata": {"labels": {"team": "shop"}, "annotations": {"team": "shop"}},
        "spec": {
            "ingressClassName": "nginx",
            "rules": [{"host": host, "http": {"paths": [path]}}],
        },
    }


def rollout(routing: Obj) -> Obj:
    """Return the Rollout: 20 %, 50 %, and everything."""
    steps = [
        {"weight": 20, "replicas": "20%", "pause": {}},
        {"weight": 50, "replicas": "50%", "pause": {}},
        {"weight": 100, "replicas": "100%", "pause": {"duration": 0}},
    ]
    ref = {"apiVersion": "apps/v1", "kind": "Deployment", "name": SHOP}
    return {
        "metadata": {"annotations": {"rollouts.kruise.io/rolling-style": "partition"}},
        "spec": {
            "objectRef": {"workloadRef": ref},
            "strategy": {"canary": {"steps": steps, "trafficRoutings": [routing]}},
        },
    }
