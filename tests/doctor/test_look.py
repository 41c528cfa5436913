"""The doctor with few rights: it says what it could not read, and goes on with the rest."""

from __future__ import annotations

from typing import Any, cast

import msgspec
import pytest

from tandem_cli.doctor.checks import examine
from tandem_cli.doctor.commands import Report, lines
from tandem_cli.doctor.look import look
from tandem_controller.kube.client import Client
from tandem_controller.kube.errors import Forbidden, NotFound, Unavailable
from tandem_controller.kube.resource import Resource
from tests.doctor.clusters import deployment

PAUSED = {"rollouts.kruise.io/in-progressing": '{"rolloutName":"shop"}'}


class _Server:
    """Answers lists of a few kinds; everything else is refused, absent or cannot be converted."""

    def __init__(self, **items: list[dict[str, Any]]) -> None:
        self._items = items

    async def list_page(self, resource: Resource, **words: Any) -> bytes:  # noqa: ANN401
        del words
        if resource.kind == "BatchRelease":
            raise Unavailable(500, "InternalError", "conversion webhook for BatchRelease failed")
        if resource.kind.startswith("MutatingAdmission"):
            raise NotFound(404, "NotFound", "not served")
        if resource.kind not in self._items:
            raise Forbidden(403, "Forbidden", f"may not list {resource.plural}")
        return msgspec.json.encode({"metadata": {}, "items": self._items[resource.kind]})

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> bytes:
        raise Forbidden(403, "Forbidden", f"may not get {resource.plural} {namespace}/{name}")


async def test_what_may_not_be_read_is_said_and_the_rest_is_found() -> None:
    left = deployment("shop", paused=True, annotations=PAUSED)
    server = _Server(Deployment=[left], Rollout=[])
    cluster = await look(cast("Client", server), "vela-system")
    found = examine(cluster)
    assert [(f.check, f.object) for f in found] == [
        ("mutating-policy", "MutatingAdmissionPolicy"),
        ("left-paused", "Deployment demo/shop"),
    ]
    told = lines(Report(findings=found, unread=cluster.unread))
    assert "could not be read: Lease: leases: may not list leases" in told
    assert "could not be read: BatchRelease: conversion webhook for BatchRelease failed" in told
    assert any(line.startswith("could not be read: Secret: ") for line in told)


async def test_a_server_that_gives_no_verdict_is_no_finding() -> None:
    class _Down(_Server):
        async def list_page(self, resource: Resource, **words: Any) -> bytes:  # noqa: ANN401
            raise Unavailable(503, "ServiceUnavailable", f"no {resource.plural} now, {words}")

    with pytest.raises(Unavailable):
        await look(cast("Client", _Down()), "vela-system")
