"""When KubeVela holds component and trait to be healthy, and what it shows."""

import re
from typing import Any

import msgspec
import pytest

from tandem_generator import cue, evaluate
from tandem_generator.evaluate import Definition
from tandem_generator.source import Json
from tests.generator import cues

pytestmark = pytest.mark.usefixtures("each_cue")


def policy(definition: Definition, name: str, field: str, context: Json, parameter: Json) -> Json:
    text = cues.policy(definition, name, context, parameter)
    return msgspec.json.decode(cue.export(text, field))


def deployment(**changes: Json) -> dict[str, Any]:
    live: dict[str, Any] = {
        "metadata": {"generation": 3, "annotations": {}},
        "spec": {"replicas": 2},
        "status": {
            "observedGeneration": 3,
            "replicas": 2,
            "updatedReplicas": 2,
            "availableReplicas": 2,
        },
    }
    for part, fields in changes.items():
        live[part] = {**live[part], **fields}
    return live


HELD = {"rollouts.kruise.io/in-progressing": '{"rolloutName": "shop"}'}


@pytest.mark.parametrize(
    ("live", "healthy"),
    [
        (deployment(), True),
        (deployment(metadata={"generation": 4}), False),
        (deployment(status={"updatedReplicas": 1}), False),
        (deployment(status={"availableReplicas": 1}), False),
        (deployment(status={"replicas": 3}), False),
        (deployment(spec={"paused": True}), False),
        (deployment(metadata={"annotations": HELD}), False),
        (deployment(metadata={"annotations": {"tandem.oam.dev/rejected": "v2"}}), False),
        ({"metadata": {"generation": 1}, "spec": {"replicas": 1}}, False),
        (
            {
                "metadata": {"generation": 1},
                "spec": {"replicas": 0},
                "status": {"observedGeneration": 1},
            },
            True,
        ),
    ],
)
def test_a_component_is_healthy_when_its_release_has_ended(
    made: dict[str, Definition], live: dict[str, Any], healthy: bool
) -> None:
    definition = made["canary-ready-component"]
    assert policy(definition, "healthPolicy", "isHealth", {"output": live}, {}) is healthy


def test_a_components_message(made: dict[str, Definition]) -> None:
    context = {"output": deployment(status={"updatedReplicas": 1})}
    message = policy(made["canary-ready-component"], "customStatus", "message", context, {})
    assert message == "2 of 2 pods available, 1 of the newest version"


TRAFFIC = {"httpRoute": "shop"}
MATCHES = [{"headers": [{"name": "a", "value": "b"}]}]


@pytest.mark.parametrize(
    ("then", "now", "healthy"),
    [
        ({"steps": [10, 50]}, {"steps": [10, 50]}, True),
        ({"steps": [10, 50]}, {"steps": [10, 100]}, False),
        ({"steps": [10, 50]}, {"steps": [10]}, False),
        ({"steps": [10]}, {"steps": [10], "traffic": TRAFFIC}, False),
        ({"steps": [10], "traffic": TRAFFIC}, {"steps": [10], "traffic": TRAFFIC}, True),
        ({"steps": [{"weight": 1, "pause": "1m"}]}, {"steps": [{"weight": 1, "pause": 60}]}, True),
        ({"steps": [{"weight": 1, "pause": "1m"}]}, {"steps": [{"weight": 1}]}, False),
        ({"steps": [10]}, {"steps": [10], "auto": True}, False),
        ({"steps": [{"replicas": 1}]}, {"steps": [{"replicas": "1%"}]}, False),
        (
            {"steps": [{"replicas": 1}], "traffic": TRAFFIC},
            {"steps": [{"replicas": 1, "matches": MATCHES}], "traffic": TRAFFIC},
            False,
        ),
        ({"steps": [10]}, {"canary": {"steps": [{"weight": 10}]}}, True),
    ],
)
def test_a_trait_is_healthy_when_the_live_steps_are_its_own(
    made: dict[str, Definition], then: dict[str, Any], now: dict[str, Any], healthy: bool
) -> None:
    context = {"name": "shop", "namespace": "demo", "output": {}}
    live = evaluate.evaluate(made["rollout"], then, context).outputs["rollout"]
    live["status"] = {"phase": "Progressing"}
    outputs = {"outputs": {"rollout": live}}
    assert policy(made["rollout"], "healthPolicy", "isHealth", outputs, now) is healthy


@pytest.mark.parametrize(
    ("status", "message"),
    [
        ({}, "the controller has not seen this rollout yet"),
        ({"status": {"phase": "Healthy", "message": ""}}, "Healthy"),
        ({"status": {"phase": "Progressing", "message": "step 1 of 3"}}, "step 1 of 3"),
    ],
)
def test_a_traits_message(
    made: dict[str, Definition], status: dict[str, Any], message: str
) -> None:
    context = {"outputs": {"rollout": {"spec": {}, **status}}}
    assert policy(made["rollout"], "customStatus", "message", context, {}) == message


def test_the_fields_are_what_kubevela_accepts(made: dict[str, Definition]) -> None:
    """It refuses an `isHealth` that is an index or a list (`pkg/definition/ast`)."""
    for definition in (d for d in made.values() if d.kind != "workflow-step"):
        found = re.findall(r"^\t+isHealth: (.+)$", definition.text, re.MULTILINE)
        assert len(found) == 1
        assert re.search(r" (==|&&) ", found[0]), "a comparison or conjunction"
