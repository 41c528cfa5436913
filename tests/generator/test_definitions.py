"""Properties of every generated definition."""

import itertools
import re
from pathlib import Path

import msgspec
import pytest

from tandem_generator import cue, cuetext, definitionfile, definitions, lint, source
from tandem_generator.evaluate import Definition

NAMES = ("canary-ready-component", "rollout")
"""Components and traits; steps import actions that only KubeVela has (tests of their own)."""
OTHERS = ("init-image", "release-checkpoint", "rollout-approve", "rollout-step")
"""What has no status to judge: a patch of another's workload, and a step."""
COMPONENT_ATTRIBUTES = {
    "version",
    "workload",
    "childResourceKinds",
    "podSpecPath",
    "revisionLabel",
    "status",
}
TRAIT_ATTRIBUTES = {
    "version",
    "stage",
    "podDisruptive",
    "appliesToWorkloads",
    "conflictsWith",
    "definitionRef",
    "manageWorkload",
    "controlPlaneOnly",
    "revisionEnabled",
    "workloadRefPath",
    "status",
}


def test_what_is_generated_is_what_is_tested(made: dict[str, Definition]) -> None:
    assert tuple(sorted(made)) == tuple(sorted((*NAMES, *OTHERS)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("each_cue")
def test_cue_vet_passes(made: dict[str, Definition], name: str, tmp_path: Path) -> None:
    file = tmp_path / f"{name}.cue"
    file.write_text(made[name].text + "\ncontext: _\n", encoding="utf-8")
    cue.vet(file)


def test_cue_vet_does_find_faults(made: dict[str, Definition], tmp_path: Path) -> None:
    file = tmp_path / "broken.cue"
    file.write_text(made["rollout"].text + "\ncontext: _\nbroken: missing\n", encoding="utf-8")
    with pytest.raises(cue.CueError, match="missing"):
        cue.vet(file)


def errors(text: str) -> list[str]:
    found = [lint.check(t) for t in definitionfile.parse(text, "it.cue").templates]
    return [f.message for findings in found for f in findings if f.severity == "error"]


@pytest.mark.parametrize("name", NAMES)
def test_no_image_is_in_a_definition(made: dict[str, Definition], name: str) -> None:
    assert errors(made[name].text) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("initImage: string", 'initImage: *"init:v1" | string'),
        ("image: parameter.initImage", 'image: "init:v1"'),
        ('{name: "work", emptyDir: {}}', '{name: "work", "image": "init:v1"}'),
    ],
)
def test_an_image_that_is_slipped_in_is_found(
    made: dict[str, Definition], old: str, new: str
) -> None:
    text = made["canary-ready-component"].text
    assert old in text
    assert errors(text.replace(old, new)) != []


def test_a_definition_with_an_image_is_not_generated(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = 'it: type: "component"\ntemplate: output: spec: image: "init:v1"\n'
    monkeypatch.setattr(cuetext, "render", lambda *_: text)
    folder = tmp_path / "components"
    folder.mkdir()
    blueprint = (root / "definitions/components/canary-ready-component.yaml").read_text()
    (folder / "it.yaml").write_text(blueprint)
    with pytest.raises(
        source.SourceError, match=r"line 2 of .* would hold an image: output\.spec\.image"
    ):
        definitions.generate(tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_says_what_it_is(made: dict[str, Definition], name: str) -> None:
    schema = made[name].text.rpartition("\n\tparameter: {")[2]
    lines = schema.splitlines()
    unexplained = [
        line.strip()
        for before, line in itertools.pairwise(lines)
        if re.match(r"^\t\t+\w+\??: ", line) and "// +usage=" not in before
    ]
    assert len(lines) > 20
    assert unexplained == []


@pytest.mark.parametrize(
    ("name", "expected"), list(zip(NAMES, (COMPONENT_ATTRIBUTES, TRAIT_ATTRIBUTES), strict=True))
)
def test_every_attribute_is_stated(
    made: dict[str, Definition], name: str, expected: set[str]
) -> None:
    """An attribute that an older version stated would otherwise stay for ever."""
    head = made[name].text.partition("\ntemplate: {")[0]
    head = re.sub(r"import \(.*?\n\)\n", "", head, count=1, flags=re.DOTALL)
    stated = cue.export(f"all: {{\n{head}\n}}", "{for head in all {head.attributes}}")
    assert set(msgspec.json.decode(stated)) == expected


def test_image_parameters_are_required(made: dict[str, Definition]) -> None:
    text = made["canary-ready-component"].text
    assert "\t\tbusinessImage: string\n" in text
    assert "\t\tinitImage: string\n" in text


@pytest.mark.parametrize("word", ["appRevision", "publishVersion", "context.revision", "paused:"])
def test_the_component_is_blind_to_revisions(made: dict[str, Definition], word: str) -> None:
    """Or a rollback never finds the old ReplicaSet again."""
    template = made["canary-ready-component"].text.partition("\n\t\t\ttemplate: {")[2]
    code = [line for line in template.splitlines() if not line.lstrip().startswith("//")]
    assert not [line for line in code if word in line]


def test_the_rollout_exists_before_the_workload_changes(made: dict[str, Definition]) -> None:
    assert made["rollout"].stage == "PreDispatch"


def test_no_trait_is_named_after_another(made: dict[str, Definition]) -> None:
    """KubeVela gives a trait `rollout-x` the stage of the trait `rollout`."""
    traits = {name for name, d in made.items() if d.kind == "trait"}
    assert not {t for t in traits if t.rpartition("-")[0] in traits}
