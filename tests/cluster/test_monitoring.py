"""A real Prometheus with our rules beside a controller that releases on a real API server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import yaml

from demo.processes import TandemProcess
from devcluster import tools
from devcluster.api import wait
from devcluster.cluster import DevCluster
from devcluster.prometheus import Prometheus
from tandem_controller.effect import Kind
from tandem_controller.install import CRD
from tandem_controller.kube.client import Client
from tandem_controller.kube.resource import Resource
from tandem_controller.kube.wait import wait_for
from tests.cluster import bodies
from tests.cluster.bed import Bed
from tests.generator.package import compiled, objects, package_files
from tests.monitoring import exposed

pytestmark = pytest.mark.cluster

STEPS = [bodies.step(20), bodies.step(100)]
V1, V2, V3 = ("init:v1", "shop:v1"), ("init:v2", "shop:v2"), ("init:v3", "shop:v1")
NEVER_RELEASED = "TandemPairingNeverReleased"
GROUP = "monitoring.coreos.com"
OPERATOR_KINDS = ("prometheusrules", "servicemonitors")
ADDON_KINDS = (
    Resource(GROUP, "v1", "prometheusrules", "PrometheusRule"),
    Resource(GROUP, "v1", "servicemonitors", "ServiceMonitor"),
    Resource("", "v1", "configmaps", "ConfigMap"),
)
SHORT_FOR = "3s"
WAIT_SECONDS = 40


@pytest.fixture
def prometheus(tandem_process: TandemProcess, tmp_path: Path) -> Iterator[Prometheus]:
    """Our rules with a short `for`, and the controller's real /metrics."""
    rules = yaml.safe_load(exposed.RULES.read_text(encoding="utf-8"))
    for group in rules["groups"]:
        for rule in group["rules"]:
            rule["for"] = SHORT_FOR
    file = tmp_path / "rules.yaml"
    file.write_text(json.dumps(rules), encoding="utf-8")
    with Prometheus(tmp_path, scrape=[tandem_process.health_address()], rules=[file]) as server:
        yield server


class Seen:
    """What Prometheus knows of one namespace."""

    def __init__(self, prometheus: Prometheus, namespace: str) -> None:
        self._prometheus = prometheus
        self._namespace = f'namespace="{namespace}"'

    def pairs(self) -> set[tuple[str, str, str]]:
        """Return state, platform and business image of what runs."""
        found = self._prometheus.series(f"tandem_workload_info{{{self._namespace}}}")
        return {(s["state"], s["platform_image"], s["business_image"]) for s in found}

    def platform(self, name: str) -> set[str]:
        """Return the platform images of a metric's series."""
        found = self._prometheus.series(f"{name}{{{self._namespace}}}")
        return {s["platform_image"] for s in found}

    def alerts(self, state: str) -> set[tuple[str, str]]:
        """Return the pairs for which the alert was in a state in the last minute."""
        alert = f'alertname="{NEVER_RELEASED}", alertstate="{state}", {self._namespace}'
        found = self._prometheus.series(f"max_over_time(ALERTS{{{alert}}}[1m])")
        return {(s["platform_image"], s["business_image"]) for s in found}


async def test_prometheus_sees_what_runs_together_what_is_rejected_and_what_is_held(
    bed: Bed, prometheus: Prometheus
) -> None:
    seen = Seen(prometheus, bed.namespace)
    await _adopted(bed)
    await bed.patch(Kind.DEPLOYMENT, "shop", bodies.new_images(*V2))
    await bed.until_paused("shop", 1)
    await _eventually("both versions", lambda: seen.pairs() == {("stable", *V1), ("canary", *V2)})

    await bed.patch(Kind.DEPLOYMENT, "shop", bodies.new_images(*V1))
    await bed.until_phase("shop", "Healthy")
    await _eventually("the stable version alone", lambda: seen.pairs() == {("stable", *V1)})
    await _eventually("rejection", lambda: seen.platform("tandem_version_rejected") == {"init:v2"})

    await bed.patch(Kind.DEPLOYMENT, "shop", bodies.new_images(*V3))
    held = "tandem_platform_hold_since_timestamp_seconds"
    await _eventually("the hold", lambda: seen.platform(held) == {"init:v3"})
    assert seen.pairs() == {("stable", *V1)}
    for expression in exposed.expressions().values():
        prometheus.series(_for_every_choice(expression))  # refuses what is no PromQL


