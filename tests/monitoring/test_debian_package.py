"""Programs of a Debian package: taken from the PATH, or fetched, or asked for in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from devcluster import debian_package


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with no program on its PATH and an empty cache; the folder of its PATH."""
    path = tmp_path / "bin"
    path.mkdir()
    monkeypatch.setenv("PATH", str(path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return path


def script(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return file


def test_a_program_on_the_path_is_taken_as_it_is(bare: Path) -> None:
    here = script(bare, "promtool", "exit 0")
    assert debian_package.program("prometheus", "promtool", _silent) == here


def test_elsewhere_than_on_debian_it_has_to_be_installed(bare: Path) -> None:
    del bare
    with pytest.raises(debian_package.NoPackageError, match="prometheus is not on the PATH"):
        debian_package.program("prometheus", "promtool", _silent)


def test_a_package_is_fetched_once_and_its_lists_are_brought_up_to_date_first(
    bare: Path, tmp_path: Path
) -> None:
    """The first download fails, as it does where no package list is there yet."""
    asked, lists = tmp_path / "asked", tmp_path / "lists"
    script(
        bare,
        "apt-get",
        f'echo "$1" >> {asked}\n'
        f'[ "$1" = update ] && : > {lists} && exit 0\n'
        f"[ -e {lists} ] && : > it.deb",
    )
    script(bare, "dpkg-deb", "/bin/mkdir -p $3/usr/bin && echo it > $3/usr/bin/promtool")
    for _ in range(2):
        found = debian_package.program("prometheus", "promtool", _silent)
        assert found.read_text() == "it\n"
    assert asked.read_text().split() == ["download", "update", "download"]


def test_a_package_that_cannot_be_had_is_an_error_that_names_the_command(bare: Path) -> None:
    script(bare, "apt-get", "echo no network >&2; exit 100")
    script(bare, "dpkg-deb", "exit 1")
    with pytest.raises(debian_package.NoPackageError, match="apt-get download prometheus\nno net"):
        debian_package.program("prometheus", "promtool", _silent)


def _silent(_: str) -> None:
    pass
