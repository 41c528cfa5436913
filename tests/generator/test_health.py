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


OWN = {"tandem.oam.dev/component-version": "1.0.0"}
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
        (deployment(metadata={"annotations": {"tandem.oam.dev/unfinished": "shop"}}), False),
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


@pytest.mark.parametrize(
    ("annotations", "more"),
    [
        (HELD, "; a release is in progress"),
        ({"tandem.oam.dev/unfinished": "shop"}, "; a release is in progress"),
        ({"tandem.oam.dev/rejected": "v2 is rejected"}, "; v2 is rejected"),
    ],
)
def test_a_components_message_says_what_stands_against_its_health(
    made: dict[str, Definition], annotations: dict[str, str], more: str
) -> None:
    context = {"output": deployment(metadata={"annotations": annotations})}
    message = policy(made["canary-ready-component"], "customStatus", "message", context, {})
    assert message == f"2 of 2 pods available, 2 of the newest version{more}"


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
    context: dict[str, Any] = {"name": "shop", "namespace": "demo", "output": {}}
    live = evaluate.evaluate(made["rollout"], then, context).outputs["rollout"]
    live["status"] = {"phase": "Progressing"}
    outputs = {"outputs": {"rollout": live}}
    assert policy(made["rollout"], "healthPolicy", "isHealth", outputs, now) is healthy


def _released(revision: str, status: str) -> dict[str, Any]:
    return {"type": "Released", "status": status, "message": revision}


@pytest.mark.parametrize(
    ("annotations", "conditions", "healthy"),
    [
        ({}, [], True),
        ({}, [_released("shop-v1", "True")], True),
        ({}, [_released("shop-v2", "False")], False),
        ({}, [_released("shop-v2", "True")], True),
        ({}, [_released("shop-v1", "False")], True),
        (OWN, [_released("shop-v2", "False")], True),
    ],
    ids=[
        "the controller has not spoken",
        "the workload of this revision has not come",
        "it has come and is being released",
        "its release has ended",
        "another one is being released",
        "the component says so itself",
    ],
)
def test_a_trait_on_a_foreign_component_is_unhealthy_while_its_revision_is_released(
    made: dict[str, Definition],
    annotations: dict[str, str],
    conditions: list[dict[str, Any]],
    healthy: bool,
) -> None:
    output = {"kind": "Deployment", "metadata": {"annotations": annotations}}
    context = {"name": "shop", "namespace": "demo", "appRevision": "shop-v2", "output": output}
    outputs = evaluate.evaluate(made["rollout"], {"steps": [10]}, context).outputs
    outputs["rollout"]["status"] = {"phase": "Progressing", "conditions": conditions}
    given = {"appRevision": "shop-v2", "outputs": outputs}
    assert policy(made["rollout"], "healthPolicy", "isHealth", given, {"steps": [10]}) is healthy


@pytest.mark.parametrize(
    ("mark", "status", "healthy"),
    [("own", "False", False), ("own", "True", True), ("other", "False", True)],
    ids=["it has come and is being released", "its release has ended", "it has not come"],
)
def test_a_trait_on_a_chart_is_unhealthy_while_what_it_states_is_released(
    made: dict[str, Definition], mark: str, status: str, *, healthy: bool
) -> None:
    output = {
        "apiVersion": "helm.toolkit.fluxcd.io/v2beta1",
        "kind": "HelmRelease",
        "spec": {"values": {"image": "v2"}},
    }
    parameter = {"steps": [10], "workloadName": "shop-web"}
    context: dict[str, Any] = {"name": "shop", "namespace": "demo", "output": output}
    outputs = evaluate.evaluate(made["rollout"], parameter, context).outputs
    own = outputs["rollout"]["metadata"]["annotations"]["tandem.oam.dev/delivery"]
    condition = _released(own if mark == "own" else "another", status)
    outputs["rollout"]["status"] = {"phase": "Progressing", "conditions": [condition]}
    given = {"appRevision": "shop-v2", "outputs": outputs}
    assert policy(made["rollout"], "healthPolicy", "isHealth", given, parameter) is healthy


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (
            {},
            "the controller has not seen this rollout yet: kubectl -n vela-system get pods",
        ),
        ({"status": {"phase": "Healthy", "message": ""}}, "Healthy"),
        ({"status": {"phase": "Progressing", "message": "step 1 of 3"}}, "step 1 of 3"),
        (
            {
                "status": {
                    "phase": "Progressing",
                    "message": "step 1 of 3",
                    "conditions": [
                        {"type": "Progressing", "status": "True", "message": "release shop-1"}
                    ],
                }
            },
            "step 1 of 3 | release shop-1",
        ),
    ],
)
def test_a_traits_message(
    made: dict[str, Definition], status: dict[str, Any], message: str
) -> None:
    context = {"outputs": {"rollout": {"spec": {}, **status}}}
    assert policy(made["rollout"], "customStatus", "message", context, {}) == message


def test_the_fields_are_what_kubevela_accepts(made: dict[str, Definition]) -> None:
    """It refuses an `isHealth` that is an index or a list (`pkg/definition/ast`)."""
    judged = (d for d in made.values() if "healthPolicy" in d.text)
    for definition in judged:
        found = re.findall(r"^\t+isHealth: (.+)$", definition.text, re.MULTILINE)
        assert len(found) == 1
        assert re.search(r" (==|&&) ", found[0]), "a comparison or conjunction"
