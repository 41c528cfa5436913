"""A step that only those may approve whom RBAC lets; the record names who it was."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from demo.processes import TANDEM
from tandem_controller.effect import Kind
from tests.cluster.bed import Obj
from tests.kubevela.bed import VelaBed, application
from tests.kubevela.people import APPROVING, RESUMING, person, user
from tests.kubevela.topology import message, steps

pytestmark = pytest.mark.kubevela


async def test_only_who_may_write_the_rollouts_status_approves_and_the_record_says_who(
    bed: VelaBed, tmp_path: Path
) -> None:
    alice = await person(bed, tmp_path, "alice", RESUMING, APPROVING)
    bob = await person(bed, tmp_path, "bob", RESUMING)
    bed.up(asked_at_the_rollout("shop:v1"))
    await bed.until_running()
    bed.up(asked_at_the_rollout("shop:v2"))
    await until_waiting(bed, 1)

    assert "forbidden" in approve(bed, bob, fails=True).lower()
    refused = resume(bed, bob, fails=True)
    assert 'cannot update resource "rollouts/status"' in refused
    await bed.until_paused("shop", 1)

    approve(bed, alice)
    waiting = await until_waiting(bed, 2)
    assert steps(waiting)["approve-1"] == "succeeded"
    resume(bed, alice)
    await bed.until_running()
    assert await bed.sizes("shop") == {"shop:v2": 4}
    assert await given(bed) == [(1, user(bed, "alice")), (2, user(bed, "alice"))]
    assert await bed.items(Kind.RELEASE_APPROVAL) == []


def asked_at_the_rollout(business: str) -> Obj:
    """Return an Application whose workflow waits for approvals of the Rollout itself."""
    apply = {"name": "apply", "type": "apply-component", "properties": {"component": "shop"}}
    asked = [
        {
            "name": f"approve-{number}",
            "type": "rollout-approve",
            "properties": {"components": ["shop"], "step": number, "answer": "rollout"},
        }
        for number in (1, 2)
    ]
    group = {"name": "release", "type": "step-group", "subSteps": [apply, *asked]}
    return application("init:v1", business, workflow=[group])


async def until_waiting(bed: VelaBed, number: int) -> Obj:
    """Wait until the workflow says that a step of the release waits for somebody."""
    said = (
        f"step {number} waits for an approval by somebody who may approve the Rollout: "
        f"tandem approve shop --step {number}"
    )
    return await bed.until_application(lambda o: message(o, f"approve-{number}") == said)


def approve(bed: VelaBed, kubeconfig: Path, *, fails: bool = False) -> str:
    """Run `tandem approve` as somebody; return what it said."""
    command = [str(TANDEM), "approve", "shop", "-n", bed.namespace, "--kubeconfig", str(kubeconfig)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode != 0) is fails, done.stderr
    return done.stdout + done.stderr


def resume(bed: VelaBed, kubeconfig: Path, *, fails: bool = False) -> str:
    """Run `vela workflow resume` as somebody; return what it said."""
    arguments = ("workflow", "resume", "shop", "-n", bed.namespace)
    return bed.kubevela.vela(*arguments, fails=fails, kubeconfig=kubeconfig)


async def given(bed: VelaBed) -> list[tuple[int, str]]:
    """Return which steps the records say were approved, and by whom."""
    records = await bed.items(Kind.RELEASE_RECORD)
    attempts = [a for r in records for a in r.get("status", {}).get("attempts", ())]
    return sorted((g["step"], g["by"]) for a in attempts for g in a.get("approvals", ()))
