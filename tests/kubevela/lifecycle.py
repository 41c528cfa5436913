"""What tests of the addon's own life stand on: a KubeVela that nobody else uses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from demo.processes import TandemProcess, until_webhooks_are_asked
from devcluster.cluster import DevCluster
from tandem_controller.effect import Kind
from tandem_controller.install import CRD
from tandem_controller.keys import BREAK_GLASS
from tandem_controller.kinds import KNOWN
from tandem_controller.kube.client import Client, PatchType
from tandem_controller.kube.errors import NotFound
from tandem_controller.kube.resource import Resource
from tandem_controller.kube.wait import wait_for
from tests.cluster.bed import Obj
from tests.kubevela.core import APPLICATIONS, KubeVela
from tests.kubevela.programs import DEFINITIONS_NAMESPACE

ADDON = Path(__file__).parents[2] / "addon" / "tandem"
NAME = "addon-tandem"
ROLLOUTS_CRD = "rollouts.rollouts.kruise.io"
CLUSTER_ROLES = Resource(
    "rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", namespaced=False
)
_ADMISSION = "admissionregistration.k8s.io"
RUN_TIME_OBJECTS = [
    (Resource(_ADMISSION, "v1", plural, kind, namespaced=False), name)
    for plural, kind, name in (
        ("mutatingwebhookconfigurations", "MutatingWebhookConfiguration", "tandem"),
        ("validatingwebhookconfigurations", "ValidatingWebhookConfiguration", "tandem"),
        ("validatingadmissionpolicies", "ValidatingAdmissionPolicy", "tandem-workload"),
        (
            "validatingadmissionpolicybindings",
            "ValidatingAdmissionPolicyBinding",
            "tandem-workload",
        ),
    )
]
"""What is to go with the addon, whoever made it."""

GONE_SECONDS = 90.0


class Addon:
    """The addon in one cluster, enabled and disabled as a user does."""

    def __init__(self, kubevela: KubeVela, client: Client) -> None:
        self.kubevela = kubevela
        self.client = client

    def enable(self, where: Path | str = ADDON, *arguments: str, fails: bool = False) -> str:
        """Run `vela addon enable`."""
        return self.kubevela.vela("addon", "enable", str(where), "-y", *arguments, fails=fails)

    def disable(self, *options: str, fails: bool = False) -> str:
        """Run `vela addon disable`."""
        return self.kubevela.vela("addon", "disable", "tandem", *options, fails=fails)

    async def break_glass(self) -> None:
        """Label the addon's Application so that it may be disabled whatever runs."""
        await self.client.patch(
            APPLICATIONS,
            NAME,
            {"metadata": {"labels": {BREAK_GLASS: "true"}}},
            DEFINITIONS_NAMESPACE,
            patch_type=PatchType.MERGE,
        )

    async def until_gone(self) -> None:
        """Wait until KubeVela has taken the addon away."""
        await self.until(APPLICATIONS, NAME, DEFINITIONS_NAMESPACE, lambda found: found is None)

    async def until_run_time_objects_are_gone(self) -> None:
        """Wait until nothing points the API server to Tandem any more."""
        for resource, name in RUN_TIME_OBJECTS:
            await self.until(resource, name, None, lambda found: found is None)

    async def until_crd(self, wanted: Callable[[Obj], bool]) -> None:
        """Wait for the CustomResourceDefinition of Rollouts."""
        await self.until(CRD, ROLLOUTS_CRD, None, lambda found: found is not None and wanted(found))

    async def found(
        self, resource: Resource, name: str, namespace: str | None = None
    ) -> Obj | None:
        """Return an object, or None."""
        try:
            raw = await self.client.get(resource, name, namespace)
        except NotFound:
            return None
        obj: Obj = msgspec.json.decode(raw)
        return obj

    async def deployment(self, namespace: str = DEFINITIONS_NAMESPACE) -> Obj | None:
        """Return the controller's Deployment."""
        return await self.found(KNOWN[Kind.DEPLOYMENT].resource, "tandem", namespace)

    async def until(
        self,
        resource: Resource,
        name: str,
        namespace: str | None,
        wanted: Callable[[Any], bool],
    ) -> None:
        """Wait for an object of the addon, or until it has gone."""
        await wait_for(self.client, resource, name, namespace, wanted, seconds=GONE_SECONDS)


def converts(crd: Obj) -> bool:
    """Whether the API server asks Tandem to convert Rollouts, and serves all versions."""
    served = all(version["served"] for version in crd["spec"]["versions"])
    return served and crd["spec"].get("conversion", {}).get("strategy") == "Webhook"


@asynccontextmanager
async def running(
    cluster: DevCluster, client: Client
) -> AsyncIterator[tuple[TandemProcess, TandemProcess]]:
    """Run controller and webhooks beside the cluster; yields both."""
    webhook, controller = TandemProcess.webhook(cluster), TandemProcess.controller(cluster)
    webhook.start()
    try:
        await until_webhooks_are_asked(client)
        controller.start()
        yield controller, webhook
    finally:
        controller.stop()
        webhook.stop()
