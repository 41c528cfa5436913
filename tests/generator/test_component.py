"""What the component becomes."""

from pathlib import Path
from typing import Any

import pytest

from tandem_generator import evaluate
from tandem_generator.blueprint import load_component
from tandem_generator.evaluate import Definition, Rendered
from tandem_generator.source import Json

pytestmark = pytest.mark.usefixtures("each_cue")

BLUEPRINT = Path(__file__).parents[2] / "definitions/components/canary-ready-component.yaml"
VERSION = load_component(BLUEPRINT).version

CONTEXT = {"name": "shop", "namespace": "demo", "appName": "store", "appRevision": "store-v7"}
IMAGES = {"businessImage": "shop:v1", "initImage": "init:v1"}
MINIMAL = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {
        "name": "shop",
        "namespace": "demo",
        "annotations": {"tandem.oam.dev/component-version": VERSION},
    },
    "spec": {
        "selector": {"matchLabels": {"app.oam.dev/component": "shop"}},
        "template": {
            "metadata": {
                "labels": {"app.oam.dev/name": "store", "app.oam.dev/component": "shop"},
            },
            "spec": {
                "terminationGracePeriodSeconds": 35,
                "initContainers": [
                    {
                        "name": "init",
                        "image": "init:v1",
                        "volumeMounts": [{"name": "work", "mountPath": "/work"}],
                    }
                ],
                "containers": [
                    {
                        "name": "shop",
                        "image": "shop:v1",
                        "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
                        "volumeMounts": [{"name": "work", "mountPath": "/work"}],
                    }
                ],
                "volumes": [{"name": "work", "emptyDir": {}}],
            },
        },
    },
}


def render(made: dict[str, Definition], **parameters: Json) -> Rendered:
    given = {**IMAGES, **parameters}
    return evaluate.evaluate(made["canary-ready-component"], given, CONTEXT)


def workload(made: dict[str, Definition], **parameters: Json) -> dict[str, Any]:
    output = render(made, **parameters).output
    assert output is not None
    return output


def test_with_images_alone(made: dict[str, Definition]) -> None:
    rendered = render(made)
    assert rendered.output == MINIMAL
    assert rendered.outputs == {}
    assert rendered.errs == ()


def test_with_everything(made: dict[str, Definition]) -> None:
    probe = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 2}
    rendered = render(
        made,
        containerName="web",
        port=8080,
        cmd=["serve"],
        args=["--fast"],
        env=[{"name": "A", "value": "b"}],
        resources={"requests": {"cpu": "100m"}, "limits": {"memory": "64Mi"}},
        startupProbe=probe,
        readinessProbe=probe,
        livenessProbe=probe,
        workPath="/data",
        initCommand=["copy"],
        initArgs=["--all"],
        initEnv=[{"name": "C", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        initResources={"requests": {"cpu": 1}},
        replicas=3,
        minReadySeconds=4,
        maxSurge="25%",
        maxUnavailable=1,
        drainSeconds=12,
        imagePullPolicy="Never",
        imagePullSecrets=["pull"],
        labels={"team": "x"},
        annotations={"note": "y"},
        nodeSelector={"disk": "ssd"},
        tolerations=[{"key": "k", "operator": "Exists"}],
    )
    assert rendered.output == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "shop",
            "namespace": "demo",
            "annotations": {"tandem.oam.dev/component-version": VERSION},
        },
        "spec": {
            "replicas": 3,
            "minReadySeconds": 4,
            "strategy": {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 1}},
            "selector": {"matchLabels": {"app.oam.dev/component": "shop"}},
            "template": {
                "metadata": {
                    "labels": {
                        "team": "x",
                        "app.oam.dev/name": "store",
                        "app.oam.dev/component": "shop",
                    },
                    "annotations": {"note": "y"},
                },
                "spec": {
                    "terminationGracePeriodSeconds": 42,
                    "imagePullSecrets": [{"name": "pull"}],
                    "nodeSelector": {"disk": "ssd"},
                    "tolerations": [{"key": "k", "operator": "Exists"}],
                    "initContainers": [
                        {
                            "name": "init",
                            "image": "init:v1",
                            "imagePullPolicy": "Never",
                            "command": ["copy"],
                            "args": ["--all"],
                            "env": [
                                {
                                    "name": "C",
                                    "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}},
                                }
                            ],
                            "resources": {"requests": {"cpu": 1}},
                            "volumeMounts": [{"name": "work", "mountPath": "/data"}],
                        }
                    ],
                    "containers": [
                        {
                            "name": "web",
                            "image": "shop:v1",
                            "imagePullPolicy": "Never",
                            "command": ["serve"],
                            "args": ["--fast"],
                            "env": [{"name": "A", "value": "b"}],
                            "ports": [{"name": "http", "containerPort": 8080}],
                            "resources": {
                                "requests": {"cpu": "100m"},
                                "limits": {"memory": "64Mi"},
                            },
                            "startupProbe": probe,
                            "readinessProbe": probe,
                            "livenessProbe": probe,
                            "lifecycle": {"preStop": {"sleep": {"seconds": 12}}},
                            "volumeMounts": [{"name": "work", "mountPath": "/data"}],
                        }
                    ],
                    "volumes": [{"name": "work", "emptyDir": {}}],
                },
            },
        },
    }
    assert rendered.outputs == {
        "service": {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "shop", "namespace": "demo"},
            "spec": {
                "selector": {"app.oam.dev/component": "shop"},
                "ports": [{"name": "http", "port": 8080, "targetPort": 8080}],
            },
        }
    }


def test_draining_can_be_switched_off(made: dict[str, Definition]) -> None:
    pod = workload(made, drainSeconds=0)["spec"]["template"]["spec"]
    assert "lifecycle" not in pod["containers"][0]
    assert pod["terminationGracePeriodSeconds"] == 30


def test_the_old_application_gives_the_old_template(made: dict[str, Definition]) -> None:
    """A later revision of the Application changes nothing in what it renders."""
    later = {**CONTEXT, "appRevision": "store-v8", "publishVersion": "b", "revision": "shop-v2"}
    again = evaluate.evaluate(made["canary-ready-component"], IMAGES, later)
    assert again.output is not None
    assert again.output["spec"] == MINIMAL["spec"]


def test_a_publish_version_is_noted_on_the_workload_and_not_on_its_pods(
    made: dict[str, Definition],
) -> None:
    context = {**CONTEXT, "publishVersion": "v7"}
    found = evaluate.evaluate(made["canary-ready-component"], IMAGES, context).output
    assert found is not None
    assert found["metadata"]["annotations"]["tandem.oam.dev/publish-version"] == "v7"
    assert found["spec"] == MINIMAL["spec"]
