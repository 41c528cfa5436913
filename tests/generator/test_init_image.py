"""What the trait `init-image` adds to a component's workload."""

from pathlib import Path
from typing import Any

import pytest

from tandem_generator import evaluate, patch
from tandem_generator.evaluate import Definition, ParameterError
from tandem_generator.source import Json

pytestmark = pytest.mark.usefixtures("each_cue")

CONTEXT = {"name": "shop", "namespace": "demo", "appName": "store"}


def patched(made: dict[str, Definition], pod: Json, **parameters: Json) -> dict[str, Any]:
    """Return the pod that KubeVela makes of a component's."""
    definition = made["init-image"]
    rendered = evaluate.evaluate(definition, parameters, CONTEXT)
    merged: dict[str, Any] = patch.merge(
        {"spec": {"template": {"spec": pod}}}, rendered.patch or {}, patch.rules(definition.text)
    )
    pod_spec: dict[str, Any] = merged["spec"]["template"]["spec"]
    return pod_spec


def test_an_image_alone_gives_an_init_container(made: dict[str, Definition]) -> None:
    pod = {"containers": [{"name": "shop", "image": "shop:v1"}]}
    assert patched(made, pod, image="init:v1") == {
        **pod,
        "initContainers": [{"name": "init", "image": "init:v1"}],
    }


def test_everything(made: dict[str, Definition]) -> None:
    proxy = {"name": "proxy", "image": "proxy:v1"}
    pod = {
        "containers": [
            proxy,
            {"name": "web", "image": "shop:v1", "volumeMounts": [{"name": "a", "mountPath": "/a"}]},
        ],
        "initContainers": [{"name": "first", "image": "first:v1"}],
        "volumes": [{"name": "a", "emptyDir": {}}],
    }
    given = {
        "imagePullPolicy": "Never",
        "command": ["copy"],
        "args": ["--all"],
        "env": [{"name": "MODE", "value": "full"}],
        "resources": {"requests": {"cpu": "10m"}},
    }
    mounts = [{"path": "/out", "businessPath": "/in"}, {"volume": "keys", "path": "/keys"}]
    more = {"name": "fill", "mounts": mounts, "containerName": "web"}
    assert patched(made, pod, image="init:v1", **given, **more) == {
        "containers": [
            proxy,
            {
                "name": "web",
                "image": "shop:v1",
                "volumeMounts": [
                    {"name": "a", "mountPath": "/a"},
                    {"name": "work", "mountPath": "/in"},
                    {"name": "keys", "mountPath": "/keys"},
                ],
            },
        ],
        "initContainers": [
            {"name": "first", "image": "first:v1"},
            {
                "name": "fill",
                "image": "init:v1",
                **given,
                "volumeMounts": [
                    {"name": "work", "mountPath": "/out"},
                    {"name": "keys", "mountPath": "/keys"},
                ],
            },
        ],
        "volumes": [
            {"name": "a", "emptyDir": {}},
            {"name": "work", "emptyDir": {}},
            {"name": "keys", "emptyDir": {}},
        ],
    }


def test_an_init_container_that_is_there_takes_the_image(made: dict[str, Definition]) -> None:
    pod = {"initContainers": [{"name": "init", "image": "init:v1", "args": ["-x"]}]}
    assert patched(made, pod, image="init:v2") == {
        "initContainers": [{"name": "init", "image": "init:v2", "args": ["-x"]}]
    }


def test_the_image_is_required(made: dict[str, Definition]) -> None:
    with pytest.raises(ParameterError, match="image"):
        evaluate.evaluate(made["init-image"], {}, CONTEXT)


def test_no_trait_has_a_name_that_kubevela_would_take_for_anothers(root: Path) -> None:
    """It cuts a trait's type at its last dash and takes the stage of the trait in front of it."""
    names = {file.stem for file in (root / "definitions" / "traits").glob("*.yaml")}
    assert {n for n in names if n.rpartition("-")[0] in names} == set()
