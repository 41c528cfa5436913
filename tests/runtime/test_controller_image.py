"""When the controller's image is built again: exactly when it would be another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from devcluster import controller_image


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of all that the image is made of, and of something that it is not made of."""
    for source in (*controller_image.content(), controller_image.ROOT / "README.md"):
        copy = tmp_path / source.relative_to(controller_image.ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(source.read_bytes())
    monkeypatch.setattr(controller_image, "ROOT", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "file", ["Dockerfile", "uv.lock", "controller/tandem_controller/app.py", "cli/pyproject.toml"]
)
def test_what_goes_into_the_image_makes_it_another_one(project: Path, file: str) -> None:
    before = controller_image.fingerprint()
    (project / file).write_text("other")
    assert controller_image.fingerprint() != before


def test_a_new_file_of_the_controller_makes_it_another_one(project: Path) -> None:
    before = controller_image.fingerprint()
    (project / "controller/tandem_controller/more.py").write_text("")
    assert controller_image.fingerprint() != before


def test_nothing_else_does(project: Path) -> None:
    before = controller_image.fingerprint()
    (project / "README.md").write_text("other")
    caches = project / "controller/tandem_controller/__pycache__"
    caches.mkdir()
    (caches / "app.pyc").write_bytes(b"")
    assert controller_image.fingerprint() == before
