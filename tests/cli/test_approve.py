"""An approval is for one step of one release, once; everything else is refused in one sentence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast

import msgspec
import pytest

from tandem_cli import approve
from tandem_cli.session import Refusal
from tandem_controller.api.conversion import V1ALPHA1
from tandem_controller.api.rollout import Rollout
from tandem_controller.kube.client import Client
from tandem_controller.kube.errors import Conflict
from tests.cli.releases import record_name, rollout


class Server:
    """Answers reads in order; a write is lost when the next read is another version."""

    def __init__(self, *states: Rollout) -> None:
        self.states = list(states)
        self.written: list[Any] = []
        self.answers = wire("StepReady")

    async def patch(
        self, _resource: object, _name: str, body: object, *_: object, **__: object
    ) -> bytes:
        if len(self.states) > 1:
            self.states.pop(0)
            raise Conflict(409, "Conflict", "the object has been modified")
        self.written.append(body)
        return self.answers


def wire(state: str) -> bytes:
    body = {"apiVersion": V1ALPHA1, "kind": "Rollout", "metadata": {"name": "shop"}, "spec": {}}
    return msgspec.json.encode({**body, "status": {"canaryStatus": {"currentStepState": state}}})


@pytest.fixture
def approving(monkeypatch: pytest.MonkeyPatch) -> Callable[..., approve.Place]:
    """Approve against a server that shows these states."""

    async def read(client: Client, _namespace: str, _name: str) -> Rollout:
        return cast("Server", client).states[0]

    monkeypatch.setattr(approve, "_read", read)

    def run(server: Server, step: int | None = None) -> approve.Place:
        loop = asyncio.new_event_loop()
        try:
            work = approve.approve(cast("Client", server), "demo", "shop", step)
            return loop.run_until_complete(work)
        finally:
            loop.close()

    return run


WAITING = rollout("Progressing", "StepPaused", step=1)
Approving = Callable[..., approve.Place]


def test_the_step_that_waits_is_set_ready_if_nothing_has_changed(approving: Approving) -> None:
    server = Server(WAITING)
    place = approving(server)
    assert (place.step, place.steps) == (1, 3)
    assert server.written == [
        {
            "metadata": {"resourceVersion": "7"},
            "status": {"canaryStatus": {"currentStepState": "StepReady"}},
        }
    ]


def test_an_approval_that_admission_takes_away_is_told(approving: Approving) -> None:
    server = Server(WAITING)
    server.answers = wire("StepPaused")
    with pytest.raises(Refusal, match="has not seen it yet: nothing was approved"):
        approving(server)


def test_a_write_that_crosses_a_change_of_counts_is_repeated(approving: Approving) -> None:
    server = Server(WAITING, rollout("Progressing", "StepPaused", step=1, version="8"))
    approving(server)
    assert [w["metadata"]["resourceVersion"] for w in server.written] == ["8"]


@pytest.mark.parametrize(
    "meanwhile",
    [
        rollout("Progressing", "StepPaused", step=2),
        rollout("Progressing", "StepPaused", step=1, release="v3"),
        rollout("Progressing", "StepUpgrade", step=2),
    ],
    ids=["another step", "another release", "approved by someone else"],
)
def test_nothing_is_approved_that_was_not_read_first(
    approving: Approving, meanwhile: Rollout
) -> None:
    server = Server(WAITING, meanwhile)
    with pytest.raises(Refusal):
        approving(server)
    assert server.written == []


def test_another_step_than_the_one_named_is_refused(approving: Approving) -> None:
    server = Server(WAITING)
    with pytest.raises(Refusal, match="waits at step 1/3, not at step 2: nothing was approved"):
        approving(server, 2)
    assert server.written == []


def test_a_step_of_another_release_than_the_one_named_is_refused() -> None:
    revision = record_name("v2").removeprefix("shop-")
    assert approve.waiting_at(WAITING, 1, revision).revision == revision
    with pytest.raises(Refusal, match="not 'another': nothing was approved"):
        approve.waiting_at(WAITING, 1, "another")


@pytest.mark.parametrize(
    ("phase", "state", "step", "said"),
    [
        ("Healthy", "Completed", 3, "it is Healthy. said by the status"),
        ("Progressing", "StepUpgrade", 1, "it is Progressing at step 1 (StepUpgrade). said by"),
        ("Progressing", "StepReady", 1, "it is Progressing at step 1 (StepReady). said by"),
        ("", "", 0, "it is new. said by the status"),
    ],
)
def test_where_nothing_waits_the_status_says_why(
    phase: str, state: str, step: int, said: str
) -> None:
    with pytest.raises(Refusal) as refused:
        approve.waiting_at(rollout(phase, state, step=step), None)
    assert str(refused.value).startswith("Rollout 'shop' has no step to approve: " + said)


def test_giving_up_is_said(approving: Approving) -> None:
    states: Sequence[Rollout] = [WAITING] * (approve.TRIES + 1)
    server = Server(*states)
    with pytest.raises(Refusal, match="changes too fast"):
        approving(server)
    assert server.written == []
