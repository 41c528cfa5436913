"""Every definition and the whole addon package mean the same under the CUE of every KubeVela."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from tandem_generator import cue, evaluate
from tandem_generator.evaluate import Definition
from tests.generator import cues
from tests.generator.package import compiled, package_files

CASES = Path(__file__).parent / "cases"
COMPARED_BY_ITS_OWN_TEST = {"release-checkpoint", "rollout-approve", "rollout-step"}
"""Its test answers KubeVela's actions and runs under every CUE."""

ARGUMENTS: tuple[dict[str, Any], ...] = (
    {},
    {
        "image": "mine:1",
        "replicas": 1,
        "namespace": "ops",
        "installCRDs": False,
        "checkpoint": "deny",
        "clusters": ["a", "b"],
        "monitoring": {
            "rules": True,
            "serviceMonitor": True,
            "dashboard": True,
            "labels": {"release": "prometheus"},
        },
    },
)


def cases() -> list[Any]:
    return [
        pytest.param(file.stem, case, id=f"{file.stem}-{number}")
        for file in sorted(CASES.glob("*.yaml"))
        for number, case in enumerate(yaml.safe_load_all(file.read_text(encoding="utf-8")), 1)
    ]


def the_same_everywhere(evaluated: Callable[[], str]) -> str:
    """Evaluate with every CUE; the results have to be equal as a whole."""
    found = {}
    for version in cues.VERSIONS:
        with cues.speaking(version):
            found[version] = evaluated()
    first = found[cues.VERSIONS[0]]
    assert found == dict.fromkeys(cues.VERSIONS, first)
    return first


def test_each_version_is_another_program() -> None:
    said = set()
    for version in cues.VERSIONS:
        with cues.speaking(version):
            said.add(cue.binary().parent.name)
    assert said == {"v0.14.1", "v0.9.2", "v0.5.0"}


def test_every_definition_has_cases(made: dict[str, Definition]) -> None:
    assert {file.stem for file in CASES.glob("*.yaml")} == set(made) - COMPARED_BY_ITS_OWN_TEST


@pytest.mark.parametrize(("name", "case"), cases())
def test_a_definition_renders_the_same_and_as_tandem_render_does(
    made: dict[str, Definition], name: str, case: dict[str, Any]
) -> None:
    text = cues.template(made[name], case["parameter"], case["context"])
    stated = msgspec.json.decode(the_same_everywhere(partial(cues.whole, text)))
    rendered = evaluate.evaluate(made[name], case["parameter"], case["context"])
    ours = msgspec.json.decode(msgspec.json.encode(rendered))
    kept = {key: stated.get(key, empty) for key, empty in _NOTHING.items()}
    assert cues.canonical(kept) == cues.canonical({**_NOTHING, **ours})
    assert any(stated.get(part) for part in ("output", "outputs", "patch"))


def test_the_head_of_every_definition_is_the_same(made: dict[str, Definition]) -> None:
    for name, definition in made.items():
        text = cues.head(definition)
        assert list(msgspec.json.decode(the_same_everywhere(partial(cues.whole, text)))) == [name]


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=["defaults", "everything"])
@pytest.mark.parametrize("expression", ["output", "outputs"])
def test_the_addon_compiles_to_the_same(
    root: Path, expression: str, arguments: dict[str, Any]
) -> None:
    files = package_files(root)
    assert the_same_everywhere(lambda: cues.canonical(compiled(files, expression, arguments)))


_NOTHING: dict[str, Any] = {
    "output": None,
    "outputs": {},
    "patch": None,
    "patchOutputs": {},
    "errs": [],
}
