"""Which workload the trait `rollout` releases, on components of any type."""

import json
from typing import Any

import pytest

from tandem_generator import evaluate
from tandem_generator.evaluate import Definition
from tandem_generator.source import Json

pytestmark = pytest.mark.usefixtures("each_cue")

SERVICE = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "front"}}
RELEASE = {"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease", "metadata": {}}
MARKED = {"tandem.oam.dev/healthy-when": "released"}


def deployment(name: str | None, container: str = "web") -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name} if name else {},
        "spec": {
            "template": {
                "spec": {"initContainers": [{"name": "init"}], "containers": [{"name": container}]}
            }
        },
    }


def render(
    made: dict[str, Definition], output: Json, outputs: Json = None, **parameters: Json
) -> evaluate.Rendered:
    context = {"name": "shop", "namespace": "demo", "output": output, "outputs": outputs or {}}
    return evaluate.evaluate(made["rollout"], {"steps": [10], **parameters}, context)


@pytest.mark.parametrize(
    ("output", "outputs", "parameters", "expected"),
    [
        (deployment(None), {}, {}, ("shop", ["web"])),
        (deployment("front"), {}, {}, ("front", ["web"])),
        (SERVICE, {"objects-1": deployment("back", "api")}, {}, ("back", ["api"])),
        (
            deployment("front"),
            {"objects-1": deployment("back", "api")},
            {"workloadName": "back"},
            ("back", ["api"]),
        ),
    ],
    ids=["webservice", "named", "among objects", "chosen"],
)
def test_the_workload_and_its_containers(
    made: dict[str, Definition],
    output: Json,
    outputs: Json,
    parameters: dict[str, Any],
    expected: tuple[str, list[str]],
) -> None:
    rendered = render(made, output, outputs, **parameters)
    assert rendered.errs == ()
    reference = rendered.outputs["rollout"]["spec"]["objectRef"]["workloadRef"]
    assert reference == {"apiVersion": "apps/v1", "kind": "Deployment", "name": expected[0]}
    containers = {"platform": ["init"], "business": expected[1]}
    assert rendered.outputs["policy"]["spec"]["containers"] == containers
    assert rendered.outputs["rollout"]["metadata"]["name"] == "shop"


def test_a_workload_that_a_chart_brings_is_named(made: dict[str, Definition]) -> None:
    rendered = render(made, RELEASE, workloadName="shop-web")
    assert rendered.errs == ()
    assert rendered.outputs["rollout"]["spec"]["objectRef"]["workloadRef"]["name"] == "shop-web"
    assert rendered.outputs["policy"]["spec"] == {"onDelete": "Freeze"}


DELIVERY = "tandem.oam.dev/delivery"


def chart(image: str, *renderers: Json, **more: Json) -> dict[str, Json]:
    """Return what a component of type `helm` renders."""
    spec: dict[str, Json] = {"chart": {"spec": {"chart": "web"}}, "values": {"image": image}}
    if renderers:
        spec["postRenderers"] = list(renderers)
    return {**RELEASE, "spec": spec, **more}


def marks(made: dict[str, Definition], output: Json) -> tuple[str, Any]:
    """Return the mark on the Rollout, and the post renderers of the chart."""
    rendered = render(made, output, workloadName="shop-web")
    assert rendered.patch is not None
    annotations = rendered.outputs["rollout"]["metadata"]["annotations"]
    return annotations[DELIVERY], rendered.patch["spec"]["postRenderers"]


def test_a_chart_carries_the_mark_of_its_rollout_to_the_deployment(
    made: dict[str, Definition],
) -> None:
    mark, (renderer,) = marks(made, chart("v1"))
    (patch,) = renderer["kustomize"]["patches"]
    assert patch["target"] == {"kind": "Deployment", "name": "shop-web"}
    assert json.loads(patch["patch"]) == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "shop-web", "annotations": {DELIVERY: mark}},
    }


def test_the_mark_follows_what_is_stated_of_the_chart_and_nothing_else(
    made: dict[str, Definition],
) -> None:
    first, other, labelled = (
        marks(made, output)[0]
        for output in (chart("v1"), chart("v2"), chart("v1", metadata={"labels": {"a": "b"}}))
    )
    assert first == labelled
    assert first != other


def test_post_renderers_that_a_chart_has_already_come_first(made: dict[str, Definition]) -> None:
    own: Json = {"kustomize": {"images": [{"name": "web", "newTag": "v3"}]}}
    _, (first, second) = marks(made, chart("v1", own))
    assert first == own
    assert "patches" in second["kustomize"]


def test_what_kubevela_applies_itself_is_given_no_mark(made: dict[str, Definition]) -> None:
    rendered = render(made, deployment(None))
    assert rendered.patch is None
    assert DELIVERY not in rendered.outputs["rollout"]["metadata"]["annotations"]


@pytest.mark.parametrize(
    ("output", "outputs", "says"),
    [
        (
            RELEASE,
            {},
            ("the component renders no Deployment: name the one to release in workloadName"),
        ),
        (
            deployment("front"),
            {"objects-1": deployment("back")},
            (
                "the component renders several workloads of kind Deployment (front, back): name "
                "the one to release in workloadName"
            ),
        ),
    ],
)
def test_a_workload_that_is_not_clear_is_asked_for(
    made: dict[str, Definition], output: Json, outputs: Json, says: str
) -> None:
    assert render(made, output, outputs).errs == (says,)


def test_only_components_of_others_are_judged_by_the_trait(made: dict[str, Definition]) -> None:
    own = deployment(None)
    own["metadata"]["annotations"] = {"tandem.oam.dev/component-version": "1.0.0"}
    foreign, ours = (
        render(made, output).outputs["rollout"]["metadata"]["annotations"]
        for output in (deployment(None), own)
    )
    assert foreign == {**ours, **MARKED}


@pytest.mark.parametrize("name", [{}, {"name": "shop"}])
def test_a_rollout_of_the_components_name_that_is_there_already_is_refused(
    made: dict[str, Definition], name: Json
) -> None:
    other = {"apiVersion": "rollouts.kruise.io/v1alpha1", "kind": "Rollout", "metadata": name}
    (fault,) = render(made, deployment(None), {"rollout": other}).errs
    assert fault.startswith("something else renders the Rollout shop (a trait kruise-rollout")


def test_a_rollout_of_another_name_is_none_of_the_traits_business(
    made: dict[str, Definition],
) -> None:
    metadata = {"name": "front"}
    other = {"apiVersion": "rollouts.kruise.io/v1beta1", "kind": "Rollout", "metadata": metadata}
    assert render(made, deployment(None), {"objects-1": other}).errs == ()
