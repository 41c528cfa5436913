"""What the generator's tests share: the project's folder, its definitions, KubeVela's CUEs."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tandem_generator import definitions, evaluate
from tandem_generator.evaluate import Definition
from tests.generator import cues

ROOT = Path(__file__).parents[2]


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


@pytest.fixture(params=cues.VERSIONS, ids=lambda version: f"kubevela-{version}")
def each_cue(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run a test with the CUE of each KubeVela that is supported."""
    with cues.speaking(request.param):
        yield


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Write a blueprint into a folder of its own and return its file."""

    def write(text: str) -> Path:
        file = tmp_path / "components" / "it.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    return write
