"""`tandem doctor` against a real API server, with and without Tandem's processes."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Awaitable, Callable

import msgspec
import pytest
from typer.testing import CliRunner, Result

from devcluster.cluster import DevCluster
from tandem_cli import main
from tandem_controller import keys
from tandem_controller.effect import Kind
from tests.cluster import bodies
from tests.cluster.bed import Bed, Obj

pytestmark = [
    pytest.mark.cluster,
    # A command ends without waiting for the TLS farewell of its connections: its process would
    # be gone, this one notices.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

OWN = "kube-system"
USERS_FIELDS: Obj = {
    "strategy": {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 3, "maxUnavailable": 1},
    },
    "minReadySeconds": 7,
    "progressDeadlineSeconds": 700,
}
Run = Callable[..., Awaitable[Result]]


@pytest.fixture
def run(tandem: DevCluster) -> Run:
    async def run(*words: str) -> Result:
        where = ("-n", OWN, "--kubeconfig", str(tandem.kubeconfig_for("tandem-user")))
        arguments = ["doctor", *words, *where]
        result = await asyncio.to_thread(CliRunner().invoke, main.build(arguments), arguments)
        gc.collect()  # now, where the filter above holds
        return result

    return run


async def _findings(run: Run) -> set[tuple[str, str]]:
    result = await run("-o", "json")
    report = msgspec.json.decode(result.stdout)
    problems = [f for f in report["findings"] if f["severity"] == "problem"]
    assert result.exit_code == (1 if problems else 0), result.output
    assert report["unread"] == {}
    return {(f["check"], f["object"]) for f in problems}


async def test_beside_a_running_tandem_all_is_well(bed: Bed, run: Run) -> None:
    await bed.create(Kind.DEPLOYMENT, bodies.deployment())
    await bed.create(Kind.ROLLOUT, bodies.rollout(steps=[bodies.step(20)]))
    await bed.until_phase("shop", "Healthy")
    assert {f for f in await _findings(run) if bed.namespace in f[1]} == set()
    assert await _findings(run) == set()


async def _left_paused_in_mid_release(bed: Bed, name: str) -> None:
    """What a Rollout leaves that is deleted in mid-release (`onDelete: Freeze`)."""
    await bed.create(Kind.DEPLOYMENT, bodies.deployment(name, replicas=1))
    marks = {
        keys.IN_PROGRESSING: '{"rolloutName":"gone"}',
        keys.FROZEN: json.dumps(USERS_FIELDS),
    }
    left = {"metadata": {"annotations": marks}, "spec": {"paused": True}}
    await bed.patch(Kind.DEPLOYMENT, name, left)


async def test_a_left_over_is_found_and_un_paused_on_request(bed: Bed, run: Run) -> None:
    await _left_paused_in_mid_release(bed, "left")
    left = ("left-paused", f"Deployment {bed.namespace}/left")
    assert left in await _findings(run)
    unasked = await run("--fix")
    assert unasked.exit_code == 2
    assert "nobody can be asked here" in unasked.stderr
    assert left in await _findings(run)
    fixed = await run("--fix", "--yes")
    assert fixed.exit_code == 0, fixed.output
    live = await bed.get(Kind.DEPLOYMENT, "left")
    assert not live["spec"].get("paused")
    assert {key: live["spec"].get(key) for key in USERS_FIELDS} == USERS_FIELDS
    assert not {keys.IN_PROGRESSING, keys.FROZEN} & live["metadata"]["annotations"].keys()