async def test_prometheus_alerts_on_a_pair_that_nobody_released(
    bed: Bed, prometheus: Prometheus
) -> None:
    seen = Seen(prometheus, bed.namespace)
    await _adopted(bed)
    await bed.patch(Kind.ROLLOUT, "shop", {"spec": {"disabled": True}})
    await bed.until_phase("shop", "Disabled")
    await bed.patch(Kind.DEPLOYMENT, "shop", bodies.new_images(*V3))
    await _eventually("a pair of no record", lambda: seen.pairs() == {("unrecorded", *V3)})
    await _eventually("the alert", lambda: seen.alerts("firing") == {V3})
    assert seen.alerts("pending") == {V3}
    assert "TandemNoLeader" not in prometheus.alerts()


async def _adopted(bed: Bed) -> None:
    await bed.create(Kind.DEPLOYMENT, bodies.deployment())
    await bed.create(Kind.ROLLOUT, bodies.rollout(steps=STEPS, routing=None))
    await bed.until_phase("shop", "Healthy")


def _for_every_choice(expression: str) -> str:
    """Return a panel's expression as Grafana asks it with everything chosen."""
    return expression.replace("$namespace", ".*").replace("$definition", ".*")


async def test_the_api_server_takes_every_field_of_the_addons_monitoring(
    bed: Bed, operator_crds: Client
) -> None:
    """Unknown fields would be pruned without a word."""
    switches = dict.fromkeys(("rules", "serviceMonitor", "dashboard"), True)
    arguments = {"namespace": bed.namespace, "monitoring": switches}
    application = compiled(package_files(exposed.ROOT), "output", arguments)
    made = objects(application)["tandem-monitoring"]
    assert [o["kind"] for o in made] == [r.kind for r in ADDON_KINDS]
    for resource, body in zip(ADDON_KINDS, made, strict=True):
        raw = await operator_crds.create(resource, body, bed.namespace, field_manager="test")
        kept = msgspec.json.decode(raw)
        assert {field: kept[field] for field in body if field != "metadata"} == {
            field: value for field, value in body.items() if field != "metadata"
        }


@pytest.fixture
async def operator_crds(tandem: DevCluster) -> AsyncIterator[Client]:
    """An administrator of a cluster that has the kinds of prometheus-operator for a while."""
    folder = tools.prometheus_operator_crds()
    crds = [
        yaml.safe_load((folder / f"{GROUP}_{name}.yaml").read_text()) for name in OPERATOR_KINDS
    ]
    client = await Client.connect(kubeconfig=tandem.kubeconfig, user_agent="test")
    try:
        for crd in crds:
            await client.create(CRD, crd, field_manager="test")
            await wait_for(client, CRD, crd["metadata"]["name"], None, _established, seconds=30)
        yield client
    finally:
        for crd in crds:
            await client.delete(CRD, crd["metadata"]["name"], uid=None)
        await client.close()


def _established(crd: bodies.Obj | None) -> bool:
    conditions = ((crd or {}).get("status") or {}).get("conditions") or ()
    return {"Established": "True"}.items() <= {c["type"]: c["status"] for c in conditions}.items()


async def _eventually(what: str, so: Callable[[], bool]) -> None:
    """Ask again and again, in a thread: Prometheus has nothing that could be watched."""
    await asyncio.to_thread(wait, what, so, seconds=WAIT_SECONDS, every=0.2)
