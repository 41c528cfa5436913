"""What the generator's tests share: the project's folder, its definitions, both CUE versions."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tandem_generator import cue, definitions, evaluate
from tandem_generator.evaluate import Definition

ROOT = Path(__file__).parents[2]
OLD_CUE = "TANDEM_CUE_0_9"
"""Names a `cue` 0.9.2, which KubeVela 1.10 links; without it, only 0.14 is tested."""


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def made() -> dict[str, Definition]:
    """The definitions as they are generated now, not as they were committed."""
    return {
        d.name: evaluate.from_text(d.text, d.name)
        for d in definitions.generate(ROOT / "definitions")
    }


@pytest.fixture(params=["default", "0.9"] if OLD_CUE in os.environ else ["default"])
def each_cue(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run a test with the default `cue` and with 0.9.2."""
    if request.param == "default":
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(cue.PATH_VARIABLE, os.environ[OLD_CUE])
        cue.binary.cache_clear()
        yield
    cue.binary.cache_clear()


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Write a blueprint into a folder of its own and return its file."""

    def write(text: str) -> Path:
        file = tmp_path / "components" / "it.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    return write
