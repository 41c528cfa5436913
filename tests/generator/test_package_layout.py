"""The committed package keeps the rules by which KubeVela reads, packs and stores an addon.

The rules are those of kubevela `pkg/addon` (`addon.go`, `render.go`, `type.go`, `utils.go`) and
`pkg/definition`. One that is broken is mostly not told: a file is read as something else, or not
at all.
"""

from __future__ import annotations

import fnmatch
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from tandem_generator import addon, cue
from tandem_generator.evaluate import Definition
from tests.generator import cues
from tests.generator.package import compiled, objects, package_files

ENTRIES = (
    "metadata.yaml",
    "README.md",
    "template.cue",
    "parameter.cue",
    "NOTES.cue",
    "resources/",
    "definitions/",
    "schemas/",
    ".helmignore",
)
PREFIXES_THAT_KUBEVELA_READS = (
    "readme.md",
    "template.yaml",
    "views",
    "config-templates",
    "godef",
    *ENTRIES,
)
METADATA = {"name", "version", "description", "icon", "url", "tags", "uxPlugins", "deployTo"} | {
    "dependencies",
    "needNamespace",
    "invisible",
    "system",
    "annotations",
}
HEAD = {"type", "alias", "description", "annotations", "labels", "attributes"}
ATTRIBUTES = {
    "component": {
        "version",
        "workload",
        "childResourceKinds",
        "revisionLabel",
        "podSpecPath",
        "status",
        "schematic",
    },
    "trait": {
        "version",
        "stage",
        "podDisruptive",
        "appliesToWorkloads",
        "conflictsWith",
        "manageWorkload",
        "controlPlaneOnly",
        "workloadRefPath",
        "revisionEnabled",
        "definitionRef",
        "status",
        "schematic",
    },
    "workflow-step": {"version", "definitionRef", "schematic"},
}
"""What `validateSpec` of KubeVela 1.10 and 1.11 knows; anything else fails the enabling."""

FORM = {"sort", "label", "description", "validate", "jsonKey", "uiType", "style", "disable"} | {
    "conditions",
    "subParameterGroupOption",
    "subParameters",
    "additionalParameter",
    "additional",
}
"""Fields of a parameter in a form (kubevela `pkg/utils/schema`, `UIParameter`)."""

ONE_OBJECT_IN_ETCD = 1536 * 1024
ALL_ANNOTATIONS = 256 * 1024
"""KubeVela keeps what it applied in an annotation of each object."""


@pytest.fixture(scope="module")
def folder(root: Path) -> Path:
    return root / "addon" / "tandem"


