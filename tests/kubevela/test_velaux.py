"""What VelaUX and `vela status` read beside the Application: forms, topology, details."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
import yaml

from tandem_controller.kube.resource import Resource
from tests.cluster.bed import Obj
from tests.kubevela.bed import VelaBed, application, component
from tests.kubevela.conftest import ADDON
from tests.kubevela.programs import DEFINITIONS_NAMESPACE

pytestmark = pytest.mark.kubevela

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")


async def test_the_forms_are_where_velaux_looks_for_them(bed: VelaBed) -> None:
    """`<kind>-uischema-<name>` in vela-system, the form as JSON under `ui-schema`."""
    files = sorted((ADDON / "schemas").glob("*.yaml"))
    assert files
    for file in files:
        raw = await bed.client.get(CONFIG_MAPS, file.stem, DEFINITIONS_NAMESPACE)
        found = msgspec.json.decode(raw)
        form = yaml.safe_load(file.read_text(encoding="utf-8"))
        assert json.loads(found["data"]["ui-schema"]) == form
        owners = [o["name"] for o in found["metadata"]["ownerReferences"]]
        assert owners == ["addon-tandem"]


async def test_what_belongs_to_a_release_hangs_below_the_objects_of_the_application(
    bed: VelaBed,
) -> None:
    stated = application("init:v1", "shop:v1")
    stated["spec"]["components"][0]["traits"][0]["properties"]["style"] = "canary"
    bed.up(stated)
    await bed.until_running()
    stated["spec"]["components"][0]["properties"]["businessImage"] = "shop:v2"
    bed.up(stated)
    await bed.until_paused("shop", 1)

    name = f"application-resource-tree-view{{appName=shop,appNs={bed.namespace}}}.status"
    tree = _tree(bed.kubevela.vela("ql", "--query", name))
    assert "ReplicaSet/Pod" in {path.partition("/")[2] for path in tree["Deployment"]}
    assert "Rollout/Deployment/ReplicaSet/Pod" in tree["Rollout"]
    assert "ReleasePolicy/ReleaseRecord" in tree["ReleasePolicy"]


async def test_the_status_has_step_share_and_what_is_waited_for_as_fields(bed: VelaBed) -> None:
    bed.up(application("init:v1", "shop:v1"))
    await bed.until_running()
    bed.up(application("init:v1", "shop:v2"))
    await bed.until_paused("shop", 1)
    found = await bed.until_application(lambda o: _details(o).get("waitingFor") == "approval")
    assert _details(found) == {
        "phase": "Progressing",
        "step": "1/3",
        "newPods": "25%",
        "waitingFor": "approval",
    }
    assert component(found)["details"] == {"available": "4/4", "updated": "1/4"}
    said = bed.vela("status", "shop")
    assert "waitingFor: approval" in said
    assert "step: 1/3" in said


def _details(found: Obj) -> dict[str, str]:
    traits: list[Obj] = component(found).get("traits", [])
    return next((t.get("details", {}) for t in traits if t["type"] == "rollout"), {})


def _tree(printed: str) -> dict[str, set[str]]:
    """Return the paths of kinds below each object of the Application, by its kind."""
    found = json.loads(printed[printed.index("{") : printed.rindex("}") + 1])
    return {r["kind"]: set(_paths(r["resourceTree"])) for r in found["resources"]}


def _paths(node: dict[str, Any]) -> list[str]:
    below = [path for leaf in node.get("leafNodes", ()) for path in _paths(leaf)]
    return [node["kind"], *(f"{node['kind']}/{path}" for path in below)]
