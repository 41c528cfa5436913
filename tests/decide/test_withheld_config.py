"""Which writes of config are answered with what is stored: the rejected content, and no other."""

from __future__ import annotations

from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from tandem_controller.api.config import ConfigObject
from tandem_controller.api.meta import ObjectMeta
from tandem_controller.decide.config.mark import mark_in, new_mark

KEYS = st.sampled_from(["a", "b", "c"])
DATA = st.dictionaries(KEYS, st.sampled_from(["1", "2", "3"]))


def config(data: dict[str, str]) -> ConfigObject:
    return ConfigObject(metadata=ObjectMeta(name="settings"), data=data)


def content(data: dict[str, str]) -> dict[str, Any]:
    return config(data).content


@given(old=DATA, new=DATA, other=DATA)
def test_the_rejected_content_is_known_again_and_no_other(
    old: dict[str, str], new: dict[str, str], other: dict[str, str]
) -> None:
    mark = new_mark("shop-1", config(new), config(old))
    assert mark.names(content(new))
    assert mark.names(content(old | new))
    assume(other not in (new, old | new))
    assert not mark.names(content(other))


@given(old=DATA, new=DATA)
def test_a_mark_is_read_as_it_was_written_and_holds_no_content(
    old: dict[str, str], new: dict[str, str]
) -> None:
    secret = {key: f"hunter{value}" for key, value in new.items()}
    mark = new_mark("shop-1", config(secret), config(old)).is_not_stated()
    written = mark.metadata("shop")["annotations"]
    assert mark_in(written) == mark
    assert "hunter" not in str(written)


def test_what_is_no_mark_is_none() -> None:
    for text in ("", "{}", "[]", "nonsense"):
        assert mark_in({"tandem.oam.dev/withheld-config": text}) is None
