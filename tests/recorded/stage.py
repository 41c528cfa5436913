"""One component with its trait on a real API server, and writing down how its objects look."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import yaml

from demo.processes import TandemProcess
from devcluster.cluster import DevCluster
from tandem_controller import keys
from tandem_controller.effect import Kind
from tandem_controller.kinds import KNOWN
from tandem_controller.kube.client import Client
from tandem_controller.kube.errors import NotFound
from tandem_controller.kube.resource import Resource
from tandem_generator import definitions, evaluate
from tests.cluster.bed import Bed
from tests.cluster.namespace import NAMESPACES

Obj = dict[str, Any]
ROOT = Path(__file__).parents[2]
STATES = Path(__file__).parent / "states"
NAME = "shop"
STEPS: Obj = {"steps": [50, 75]}
ALPHA = Resource("rollouts.kruise.io", "v1alpha1", "rollouts", "Rollout")
BETA = Resource("rollouts.kruise.io", "v1beta1", "rollouts", "Rollout")


class Stage:
    """A namespace with one component; every state is recorded from it by name."""

    def __init__(self, bed: Bed, controller: TandemProcess) -> None:
        self.bed = bed
        self.controller = controller

    @classmethod
    async def make(cls, cluster: DevCluster, controller: TandemProcess, name: str) -> Stage:
        """Make a namespace, and a client in it as an ordinary user."""
        user = cluster.kubeconfig_for("tandem-user")
        client = await Client.connect(kubeconfig=user, user_agent="recorder")
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        await client.create(NAMESPACES, body, field_manager="recorder")
        return cls(Bed(client, name), controller)

    async def trait(self) -> None:
        """Apply what the trait renders, which KubeVela does before the workload."""
        output = rendered("canary-ready-component", images("v1", "v1"))["output"]
        made = rendered("rollout", STEPS, output=output)["outputs"]
        for body, resource in (
            (made["policy"], KNOWN[Kind.RELEASE_POLICY].resource),
            (made["rollout"], ALPHA),
        ):
            namespace = self.bed.namespace
            metadata = {**body["metadata"], "namespace": namespace}
            await self.bed.client.create(
                resource, {**body, "metadata": metadata}, namespace, field_manager="recorder"
            )

    async def workload(self, init: str = "v1", shop: str = "v1", replicas: int = 4) -> None:
        """Apply what the component renders."""
        parameter = {**images(init, shop), "replicas": replicas}
        await self.bed.create(
            Kind.DEPLOYMENT, rendered("canary-ready-component", parameter)["output"]
        )

    async def adopted(self) -> None:
        """Bring a first version up, under the controller."""
        await self.trait()
        await self.workload()
        await self.bed.until_phase(NAME, "Healthy")
        await self.bed.until(Kind.DEPLOYMENT, NAME, is_available)

    async def state_images(self, init: str, shop: str) -> Obj:
        """State another version; return the workload as the API server answers."""
        spec = rendered("canary-ready-component", images(init, shop))["output"]["spec"]
        template = {key: spec["template"]["spec"][key] for key in ("initContainers", "containers")}
        return await self.bed.patch(
            Kind.DEPLOYMENT, NAME, {"spec": {"template": {"spec": template}}}
        )

    async def at_first_step(self, shop: str = "v2") -> None:
        """Release a version up to the first step, which waits for an approval."""
        await self.adopted()
        await self.state_images("v1", shop)
        await self.bed.until_paused(NAME, 1)

    async def suspend(self, *, paused: bool) -> None:
        """Pause the whole release, or go on."""
        await self.bed.patch(Kind.ROLLOUT, NAME, {"spec": {"strategy": {"paused": paused}}})

    async def scale(self, replicas: int) -> None:
        """Scale the workload."""
        await self.bed.patch(Kind.DEPLOYMENT, NAME, {"spec": {"replicas": replicas}})

    async def until_condition(self, type_: str) -> None:
        """Wait for a condition of the Rollout."""

        def has(obj: Obj | None) -> bool:
            found = ((obj or {}).get("status") or {}).get("conditions", [])
            return any(c["type"] == type_ for c in found)

        await self.bed.until(Kind.ROLLOUT, NAME, has)

    async def record(self, state: str, workload: Obj | None = None) -> None:
        """Write down component and trait as a health policy or a GitOps tool would read them."""
        found = {
            "workload": workload or await self._read(KNOWN[Kind.DEPLOYMENT].resource),
            "rollout": await self._read(ALPHA),
            "beta": await self._read(BETA),
            "policy": await self._read(KNOWN[Kind.RELEASE_POLICY].resource),
        }
        kept = {key: _without_noise(body) for key, body in found.items() if body}
        text = yaml.safe_dump({"parameter": STEPS, **kept}, sort_keys=False, width=100)
        STATES.mkdir(exist_ok=True)
        note = f"# Recorded by `python -m tests.recorded.record`: {state}. Do not edit.\n"
        text = text.replace(self.bed.namespace, "demo")
        (STATES / f"{state}.yaml").write_text(note + text, encoding="utf-8")

    async def _read(self, resource: Resource) -> Obj | None:
        try:
            raw = await self.bed.client.get(resource, NAME, self.bed.namespace)
        except NotFound:
            return None
        body: Obj = msgspec.json.decode(raw)
        return body


def images(init: str, shop: str) -> Obj:
    """Return the parameters of a version."""
    return {"initImage": f"init:{init}", "businessImage": f"shop:{shop}"}


def rendered(name: str, parameter: Obj, **context: object) -> Obj:
    """Render a definition as it is generated now."""
    made = {d.name: d for d in definitions.generate(ROOT / "definitions")}
    definition = evaluate.from_text(made[name].text, name)
    given = {"name": NAME, "namespace": "demo", "appName": NAME, "appRevision": "shop-v1"}
    found = evaluate.evaluate(definition, parameter, {**given, **context})
    return {"output": found.output, "outputs": found.outputs}


def is_available(obj: Obj | None) -> bool:
    """Whether all pods of a Deployment are available."""
    status, spec = (obj or {}).get("status", {}), (obj or {}).get("spec", {})
    return bool(spec) and status.get("availableReplicas", 0) == spec["replicas"]


def _without_noise(body: Obj) -> Obj:
    dropped = {"managedFields", "resourceVersion", "uid", "selfLink"}
    metadata = {k: v for k, v in body["metadata"].items() if k not in dropped}
    annotations = metadata.get("annotations", {})
    metadata["annotations"] = {k: v for k, v in annotations.items() if k not in keys.LAST_APPLIED}
    return {**body, "metadata": metadata}