@pytest.fixture(scope="module")
def paths(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


@pytest.fixture(scope="module")
def application(root: Path) -> dict[str, Any]:
    everything = {"rules": True, "serviceMonitor": True, "dashboard": True}
    made: dict[str, Any] = compiled(package_files(root), "output", {"monitoring": everything})
    return made


def relative(folder: Path, paths: Iterable[Path]) -> list[str]:
    return [str(path.relative_to(folder)) for path in paths if path.is_file()]


def test_the_folders_name_is_the_addons_and_one_that_kubevela_takes(folder: Path) -> None:
    name = addon.load_metadata(folder / "metadata.yaml").name
    assert folder.name == name
    assert re.fullmatch(r"[a-z\d]+(-[a-z\d]+)*", name)


def test_nothing_is_swallowed_by_a_prefix(folder: Path, paths: list[Path]) -> None:
    """`resources.bak/x.cue` begins with `resources`, so it would be read as a resource."""
    for name in relative(folder, paths):
        read = [prefix for prefix in PREFIXES_THAT_KUBEVELA_READS if name.startswith(prefix)]
        assert read, f"{name} is read by nobody"
        assert any(name == e or (e.endswith("/") and name.startswith(e)) for e in ENTRIES), name


def test_there_are_no_links_and_no_file_is_in_a_folder_of_a_folder(
    folder: Path, paths: list[Path]
) -> None:
    assert [path for path in paths if path.is_symlink()] == []
    assert [name for name in relative(folder, paths) if name.count("/") > 1] == []


def test_a_file_is_known_by_its_basename_alone(folder: Path, paths: list[Path]) -> None:
    names = Counter(Path(name).name for name in relative(folder, paths))
    assert [name for name, times in names.items() if times > 1] == []


def test_a_yaml_file_holds_one_object(paths: list[Path]) -> None:
    """KubeVela keeps the first document and drops the others without a word."""
    for path in (p for p in paths if p.suffix in {".yaml", ".yml"}):
        assert len(list(yaml.safe_load_all(path.read_text(encoding="utf-8")))) == 1, path


def test_the_metadata_says_what_kubevela_knows_and_nothing_else(folder: Path) -> None:
    stated = yaml.safe_load((folder / "metadata.yaml").read_text(encoding="utf-8"))
    assert set(stated) <= METADATA
    assert set(stated["system"]) <= {"vela", "kubernetes"}
    assert re.fullmatch(r"\d+\.\d+\.\d+", stated["version"])
    assert stated["dependencies"] == []


def test_there_is_one_template_and_it_has_an_output(folder: Path) -> None:
    """`vela addon package` refuses a folder without."""
    assert not (folder / "template.yaml").exists()
    assert "output" in (folder / "template.cue").read_text(encoding="utf-8")


def test_what_is_compiled_together_is_of_package_main(folder: Path, paths: list[Path]) -> None:
    """A resource without it would be a component of its own; of another package, ignored."""
    for name in relative(folder, paths):
        text = (folder / name).read_text(encoding="utf-8")
        found = re.findall(r"^package (\w+)$", text, flags=re.MULTILINE)
        together = name in {"template.cue", "parameter.cue"} or name.startswith("resources/")
        assert found == (["main"] if together else []), name


def test_the_parameters_file_is_the_parameters(folder: Path) -> None:
    parameter = (folder / "parameter.cue").read_text(encoding="utf-8")
    stated = cue.export(f"{parameter}\nparameter: {{}}\n", "parameter")
    assert msgspec.json.decode(stated)["installCRDs"] is True


def test_a_definition_is_one_head_and_one_template(
    folder: Path, made: dict[str, Definition]
) -> None:
    for name in made:
        text = (folder / "definitions" / f"{name}.cue").read_text(encoding="utf-8")
        top = re.findall(r'^"?([\w-]+)"?: \{', text, flags=re.MULTILINE)
        assert top == [name, "template"], name


def test_a_definitions_head_says_what_kubevela_knows_and_nothing_else(
    made: dict[str, Definition],
) -> None:
    for name, definition in made.items():
        stated = msgspec.json.decode(cues.whole(cues.head(definition)))[name]
        assert set(stated) <= HEAD
        assert set(stated["attributes"]) <= ATTRIBUTES[definition.kind], name
        assert re.fullmatch(r"\d+\.\d+\.\d+", stated["attributes"]["version"])


def test_details_state_plain_values_and_keep_the_rest_to_themselves(
    made: dict[str, Definition],
) -> None:
    """KubeVela refuses the definition at enabling where a field without `$` begins otherwise.

    (`pkg/definition/ast/transformer.go`, `validateStatusField`; labels of 32 and more are left
    out by `pkg/cue/definition/health/health.go`)
    """
    for definition in (d for d in made.values() if "details: " in d.text):
        fields = re.findall(r"([$\w]+):[ \t]+(\S)", cues.details_text(definition))
        shown = {label: start for label, start in fields if not label.startswith("$")}
        assert shown, definition.name
        assert {label for label, start in shown.items() if start not in '"$'} == set()
        assert max(map(len, shown)) < 32


def test_a_form_is_named_as_velaux_looks_it_up_and_there_is_one_for_each_definition(
    folder: Path, made: dict[str, Definition]
) -> None:
    """The ConfigMap is named as the file, up to its first dot (`renderSchemaConfigmap`)."""
    wanted = {f"{d.kind.replace('-', '')}-uischema-{name}" for name, d in made.items()}
    files = list((folder / "schemas").iterdir())
    assert {file.name.split(".")[0] for file in files} == wanted
    assert {file.suffix for file in files} == {".yaml"}


def test_a_form_says_what_kubevela_knows_of_parameters_that_there_are(
    folder: Path, made: dict[str, Definition]
) -> None:
    for name, definition in made.items():
        (file,) = (folder / "schemas").glob(f"*-uischema-{name}.yaml")
        form = yaml.safe_load(file.read_text(encoding="utf-8"))
        _, _, schema = definition.text.partition("\n\tparameter: {\n")
        stated = re.findall(r"^\t\t(\w+)[?!]?:", schema.partition("\n\t}\n")[0], re.MULTILINE)
        assert [entry["jsonKey"] for entry in form] == stated, name
        assert [entry["sort"] for entry in form] == list(range(1, len(form) + 1))
        for entry in form:
            assert set(entry) <= FORM
            assert entry["label"].strip()


def test_no_two_definitions_share_a_name_and_no_trait_inherits_the_stage_of_another(
    made: dict[str, Definition],
) -> None:
    """A trait `rollout-x` would run in the stage of the trait `rollout`."""
    traits = {name for name, definition in made.items() if definition.kind == "trait"}
    assert [n for n in traits if n.rpartition("-")[0] in traits] == []


def test_components_wait_for_components_that_are_there(application: dict[str, Any]) -> None:
    names = [c["name"] for c in application["spec"]["components"]]
    assert len(set(names)) == len(names)
    needed = {n for c in application["spec"]["components"] for n in c.get("dependsOn", [])}
    assert needed <= set(names)


def test_every_object_and_the_whole_fit_into_the_api_server(application: dict[str, Any]) -> None:
    """A ResourceTracker holds all objects; the Application's annotation holds the Application."""
    for component, made in objects(application).items():
        for body in made:
            size = len(msgspec.json.encode(body))
            assert size < ALL_ANNOTATIONS, f"{component}: {body['metadata']['name']} is {size} B"
    whole = len(msgspec.json.encode(application))
    assert whole < ALL_ANNOTATIONS
    assert 2 * whole < ONE_OBJECT_IN_ETCD


def test_the_chart_leaves_nothing_of_the_package_out(folder: Path, paths: list[Path]) -> None:
    """`vela addon package` packs every file but those that .helmignore matches."""
    ignored = (folder / ".helmignore").read_text(encoding="utf-8").splitlines()
    patterns = [line.strip("/") for line in ignored if line and not line.startswith("#")]
    names = [Path(name).name for name in relative(folder, paths)]
    assert [n for n in names if any(fnmatch.fnmatch(n, p) for p in patterns)] == []
    left_over = ["template.cue.bak", "rbac.cue.orig", ".rbac.cue.swp", ".DS_Store"]
    assert [n for n in left_over if not any(fnmatch.fnmatch(n, p) for p in patterns)] == []


def test_the_chart_file_that_packaging_writes_is_not_committed(root: Path) -> None:
    assert not (root / "addon" / "tandem" / "Chart.yaml").exists()
    assert "Chart.yaml" in (root / ".gitignore").read_text(encoding="utf-8").splitlines()
