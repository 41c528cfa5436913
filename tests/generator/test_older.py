"""The package for KubeVela 1.9: the same templates, without what 1.9 does not read."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tandem_generator import project
from tandem_generator.evaluate import Definition
from tests.generator import cues
from tests.generator.package import compiled, package_files


@pytest.fixture(scope="module")
def files(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    to = tmp_path_factory.mktemp("old")
    made = project.for_kubevela_1_9(root, to).files
    return {str(path.relative_to(to / "tandem")): text for path, text in made.items()}


def definitions(files: dict[str, str]) -> dict[str, str]:
    return {Path(p).stem: t for p, t in files.items() if p.startswith("definitions/")}


def test_its_folder_bears_the_addons_name_and_no_later_kubevela_takes_it(
    files: dict[str, str],
) -> None:
    assert 'vela: ">=1.9.0-0, <1.10.0-0"' in files["metadata.yaml"]
    assert "KubeVela >=1.9.0-0, <1.10.0-0" in files["README.md"]


def test_workflow_steps_are_left_out_and_all_else_is_there(
    files: dict[str, str], made: dict[str, Definition]
) -> None:
    """An unknown import, as `vela/kube` is to 1.9, fails the whole `vela addon enable`."""
    assert set(definitions(files)) == {n for n, d in made.items() if d.kind != "workflow-step"}
    assert not [t for t in definitions(files).values() if '"vela/' in t]


def test_the_version_is_no_attribute_but_names_the_revision(
    files: dict[str, str], made: dict[str, Definition]
) -> None:
    for name, text in definitions(files).items():
        old = Definition(name, made[name].kind, "", "", text)
        with cues.speaking("1.9"):
            stated = msgspec.json.decode(cues.whole(cues.head(old)))[name]
            known = msgspec.json.decode(cues.whole(cues.head(made[name])))[name]
        version = {"definitionrevision.oam.dev/name": known["attributes"].pop("version")}
        known["attributes"].get("status", {}).pop("details", None)
        assert stated == {**known, "annotations": {**known["annotations"], **version}}


def test_templates_and_resources_are_the_same_byte_for_byte(
    root: Path, files: dict[str, str], made: dict[str, Definition]
) -> None:
    for name, text in definitions(files).items():
        assert text.partition("\ntemplate: {")[2] == made[name].text.partition("\ntemplate: {")[2]
    changed = {p for p, text in package_files(root).items() if files.get(p) != text}
    left_out = {p for p in changed if p.startswith("schemas/workflowstep-")}
    rest = {p for p in changed - left_out if not p.startswith("definitions/")}
    assert rest == {"README.md", "metadata.yaml"}


def test_it_compiles_with_the_cue_of_its_kubevela(files: dict[str, str]) -> None:
    with cues.speaking("1.9"):
        assert compiled(files, "output", {})["kind"] == "Application"
