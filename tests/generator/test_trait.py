"""What the trait `rollout` becomes, and which step lists it refuses."""

from typing import Any

import pytest

from tandem_generator import evaluate
from tandem_generator.evaluate import Definition, Rendered
from tandem_generator.source import Json

pytestmark = pytest.mark.usefixtures("each_cue")

POD = {"initContainers": [{"name": "init"}], "containers": [{"name": "web"}]}
OWN = {"tandem.oam.dev/component-version": "1.0.0"}


def deployment(name: str = "shop", pod: Json = POD, annotations: Json = None) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "annotations": annotations or {}},
        "spec": {"template": {"spec": pod}},
    }


CONTEXT = {
    "name": "shop",
    "namespace": "demo",
    "appName": "store",
    "output": deployment(annotations=OWN),
}
LAST = {"weight": 100, "replicas": "100%", "pause": {"duration": 0}}
BETA = [{"headers": [{"name": "x-group", "value": "beta"}]}]
BETA_OUT = [{"headers": [{"name": "x-group", "value": "beta", "type": "Exact"}]}]


def render(made: dict[str, Definition], **parameters: Json) -> Rendered:
    return evaluate.evaluate(made["rollout"], parameters, CONTEXT)


def strategy(made: dict[str, Definition], **parameters: Json) -> dict[str, Any]:
    rendered = render(made, **parameters)
    assert rendered.errs == ()
    canary: dict[str, Any] = rendered.outputs["rollout"]["spec"]["strategy"]["canary"]
    return canary


def test_both_objects_whole(made: dict[str, Definition]) -> None:
    assert render(made, steps=[10, 50], traffic={"ingress": "front"}).outputs == {
        "rollout": {
            "apiVersion": "rollouts.kruise.io/v1alpha1",
            "kind": "Rollout",
            "metadata": {
                "name": "shop",
                "namespace": "demo",
                "annotations": {"rollouts.kruise.io/rolling-style": "partition"},
            },
            "spec": {
                "objectRef": {
                    "workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"}
                },
                "strategy": {
                    "canary": {
                        "steps": [
                            {"weight": 10, "replicas": "10%", "pause": {}},
                            {"weight": 50, "replicas": "50%", "pause": {}},
                            LAST,
                        ],
                        "trafficRoutings": [
                            {
                                "service": "shop",
                                "gracePeriodSeconds": 3,
                                "ingress": {"name": "front", "classType": "nginx"},
                            }
                        ],
                    }
                },
            },
        },
        "policy": {
            "apiVersion": "tandem.oam.dev/v1alpha1",
            "kind": "ReleasePolicy",
            "metadata": {"name": "shop", "namespace": "demo"},
            "spec": {
                "containers": {"platform": ["init"], "business": ["web"]},
                "onDelete": "Freeze",
            },
        },
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([10], [{"weight": 10, "replicas": "10%", "pause": {}}, LAST]),
        ([100], [LAST]),
        ([10, 100], [{"weight": 10, "replicas": "10%", "pause": {}}, LAST]),
        (
            [{"weight": 5, "pause": "10m"}],
            [{"weight": 5, "replicas": "5%", "pause": {"duration": 600}}, LAST],
        ),
        (
            [{"weight": 5, "pause": "1h30m5s"}],
            [{"weight": 5, "replicas": "5%", "pause": {"duration": 5405}}, LAST],
        ),
        (
            [{"weight": 5, "pause": 0}],
            [{"weight": 5, "replicas": "5%", "pause": {"duration": 0}}, LAST],
        ),
        (
            [{"weight": 5, "duration": 30}],
            [{"weight": 5, "replicas": "5%", "pause": {"duration": 30}}, LAST],
        ),
        (
            [{"weight": 5, "replicas": 3}, {"weight": 5, "replicas": "40%"}],
            [
                {"weight": 5, "replicas": 3, "pause": {}},
                {"weight": 5, "replicas": "40%", "pause": {}},
                LAST,
            ],
        ),
        (
            [{"matches": BETA, "replicas": 2}, 50],
            [
                {"matches": BETA_OUT, "replicas": 2, "pause": {}},
                {"weight": 50, "replicas": "50%", "pause": {}},
                LAST,
            ],
        ),
        ([{"weight": 100}], [{"weight": 100, "replicas": "100%", "pause": {}}]),
        ([{"replicas": "100%"}], [{"replicas": "100%", "pause": {}}]),
    ],
)
def test_steps(made: dict[str, Definition], given: list[Any], expected: list[Any]) -> None:
    assert strategy(made, steps=given, traffic={"httpRoute": "shop"})["steps"] == expected


def test_without_traffic_steps_are_pods_only(made: dict[str, Definition]) -> None:
    assert strategy(made, steps=[10, {"weight": 20, "replicas": 4}]) == {
        "steps": [
            {"replicas": "10%", "pause": {}},
            {"replicas": 4, "pause": {}},
            {"replicas": "100%", "pause": {"duration": 0}},
        ]
    }


def test_auto_passes_every_step(made: dict[str, Definition]) -> None:
    steps = strategy(made, steps=[10, {"weight": 20, "pause": "1h"}], auto=True)["steps"]
    assert [s["pause"] for s in steps] == [{"duration": 0}] * 3


