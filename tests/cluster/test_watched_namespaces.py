"""A Tandem for one namespace leaves all others to whoever releases there."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.processes import TandemProcess, until_webhooks_are_asked
from devcluster.cluster import DevCluster
from tandem_controller.effect import Kind
from tandem_controller.install import install_crds
from tandem_controller.kube.client import Client
from tests.cluster import bodies
from tests.cluster.bed import Bed
from tests.cluster.namespace import NAMESPACES

pytestmark = pytest.mark.cluster

ONLY = ("--watch-namespace", "ours", "--watch-namespace", "more-of-ours")


async def _stand(client: Client, namespace: str) -> Bed:
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    await client.create(NAMESPACES, body, field_manager="test")
    bed = Bed(client, namespace)
    await bed.create(Kind.DEPLOYMENT, bodies.deployment())
    await bed.create(Kind.ROLLOUT, bodies.rollout(steps=[bodies.step(20), bodies.step(100)]))
    return bed


async def test_a_tandem_for_some_namespaces_touches_nothing_in_the_others(tmp_path: Path) -> None:
    with DevCluster("watched", state_dir=tmp_path) as cluster:
        client = await Client.connect(kubeconfig=cluster.kubeconfig, user_agent="test")
        await install_crds(client)
        webhook = TandemProcess.webhook(cluster, *ONLY)
        health = ("--health-address", "127.0.0.1", "--health-port", "0")
        controller = TandemProcess(cluster, "tandem-controller", "run", *health, *ONLY)
        webhook.start()
        try:
            await until_webhooks_are_asked(client)
            controller.start()
            theirs, ours = await _stand(client, "theirs"), await _stand(client, "ours")
            await ours.until_phase("shop", "Healthy")
            for bed in (theirs, ours):
                await bed.patch(Kind.DEPLOYMENT, "shop", bodies.new_images("init:v2", "shop:v2"))
            await ours.until_paused("shop", 1)
            assert await ours.sizes("shop") == {"shop:v1": 8, "shop:v2": 2}
            await theirs.until(Kind.DEPLOYMENT, "shop", _all_updated)
            assert await theirs.sizes("shop") == {"shop:v2": 10}
            assert "status" not in await theirs.get(Kind.ROLLOUT, "shop")
        finally:
            controller.stop()
            webhook.stop()
            await client.close()


def _all_updated(found: bodies.Obj | None) -> bool:
    status = (found or {}).get("status", {})
    return bool(status.get("updatedReplicas") == 10 and status.get("replicas") == 10)
