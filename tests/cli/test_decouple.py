"""`tandem decouple` writes a definition without images and patches, or nothing at all."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from typer.testing import Result

Run = Callable[..., Result]
DEFINITION = """\
it: {
	type: "component"
}
template: {
	output: {kind: "X", images: [{image: "init:1"}, {image: parameter.image}]}
	parameter: image: string
}
"""
APPLICATION = """\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata: {name: shop, namespace: prod}
spec:
  components:
    - {name: web, type: it, properties: {image: "shop:1"}}
"""


@pytest.fixture
def given(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A definition, an Application, and a folder that is not there yet."""
    definition, application = tmp_path / "it.cue", tmp_path / "app.yaml"
    definition.write_text(DEFINITION)
    application.write_text(APPLICATION)
    return definition, application, tmp_path / "new"


def test_definition_and_patch_are_written_and_the_source_stays(
    run: Run, given: tuple[Path, Path, Path]
) -> None:
    definition, application, to = given
    result = run("decouple", definition, "--application", application, "--to", to)
    assert result.exit_code == 0, result.output
    assert definition.read_text() == DEFINITION
    assert result.stdout.splitlines() == [f"wrote {to}/it.cue", f"wrote {to}/shop.patch.yaml"]
    assert result.stderr.splitlines() == [
        "tandem: it: new parameter image2 (required) instead of `init:1`",
        "tandem: Application shop: renders as before (component web), 2 operations",
    ]
    assert run("lint", to / "it.cue").exit_code == 0
    patch = (to / "shop.patch.yaml").read_text()
    assert "kubectl patch application shop -n prod --type json --patch-file" in patch
    assert yaml.safe_load(patch) == [
        {"op": "test", "path": "/spec/components/0/name", "value": "web"},
        {"op": "add", "path": "/spec/components/0/properties/image2", "value": "init:1"},
    ]


def test_a_second_time_there_is_nothing_to_do(run: Run, given: tuple[Path, Path, Path]) -> None:
    definition, _, to = given
    run("decouple", definition, "--to", to)
    result = run("decouple", to / "it.cue", "--to", to / "again")
    assert result.exit_code == 0
    assert "holds no image: there is nothing to do" in result.stderr
    assert not (to / "again").exists()


@pytest.mark.parametrize(
    ("texts", "code", "message"),
    [
        ((DEFINITION, APPLICATION.replace('"shop:1"', "1")), 1, "nothing was written"),
        ((DEFINITION.replace("output:", "output: missing &"), APPLICATION), 1, "before the change"),
        (("a: 1", APPLICATION), 2, "holds no definition"),
        ((DEFINITION, "a: ["), 2, "not YAML"),
    ],
)
def test_a_refusal_writes_nothing(
    run: Run, given: tuple[Path, Path, Path], texts: tuple[str, str], code: int, message: str
) -> None:
    given[0].write_text(texts[0])
    given[1].write_text(texts[1])
    result = run("decouple", given[0], "-a", given[1], "--to", given[2])
    assert (result.exit_code, message in result.stderr) == (code, True), result.output
    assert not given[2].exists()


def test_the_definition_itself_is_never_overwritten(
    run: Run, given: tuple[Path, Path, Path]
) -> None:
    result = run("decouple", given[0], "--to", given[0].parent)
    assert result.exit_code == 1
    assert "give another folder with --to" in result.stderr
    assert given[0].read_text() == DEFINITION
