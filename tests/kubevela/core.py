"""KubeVela beside the dev cluster: its kinds, its built-in definitions, `vela-core`, `vela`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from devcluster.cluster import DevCluster
from tandem_controller.install import CRD, apply
from tandem_controller.kube.client import Client, PatchType
from tandem_controller.kube.resource import Resource
from tandem_controller.kube.wait import wait_for
from tests.cluster.namespace import NAMESPACES
from tests.kubevela.process import Process
from tests.kubevela.programs import DEFINITIONS_NAMESPACE, Programs

GROUP = "core.oam.dev"
APPLICATIONS = Resource(GROUP, "v1beta1", "applications", "Application")
DEFINITIONS = {
    "ComponentDefinition": Resource(
        GROUP, "v1beta1", "componentdefinitions", "ComponentDefinition"
    ),
    "TraitDefinition": Resource(GROUP, "v1beta1", "traitdefinitions", "TraitDefinition"),
    "PolicyDefinition": Resource(GROUP, "v1beta1", "policydefinitions", "PolicyDefinition"),
    "WorkflowStepDefinition": Resource(
        GROUP, "v1beta1", "workflowstepdefinitions", "WorkflowStepDefinition"
    ),
    "ConfigMap": Resource("", "v1", "configmaps", "ConfigMap"),
}
# KubeVela's default is 5 min; what it re-applies and judges anew at that pace is what tests see.
RESYNC_SECONDS = 15
VELA_SECONDS = 300


class KubeVela(Process):
    """One `vela-core` beside one cluster, and the command `vela` for it."""

    def __init__(self, cluster: DevCluster, programs: Programs, home: Path, *options: str) -> None:
        kubeconfig = str(cluster.kubeconfig)
        self.cluster = cluster
        self._programs = programs
        self._variables = {**os.environ, "KUBECONFIG": kubeconfig, "HOME": str(home)}
        command = [
            str(programs.core),
            f"--application-re-sync-period={RESYNC_SECONDS}s",
            *("--metrics-addr=127.0.0.1:0", "--health-addr=127.0.0.1:0"),
            *options,
        ]
        super().__init__(command, cluster.logs / "vela-core.log", self._variables)

    async def install(self, client: Client) -> None:
        """Apply KubeVela's kinds and built-in definitions, as its chart does."""
        kinds = list(self._programs.custom_resources())
        for kind in kinds:
            await apply(client, CRD, kind)
        for kind in kinds:
            await wait_for(client, CRD, kind["metadata"]["name"], None, _established, seconds=30)
        namespace = {"metadata": {"name": DEFINITIONS_NAMESPACE}}
        await client.create(NAMESPACES, namespace, field_manager="test")
        for definition in self._programs.definitions():
            await client.patch(
                DEFINITIONS[definition["kind"]],
                definition["metadata"]["name"],
                definition,
                DEFINITIONS_NAMESPACE,
                patch_type=PatchType.APPLY,
                field_manager="test",
            )

    def vela(
        self,
        *arguments: str,
        fails: bool = False,
        stdin: str | None = None,
        folder: Path | None = None,
        kubeconfig: Path | None = None,
    ) -> str:
        """Run `vela` as a user does, in a folder; return everything that it printed.

        The administrator runs it, or whom `kubeconfig` names.
        """
        done = subprocess.run(
            [str(self._programs.vela), *arguments],
            env=self._variables | ({"KUBECONFIG": str(kubeconfig)} if kubeconfig else {}),
            input=stdin,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=VELA_SECONDS,
            check=False,
        )
        said = done.stdout + done.stderr
        assert (done.returncode != 0) is fails, f"vela {' '.join(arguments)}: {said}"
        return said


def _established(crd: dict[str, Any] | None) -> bool:
    conditions = (crd or {}).get("status", {}).get("conditions") or ()
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)
