"""Waiting for an object by a watch: whatever happens meanwhile is seen."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web

from tandem_controller.kube.wait import Object, StillNotSo, wait_for
from tests.runtime.fault_server import FaultServer, running, status
from tests.runtime.things import THING
from tests.runtime.virtual import in_virtual_time


def _exists(found: Object | None) -> bool:
    return found is not None


def _waited_for(server: FaultServer, folder: Path) -> Object | None:
    async def scenario() -> Object | None:
        async with running(server, folder) as client:
            return await wait_for(client, THING, "a", "ns", _exists, seconds=30)

    return in_virtual_time(scenario())


def test_an_object_that_is_created_right_after_it_was_not_found_is_seen(tmp_path: Path) -> None:
    server = FaultServer()

    async def created_behind_the_answer(_: web.Request) -> web.StreamResponse:
        server.put("a")
        return status(404)

    server.fail_next("GET", created_behind_the_answer)
    found = _waited_for(server, tmp_path)
    assert found is not None
    assert found["metadata"]["name"] == "a"


def test_what_is_not_so_in_time_is_said_with_what_was_last_seen(tmp_path: Path) -> None:
    with pytest.raises(StillNotSo, match="'a' is not as wanted after 30 s: None"):
        _waited_for(FaultServer(), tmp_path)