@pytest.mark.parametrize(
    ("traffic", "expected"),
    [
        (
            {"httpRoute": "r", "service": "s", "gracePeriodSeconds": 1},
            {"service": "s", "gracePeriodSeconds": 1, "gateway": {"httpRouteName": "r"}},
        ),
        (
            {"ingress": "i", "ingressClass": "higress"},
            {
                "service": "shop",
                "gracePeriodSeconds": 3,
                "ingress": {"name": "i", "classType": "higress"},
            },
        ),
    ],
)
def test_traffic(
    made: dict[str, Definition], traffic: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert strategy(made, steps=[10], traffic=traffic)["trafficRoutings"] == [expected]


@pytest.mark.parametrize(
    ("parameters", "style"),
    [
        ({"steps": [10]}, "partition"),
        ({"steps": [10], "style": "inPlace"}, "partition"),
        ({"steps": [10], "style": "canary"}, "canary"),
        ({"canary": {"steps": [{"weight": 10}]}}, "canary"),
        ({"canary": {"steps": [{"weight": 10}]}, "releaseMode": "batch"}, "partition"),
    ],
)
def test_style(made: dict[str, Definition], parameters: dict[str, Any], style: str) -> None:
    metadata = render(made, **parameters).outputs["rollout"]["metadata"]
    assert metadata["annotations"] == {"rollouts.kruise.io/rolling-style": style}


def test_the_catalogs_form_migrates_by_changing_the_type(made: dict[str, Definition]) -> None:
    """Parameters of the catalog's `kruise-rollout`, and the Rollout that it would emit."""
    canary = {
        "steps": [{"weight": 20, "replicas": 2, "duration": 60}, {"weight": 60}, {"weight": 100}],
        "trafficRoutings": [{"type": "gateway", "gatewayHTTPRouteName": "front"}],
    }
    workload = {"apiVersion": "apps/v1", "kind": "Deployment"}
    context = {**CONTEXT, "output": {**deployment(annotations=OWN), **workload}}
    rendered = evaluate.evaluate(
        made["rollout"], {"canary": canary, "workloadType": workload}, context
    )
    assert rendered.outputs["rollout"]["spec"] == {
        "objectRef": {"workloadRef": {**workload, "name": "shop"}},
        "strategy": {
            "canary": {
                "steps": [
                    {"weight": 20, "replicas": 2, "pause": {"duration": 60}},
                    {"weight": 60, "replicas": "60%", "pause": {}},
                    {"weight": 100, "replicas": "100%", "pause": {}},
                ],
                "trafficRoutings": [
                    {
                        "service": "shop",
                        "gracePeriodSeconds": 5,
                        "gateway": {"httpRouteName": "front"},
                    }
                ],
            }
        },
    }


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({}, "give at least one step, for example steps: [10, 50]"),
        ({"steps": []}, "give at least one step, for example steps: [10, 50]"),
        ({"steps": [10], "canary": {"steps": []}}, "give either steps or canary, not both"),
        (
            {"steps": [50, 20]},
            "step 2 goes back from 50 to 20: no step may be smaller than the one before",
        ),
        (
            {"steps": [10, 30, {"weight": 40, "replicas": "5%"}]},
            "step 3 goes back from 30 to 5: no step may be smaller than the one before",
        ),
        (
            {"steps": [{"replicas": 4}, {"replicas": 3}]},
            "step 2 goes back from 4 to 3: no step may be smaller than the one before",
        ),
        ({"steps": [0]}, "step 1 has weight 0: weights are percentages from 1 to 100"),
        ({"steps": [10, 101]}, "step 2 has weight 101: weights are percentages from 1 to 100"),
        (
            {"steps": [{"weight": -3}]},
            "step 1 has weight -3: weights are percentages from 1 to 100",
        ),
        ({"steps": [{}]}, "step 1 needs weight or replicas"),
        (
            {"steps": [{"replicas": "0%"}]},
            'step 1 has replicas "0%": give a number of pods or a percentage from 1% to 100%',
        ),
        (
            {"steps": [{"replicas": "many"}]},
            'step 1 has replicas "many": give a number of pods or a percentage from 1% to 100%',
        ),
        ({"steps": [{"replicas": 0}]}, "step 1 has replicas 0: give a number of pods above 0"),
        (
            {"steps": [{"weight": 5, "pause": "10 min"}]},
            'step 1 has pause "10 min": give seconds, or a duration as 30s, 10m or 2h',
        ),
        ({"steps": [{"weight": 5, "pause": -1}]}, "step 1 waits for -1 s: give 0 or more"),
        ({"steps": [{"weight": 5, "duration": -9}]}, "step 1 waits for -9 s: give 0 or more"),
        (
            {"steps": [{"weight": 5, "pause": 1, "duration": 1}]},
            "step 1 has pause and duration: give one of them",
        ),
        (
            {"steps": [{"matches": BETA, "replicas": 1}]},
            "step 1 has matches: they need traffic",
        ),
        (
            {"steps": [10], "traffic": {}},
            "traffic needs ingress or httpRoute: the name of the route that carries the traffic",
        ),
        (
            {"steps": [10], "traffic": {"ingress": "a", "httpRoute": "b"}},
            "traffic names an ingress and an httpRoute: give one of them",
        ),
    ],
)
def test_a_bad_step_list_gives_one_sentence(
    made: dict[str, Definition], parameters: dict[str, Any], says: str
) -> None:
    assert render(made, **parameters).errs == (says,)


def test_the_policy_says_what_a_rollback_takes_back_and_how_holds_end(
    made: dict[str, Definition],
) -> None:
    rendered = render(
        made, steps=[10], rollbackScope="Business", hold={"release": "Auto"}, history=3
    )
    assert rendered.outputs["policy"]["spec"] == {
        "containers": {"platform": ["init"], "business": ["web"]},
        "rollbackScope": "Business",
        "hold": {"release": "Auto", "together": "ByOrigin"},
        "history": 3,
        "onDelete": "Freeze",
    }
