"""The definitions give the same when they are put together as KubeVela does it.

`tandem render` wraps a template to check its parameters. KubeVela takes the template's
body, appends `parameter: {...}` and `context: {...}`, and validates the whole
(`pkg/cue/definition/template.go`).
"""

from pathlib import Path

import msgspec
import pytest

from tandem_generator import cue, evaluate
from tandem_generator.evaluate import Definition
from tandem_generator.source import Json
from tests.generator import cues

pytestmark = pytest.mark.usefixtures("each_cue")

POD = {"initContainers": [{"name": "init"}], "containers": [{"name": "shop"}]}
CONTEXT = {
    "name": "shop",
    "namespace": "demo",
    "appName": "shop",
    "appRevision": "shop-v3",
    "output": {"metadata": {}, "spec": {"template": {"spec": POD}}},
}
IMAGES = {"businessImage": "shop:v1", "initImage": "init:v1"}
ROUTE = {"httpRoute": "shop"}


@pytest.mark.parametrize(
    ("name", "parameter", "field"),
    [
        ("canary-ready-component", IMAGES, "output"),
        ("canary-ready-component", {**IMAGES, "port": 80, "replicas": 3}, "outputs"),
        ("rollout", {"steps": [10, {"weight": 50, "pause": "2m"}], "traffic": ROUTE}, "outputs"),
        ("rollout", {"canary": {"steps": [{"weight": 10, "duration": 5}]}}, "outputs"),
    ],
)
def test_the_objects_are_the_same(
    made: dict[str, Definition], name: str, parameter: Json, field: str
) -> None:
    ours = msgspec.to_builtins(evaluate.evaluate(made[name], parameter, CONTEXT))[field]
    assert (
        msgspec.json.decode(cue.export(cues.template(made[name], parameter, CONTEXT), field))
        == ours
    )


@pytest.mark.parametrize(
    "parameter",
    [
        {},
        {"steps": [50, 20]},
        {"steps": [{"replicas": "x"}]},
        {"steps": [{"weight": 5, "pause": "soon"}]},
        {"steps": [{}]},
        {"steps": [10], "traffic": {}},
    ],
)
def test_a_bad_step_list_is_nothing_but_its_message(
    made: dict[str, Definition], parameter: Json, tmp_path: Path
) -> None:
    """KubeVela prints CUE's faults below `errs`: there must be none."""
    text = cues.template(made["rollout"], parameter, CONTEXT)
    file = tmp_path / "rollout.cue"
    file.write_text(text, encoding="utf-8")
    cue.vet(file)
    assert len(msgspec.json.decode(cue.export(text, "errs"))) == 1
