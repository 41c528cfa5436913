"""`tandem migrate kruise` with nothing in flight, without the program: steps, crashes, revert."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from devcluster.cluster import DevCluster
from tandem_cli import main
from tandem_cli.cluster_objects import get, read
from tandem_cli.migration import apply, record, revert
from tandem_cli.migration.crds import ROLLOUTS, is_ours
from tandem_cli.migration.inventory import DEPLOYMENTS, MUTATING, VALIDATING
from tandem_controller.effect import Kind
from tandem_controller.install import CRD
from tandem_controller.kube.client import Client
from tandem_controller.kube.resource import Resource
from tandem_controller.kube.wait import wait_for
from tests.cluster import bodies, kruise
from tests.cluster.bed import Bed
from tests.cluster.namespace import NAMESPACES

pytestmark = pytest.mark.cluster

OWN = "kube-system"
RESOURCES = {r.kind: r for r in (NAMESPACES, DEPLOYMENTS, MUTATING, VALIDATING, CRD)}
NAME = "rollouts.rollouts.kruise.io"
POLICIES = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingadmissionpolicies",
    "ValidatingAdmissionPolicy",
    namespaced=False,
)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevCluster]:
    with DevCluster("old", state_dir=tmp_path_factory.mktemp("old")) as cluster:
        yield cluster


@pytest.fixture
async def client(cluster: DevCluster) -> AsyncIterator[Client]:
    client = await Client.connect(kubeconfig=cluster.kubeconfig, user_agent="test")
    try:
        yield client
    finally:
        await client.close()


@pytest.fixture
async def bed(client: Client) -> Bed:
    """Kruise's objects, not its program, and a Rollout of each version; made once."""
    bed = Bed(client, "shop")
    if await get(client, NAMESPACES, "shop") is not None:
        return bed
    for body in (kruise.stand_in("Rollout"), kruise.stand_in("BatchRelease")):
        await client.create(CRD, body, field_manager="helm")
    for body in kruise.installation():
        if "WebhookConfiguration" in body["kind"]:
            body["webhooks"] = []  # nobody would answer
        namespace = body["metadata"].get("namespace")
        await client.create(RESOURCES[body["kind"]], body, namespace, field_manager="helm")
    namespace_body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    await client.create(NAMESPACES, namespace_body, field_manager="test")
    await bed.create(Kind.DEPLOYMENT, bodies.deployment())
    await _create_rollout(client)
    return bed


async def _create_rollout(client: Client) -> None:
    ref = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"}
    step = {"replicas": "20%", "pause": {}, "matches": [{"path": {"value": "/new"}}]}
    body = {
        "apiVersion": "rollouts.kruise.io/v1beta1",
        "kind": "Rollout",
        "metadata": {"name": "shop", "namespace": "shop"},
        "spec": {"workloadRef": ref, "strategy": {"canary": {"steps": [step]}}},
    }
    await wait_for(client, CRD, NAME, None, _established, seconds=30)
    await client.create(ROLLOUTS["v1beta1"], body, "shop", field_manager="test")


def _established(crd: dict[str, Any] | None) -> bool:
    conditions = ((crd or {}).get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)


async def _run(cluster: DevCluster, *words: str) -> Result:
    arguments = ["migrate", "kruise", *words, "-n", OWN, "--kubeconfig", str(cluster.kubeconfig)]
    return await asyncio.to_thread(CliRunner().invoke, main.build(arguments), arguments)


async def _state(client: Client) -> dict[str, Any]:
    """Return what a migration changes, without what the API server counts."""
    crd = await get(client, CRD, NAME)
    assert crd is not None
    controller = await get(client, DEPLOYMENTS, kruise.DEPLOYMENT, kruise.NAMESPACE)
    assert controller is not None
    version = "v1alpha1" if is_ours(crd) else "v1beta1"
    rollouts = (await read(client, ROLLOUTS[version])).items
    return {
        "stored": crd["status"]["storedVersions"],
        "ours": is_ours(crd),
        "rollouts": [
            (o["metadata"]["uid"], o["metadata"].get("annotations"), o["spec"]) for o in rollouts
        ],
        "replicas": controller["spec"]["replicas"],
        "webhooks": [
            await get(client, resource, name) is not None
            for resource, name in ((MUTATING, kruise.MUTATING), (VALIDATING, kruise.VALIDATING))
        ],
        "policy": await get(client, POLICIES, "tandem-workload") is not None,
    }


class _Killed(Exception):  # noqa: N818 - it stands for a signal
    pass


def _killed_after(step: apply.Step) -> apply.Step:
    async def dying(client: Client, namespace: str) -> None:
        await step(client, namespace)
        raise _Killed

    return dying


async def test_plan_and_a_refused_confirmation_change_nothing(
    cluster: DevCluster, client: Client, bed: Bed
) -> None:
    del bed
    before = await _state(client)
    planned = await _run(cluster, "--plan", "-o", "json")
    assert planned.exit_code == 0, planned.output
    assert '"fate": "at rest"' in planned.output
    unasked = await _run(cluster, "--apply")
    assert (unasked.exit_code, unasked.stderr) == (
        2,
        "tandem: nobody can be asked here: see --plan, then --yes\n",
    )
    nothing = await _run(cluster, "--revert", "--yes")
    assert nothing.exit_code == 1
    assert "nothing to revert" in nothing.stderr
    assert await _state(client) == before


async def test_there_and_back_again_killed_after_every_step(
    cluster: DevCluster, client: Client, bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    del bed
    before = await _state(client)
    assert (before["ours"], before["stored"]) == (False, ["v1beta1"])
    wanted: dict[str, Any] = {}
    for killed in ("", *apply._STEPS):
        if killed:
            with monkeypatch.context() as patched:
                patched.setitem(apply._STEPS, killed, _killed_after(apply._STEPS[killed]))
                with pytest.raises(_Killed):
                    await apply.apply(client, OWN, _silent)
        applied = await _run(cluster, "--apply", "--yes")
        assert applied.exit_code == 0, applied.output
        after = await _state(client)
        wanted = wanted or after
        assert after == wanted, killed
        again = await _run(cluster, "--apply", "--yes")
        assert (again.exit_code, again.output.splitlines()[-1]) == (0, "nothing to do")
        await _revert_killed_after(client, next(iter(revert._STEPS)), monkeypatch)
        reverted = await _run(cluster, "--revert", "--yes")
        assert reverted.exit_code == 0, reverted.output
        assert await _state(client) == before, killed
    assert wanted["ours"]
    assert wanted["stored"] == ["v1alpha1"]
    assert (wanted["replicas"], wanted["webhooks"], wanted["policy"]) == (0, [False, False], True)


async def _revert_killed_after(
    client: Client, killed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = revert._STEPS[killed]

    async def dying(client: Client, known: record.Record) -> None:
        await step(client, known)
        raise _Killed

    with monkeypatch.context() as patched:
        patched.setitem(revert._STEPS, killed, dying)
        with pytest.raises(_Killed):
            await revert.revert(client, OWN, _silent)


def _silent(text: str) -> None:
    del text
