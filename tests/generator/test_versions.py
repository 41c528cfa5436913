"""A definition's version stands for one content."""

import shutil
from pathlib import Path

import pytest

from tandem_generator import definitions, project, source, versions


@pytest.fixture
def blueprints(root: Path, tmp_path: Path) -> Path:
    """A copy of the project's blueprints, generated once."""
    folder = tmp_path / "definitions"
    shutil.copytree(root / "definitions", folder)
    project.definitions_only(folder, tmp_path / "out").write()
    return folder


def edit(folder: Path, old: str, new: str) -> None:
    file = folder / "components" / "canary-ready-component.yaml"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def test_other_content_under_the_same_version_is_refused(blueprints: Path, tmp_path: Path) -> None:
    edit(blueprints, "default: /work", "default: /data")
    with pytest.raises(source.SourceError) as caught:
        project.definitions_only(blueprints, tmp_path / "out")
    assert caught.value.line == 6
    assert str(caught.value).endswith(
        "canary-ready-component 1.3.0 exists with other content: raise `version` to 1.3.1 for a "
        "fix, 1.4.0 for something new, 2.0.0 where Applications have to change"
    )


def test_a_raised_version_is_taken_and_the_old_one_kept(blueprints: Path, tmp_path: Path) -> None:
    before = versions.load(blueprints / versions.FILE)
    edit(blueprints, "default: /work", "default: /data")
    edit(blueprints, "version: 1.3.0", "version: 2.0.0")
    project.definitions_only(blueprints, tmp_path / "out").write()
    after = versions.load(blueprints / versions.FILE)
    assert set(after["canary-ready-component"]) == {"1.0.0", "1.1.0", "1.2.0", "1.3.0", "2.0.0"}
    assert after["canary-ready-component"]["1.3.0"] == before["canary-ready-component"]["1.3.0"]
    made = (tmp_path / "out" / "canary-ready-component.cue").read_text()
    assert 'version: "2.0.0"' in made
    kept = blueprints / "released" / "canary-ready-component"
    assert sorted(f.name for f in kept.iterdir()) == [
        "1.0.0.cue",
        "1.1.0.cue",
        "1.2.0.cue",
        "1.3.0.cue",
        "2.0.0.cue",
    ]
    assert (kept / "2.0.0.cue").read_text() == made


def test_a_version_that_steps_too_little_is_refused_with_the_reason(
    blueprints: Path, tmp_path: Path
) -> None:
    edit(blueprints, "default: /work", "default: /data")
    edit(blueprints, "version: 1.3.0", "version: 1.4.0")
    with pytest.raises(source.SourceError) as caught:
        project.definitions_only(blueprints, tmp_path / "out")
    assert caught.value.line == 6
    assert str(caught.value).partition(":6: ")[2] == (
        "canary-ready-component 1.4.0 steps too little from 1.3.0: the change is major (the "
        'parameter workPath has the default `"/data"` and had `"/work"`: Applications that leave '
        "it out change), raise `version` to 2.0.0; `tandem semver` lists all reasons"
    )


def test_what_the_lock_knows_already_is_not_judged_again(blueprints: Path, tmp_path: Path) -> None:
    edit(blueprints, "default: /work", "default: /data")
    edit(blueprints, "version: 1.3.0", "version: 1.3.1")
    lock = versions.load(blueprints / versions.FILE)
    released = versions.extend(lock, definitions.generate(blueprints))
    (blueprints / versions.FILE).write_text(versions.dump(released), encoding="utf-8")
    assert project.definitions_only(blueprints, tmp_path / "out").files


@pytest.mark.parametrize(("old", "new"), [("", "gone"), ("version", "VERSION")])
def test_the_text_to_compare_with_has_to_be_the_one_that_was_released(
    blueprints: Path, tmp_path: Path, old: str, new: str
) -> None:
    kept = blueprints / "released" / "canary-ready-component" / "1.3.0.cue"
    kept.write_text(kept.read_text().replace(old, new, 1)) if old else kept.unlink()
    project.definitions_only(blueprints, tmp_path / "out")
    edit(blueprints, "version: 1.3.0", "version: 1.3.1")
    with pytest.raises(source.SourceError, match=r"1\.3\.0.*bring the file back") as caught:
        project.definitions_only(blueprints, tmp_path / "out")
    assert caught.value.file == str(kept)


def test_the_texts_that_are_kept_are_what_the_lock_knows(root: Path) -> None:
    lock = versions.load(root / "definitions" / versions.FILE)
    folder = root / "definitions" / "released"
    digests = {
        name: {v: versions.digest((folder / name / f"{v}.cue").read_text()) for v in known}
        for name, known in lock.items()
    }
    assert digests == lock


def test_an_old_version_cannot_come_back_changed(blueprints: Path, tmp_path: Path) -> None:
    """The lock remembers all versions, not only the last."""
    edit(blueprints, "version: 1.3.0", "version: 1.4.0")
    project.definitions_only(blueprints, tmp_path / "out").write()
    edit(blueprints, "version: 1.4.0", "version: 1.3.0")
    project.definitions_only(blueprints, tmp_path / "out").write()
    edit(blueprints, "usage: Arguments of the init container", "usage: Other words")
    with pytest.raises(source.SourceError, match=r"1\.3\.0 exists with other content"):
        project.definitions_only(blueprints, tmp_path / "out")


def test_a_broken_lock_is_named(blueprints: Path, tmp_path: Path) -> None:
    (blueprints / versions.FILE).write_text("rollout: 1\n", encoding="utf-8")
    with pytest.raises(source.SourceError, match=r"versions\.yaml:1: rollout|versions\.yaml:1:"):
        project.definitions_only(blueprints, tmp_path / "out")
