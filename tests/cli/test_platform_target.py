"""Which words name a platform change, and which records meet it."""

from __future__ import annotations

import pytest

from tandem_cli.platform.target import BadTargetError, Target, parse
from tests.cli.holding import record


def test_a_version_and_images_are_read() -> None:
    target = parse("web@1.1.0", ["init=r/init:v2"])
    assert target == Target(component="web", version="1.1.0", images=(("init", "r/init:v2"),))
    assert str(target) == "web@1.1.0 --image init=r/init:v2"
    assert target.definite
    assert not parse("web").definite


@pytest.mark.parametrize(
    ("component", "images"),
    [("", ()), ("@1", ()), ("web@", ()), ("web", ["init"]), ("web", ["=x"]), ("web", ["init="])],
)
def test_other_words_are_refused(component: str, images: list[str]) -> None:
    with pytest.raises(BadTargetError, match="write"):
        parse(component, images)


@pytest.mark.parametrize(
    ("component", "images", "meets"),
    [
        ("web@1.1.0", (), True),
        ("web@1.0.0", (), False),
        ("web", ["init=r/init:v2"], True),
        ("web", ["init=r/init:v1"], False),
        ("web", ["shop=r/init:v2"], False),
        ("web@1.1.0", ["init=r/init:v1"], False),
        ("web", (), True),
    ],
)
def test_a_record_meets_a_version_and_every_image(
    component: str, images: list[str], *, meets: bool
) -> None:
    assert parse(component, images).meets(record("v2", "v1", version="1.1.0")) is meets
