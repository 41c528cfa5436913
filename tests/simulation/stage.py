"""Short words for tests: a world, what people do in it, and what is seen at the end."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tandem_controller import keys
from tandem_controller.api.record import ReleaseRecord
from tandem_controller.effect import Kind
from tests.simulation import facts
from tests.simulation.actions import Action, Setting
from tests.simulation.facts import WEB
from tests.simulation.rules import Obj
from tests.simulation.world import World

STYLES = [pytest.param(extra, id="canary" if extra else "partition") for extra in (False, True)]
SETTLED = 35
"""Seconds after which a template that was put back may be put back again."""


def world_of(*actions: Action, **setting: Any) -> World:  # noqa: ANN401 - fields of Setting
    world = World(Setting(**{"replicas": 4, **setting}))
    world.play(actions)
    return world


def wish(world: World, key: str, value: str = "") -> None:
    world.user.annotate(key, value)


def state_pods(world: World, spec: Obj, labels: Obj | None = None) -> None:
    """State a part of the pod template by hand."""
    world.user.edit({"spec": {"template": {"metadata": {"labels": labels or {}}, "spec": spec}}})


def to_the_end(world: World) -> None:
    world.run_to_the_end()
    world.tandem.settle(SETTLED)


def runs(world: World) -> tuple[str, str]:
    """Return business and init image of the pods, which must all be those that are stated."""
    web = world.store.get(Kind.DEPLOYMENT, WEB)
    spec = web["spec"]["template"]["spec"]
    sizes = [
        facts.fingerprint(rs) == facts.fingerprint(web)
        for rs in facts.replica_sets(world.store, WEB)
        if rs["spec"]["replicas"]
    ]
    assert sizes == [True]
    assert not web["spec"].get("paused")
    init = spec.get("initContainers") or [{"image": ""}]
    return spec["containers"][0]["image"], init[0]["image"]


def notices(world: World) -> set[str]:
    types = {c["type"] for c in world.status.get("conditions", ())}
    return types & {"Held", "Rejected"}


def records(world: World) -> list[ReleaseRecord]:
    return [msgspec.convert(o, ReleaseRecord) for o in world.store.all_of(Kind.RELEASE_RECORD)]


def annotation(world: World) -> str | None:
    metadata = world.store.get(Kind.DEPLOYMENT, WEB)["metadata"]
    found: str | None = metadata.get("annotations", {}).get(keys.REJECTED)
    return found
