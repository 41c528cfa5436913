"""Record the objects of every state from real releases: ``python -m tests.recorded.record``.

Starts a dev cluster of its own with fake nodes, the webhooks and the controller; takes about
two minutes. What a state is to mean stands in ``expected.yaml``, not here.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from demo.processes import TandemProcess, until_webhooks_are_asked
from devcluster.cluster import DevCluster
from devcluster.progress import to_stderr
from tandem_controller import keys
from tandem_controller.effect import Kind
from tandem_controller.install import install
from tandem_controller.kube.client import Client
from tests.recorded.stage import NAME, Obj, Stage, is_available


def main() -> None:
    """Record every state anew."""
    with (
        tempfile.TemporaryDirectory() as folder,
        DevCluster("recorded", state_dir=Path(folder)) as cluster,
    ):
        asyncio.run(_record(cluster))


async def _record(cluster: DevCluster) -> None:
    client = await Client.connect(kubeconfig=cluster.kubeconfig, user_agent="recorder")
    await install(client, writers=["tandem-controller"])
    controller, webhook = TandemProcess.controller(cluster), TandemProcess.webhook(cluster)
    webhook.start()
    await until_webhooks_are_asked(client)
    await client.close()
    controller.start()
    try:
        for number, act in enumerate(ACTS):
            to_stderr(act.__name__)
            stage = await Stage.make(cluster, controller, f"stage-{number}")
            await act(stage)
            await stage.bed.client.close()
    finally:
        controller.stop()
        webhook.stop()


async def _first_deployment(stage: Stage) -> None:
    stage.controller.stop()
    await stage.trait()
    await stage.record("not-seen-yet")
    stage.controller.start()
    await stage.bed.until_phase(NAME, "Initial")
    await stage.record("workload-missing")
    await stage.workload(shop="slow3s")
    await stage.bed.until(Kind.DEPLOYMENT, NAME, lambda o: _updated(o) == 4)
    await stage.record("first-deployment")
    await stage.bed.until(Kind.DEPLOYMENT, NAME, is_available)
    await stage.bed.until_phase(NAME, "Healthy")
    await stage.record("adopted")


async def _a_release(stage: Stage) -> None:
    await stage.adopted()
    await stage.state_images("v1", "slow3s")
    await stage.bed.until_message(NAME, "waiting for pods")
    await stage.record("upgrading")
    await stage.bed.until_paused(NAME, 1)
    await stage.record("step-paused")
    await stage.suspend(paused=True)
    await stage.bed.until_message(NAME, "has been paused")
    await stage.record("suspended")
    await stage.suspend(paused=False)
    await stage.bed.until_paused(NAME, 1)
    stage.controller.stop()
    await stage.bed.approve(NAME)
    await stage.record("step-ready")
    stage.controller.start()
    await stage.bed.until_paused(NAME, 2)
    await stage.bed.approve(NAME)
    await stage.bed.until_message(NAME, "been completed")
    await stage.record("completed")


async def _the_reconcile_in_which_the_workload_changes(stage: Stage) -> None:
    await stage.adopted()
    stage.controller.stop()
    changed = await stage.state_images("v1", "v2")
    await stage.record("changed-just-now", changed)
    await stage.bed.until(Kind.DEPLOYMENT, NAME, _is_observed)
    await stage.record("controller-dead")
    stage.controller.start()
    await stage.bed.until_paused(NAME, 1)


async def _rolled_back(stage: Stage) -> None:
    await stage.at_first_step()
    await stage.bed.patch(Kind.ROLLOUT, NAME, {"metadata": {"annotations": {keys.ROLLBACK: ""}}})
    await stage.until_condition("Rejected")
    await stage.bed.until_phase(NAME, "Healthy")
    await stage.bed.until(Kind.DEPLOYMENT, NAME, lambda o: keys.REJECTED in _annotations(o))
    await stage.state_images("v1", "v2")
    await stage.bed.until_phase(NAME, "Healthy")
    await stage.record("rejected")


async def _taken_back_by_the_manifest(stage: Stage) -> None:
    await stage.at_first_step()
    stage.controller.stop()
    back = await stage.state_images("v1", "v1")
    await stage.record("going-back", back)
    stage.controller.start()
    await stage.bed.until_phase(NAME, "Healthy")
    await stage.bed.until(Kind.DEPLOYMENT, NAME, lambda o: keys.REJECTED in _annotations(o))
    await stage.record("rolled-back")


async def _held(stage: Stage) -> None:
    await stage.adopted()
    await stage.state_images("v2", "v1")
    await stage.until_condition("Held")
    await stage.bed.until(Kind.DEPLOYMENT, NAME, lambda o: _is_observed(o) and is_available(o))
    await stage.record("held")


async def _at_zero(stage: Stage) -> None:
    await stage.adopted()
    await stage.scale(0)
    await stage.bed.until(Kind.DEPLOYMENT, NAME, lambda o: _updated(o) == 0)
    await stage.record("scaled-to-zero")


async def _at_zero_in_a_release(stage: Stage) -> None:
    await stage.at_first_step()
    await stage.scale(0)
    await stage.bed.until_message(NAME, "scaled to zero")
    await stage.bed.until(Kind.DEPLOYMENT, NAME, lambda o: _updated(o) == 0)
    await stage.record("scaled-to-zero-in-a-release")


async def _disabled(stage: Stage) -> None:
    await stage.adopted()
    await stage.bed.patch(Kind.ROLLOUT, NAME, {"spec": {"disabled": True}})
    await stage.bed.until_phase(NAME, "Disabled")
    await stage.record("disabled")


async def _degraded(stage: Stage) -> None:
    await stage.at_first_step()
    await stage.bed.approve(NAME)
    await stage.bed.until_paused(NAME, 2)
    await stage.bed.approve(NAME)
    await stage.bed.until_message(NAME, "been completed")
    await stage.state_images("v1", "crash")
    await stage.bed.until_message(NAME, "waiting for pods")
    await stage.record("pods-crash-in-a-step")


async def _degraded_at_rest(stage: Stage) -> None:
    await stage.trait()
    await stage.workload(shop="unready")
    await stage.bed.until_phase(NAME, "Healthy")
    await stage.bed.until(Kind.DEPLOYMENT, NAME, lambda o: _updated(o) == 4)
    await stage.record("pods-not-ready-at-rest")


ACTS: tuple[Callable[[Stage], Awaitable[None]], ...] = (
    _first_deployment,
    _a_release,
    _the_reconcile_in_which_the_workload_changes,
    _rolled_back,
    _taken_back_by_the_manifest,
    _held,
    _at_zero,
    _at_zero_in_a_release,
    _disabled,
    _degraded,
    _degraded_at_rest,
)


def _updated(obj: Obj | None) -> int:
    found: int = ((obj or {}).get("status") or {}).get("updatedReplicas", 0)
    return found


def _is_observed(obj: Obj | None) -> bool:
    status = (obj or {}).get("status") or {}
    return bool(obj) and status.get("observedGeneration") == (obj or {})["metadata"]["generation"]


def _annotations(obj: Obj | None) -> Obj:
    found: Obj = ((obj or {}).get("metadata") or {}).get("annotations", {})
    return found


if __name__ == "__main__":
    main()
