"""What tests of charts stand on: an Application with a component `helm` and the trait."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from demo.processes import TANDEM
from tandem_controller.effect import Kind
from tandem_controller.kinds import KNOWN
from tandem_controller.kube.client import Client
from tandem_controller.kube.wait import StillNotSo, wait_for
from tests.cluster.bed import Obj
from tests.kubevela import charts
from tests.kubevela.bed import VelaBed
from tests.kubevela.core import APPLICATIONS, KubeVela
from tests.kubevela.flux import HELM_RELEASES

WEB = "shop-web"
"""The Deployment of the chart's release `shop`."""

INTERVAL_SECONDS = 8
"""How often helm-controller looks at a release."""

TIMEOUT_SECONDS = 12
"""How long Helm waits for what it has applied."""

HELM_SECONDS = 90.0


class HelmBed(VelaBed):
    """A namespace in which a chart of a Helm repository is delivered."""

    def __init__(
        self, client: Client, namespace: str, kubevela: KubeVela, folder: Path, repository: str
    ) -> None:
        super().__init__(client, namespace, kubevela, folder)
        self._repository = repository

    def stated(
        self, init: str, business: str, workflow: list[Obj] | None = None, **values: str | int
    ) -> Obj:
        """Return the Application `shop` with these images, and other values, for the chart."""
        properties = {
            "url": self._repository,
            "chart": charts.NAME,
            "version": charts.VERSION,
            "interval": f"{INTERVAL_SECONDS}s",
            "installTimeout": f"{TIMEOUT_SECONDS}s",
            "values": {"initImage": init, "image": business, **values},
        }
        trait: Obj = {"steps": [25, 50], "workloadName": WEB}
        if workflow:
            trait["approval"] = "workflow"
        traits = [{"type": "rollout", "properties": trait}]
        shop = {"name": "shop", "type": "helm", "properties": properties, "traits": traits}
        spec: Obj = {"components": [shop]}
        if workflow:
            spec["workflow"] = {"steps": workflow}
        return {
            "apiVersion": APPLICATIONS.api_version,
            "kind": APPLICATIONS.kind,
            "metadata": {"name": "shop"},
            "spec": spec,
        }

    async def until_at_rest(self) -> Obj:
        """Wait until Application and release are done; return the Deployment's spec."""
        await self.until_running()
        await self.until_phase("shop", "Healthy")
        spec: Obj = (await self.get(Kind.DEPLOYMENT, WEB))["spec"]
        return spec

    async def until_helm(self, kind: str, status: str) -> Obj:
        """Wait until helm-controller states a condition of what is asked for now."""

        def told(found: Obj | None) -> bool:
            return found is not None and _condition(found, kind) == status

        found = await wait_for(
            self.client, HELM_RELEASES, "shop", self.namespace, told, seconds=HELM_SECONDS
        )
        assert found is not None
        return found

    async def unchanged(self) -> None:
        """Watch that nobody changes the Deployment's spec while Flux looks three times."""
        spec = (await self.get(Kind.DEPLOYMENT, WEB))["spec"]
        with pytest.raises(StillNotSo):
            await wait_for(
                self.client,
                KNOWN[Kind.DEPLOYMENT].resource,
                WEB,
                self.namespace,
                lambda found: found is None or found["spec"] != spec,
                seconds=3 * INTERVAL_SECONDS,
            )

    def tandem(self, *arguments: str) -> str:
        """Run the command `tandem` as its user does."""
        access = ("-n", self.namespace, "--kubeconfig", str(self.kubevela.cluster.kubeconfig))
        return subprocess.run(
            [str(TANDEM), *arguments, *access],
            check=True,
            timeout=60,
            capture_output=True,
            text=True,
        ).stdout


def _condition(found: Obj, kind: str) -> str:
    """Return the status of a condition; empty while the newest spec was not looked at."""
    status = found.get("status", {})
    if status.get("observedGeneration") != found["metadata"]["generation"]:
        return ""
    return next((c["status"] for c in status.get("conditions", ()) if c["type"] == kind), "")
