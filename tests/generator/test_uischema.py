"""Forms for VelaUX: order and labels of a definition's parameters, images, what is hidden."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from tandem_generator import definitions, uischema
from tandem_generator.source import SourceError


@pytest.fixture(scope="module")
def made(root: Path) -> dict[str, definitions.Generated]:
    return {d.name: d for d in definitions.generate(root / "definitions")}


def test_parameters_come_in_the_definitions_order_with_words_for_labels(
    made: dict[str, definitions.Generated],
) -> None:
    text = (
        't: {type: "trait"}\ntemplate: {\n\tparameter: {\n\t\thttpRoute?: int\n\t\ta: 1\n\t}\n}\n'
    )
    assert uischema.form(replace(made["rollout"], text=text, hidden=())) == [
        {"jsonKey": "httpRoute", "label": "Http route", "sort": 1},
        {"jsonKey": "a", "label": "A", "sort": 2},
    ]


def test_images_are_asked_for_as_images(made: dict[str, definitions.Generated]) -> None:
    for name, images in (
        ("canary-ready-component", {"businessImage", "initImage"}),
        ("init-image", {"image"}),
    ):
        form = uischema.form(made[name])
        assert {e["jsonKey"] for e in form if e.get("uiType") == "ImageInput"} == images


def test_other_words_for_the_same_are_hidden(made: dict[str, definitions.Generated]) -> None:
    hidden = {e["jsonKey"] for e in uischema.form(made["rollout"]) if e.get("disable")}
    assert hidden == {"canary", "releaseMode"}


def test_a_blueprint_cannot_hide_what_is_not_there(
    made: dict[str, definitions.Generated],
) -> None:
    with pytest.raises(SourceError, match="hides the parameter `step`, which rollout does not"):
        uischema.form(replace(made["rollout"], hidden=("step",)))
