"""Merge patches: applying the difference of two objects to the one gives the other."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tandem_controller.mergepatch import merge_diff
from tests.simulation.merge import merged

# Numbers start at 2, because Python takes 0 and 1 for False and True. No field of a
# Kubernetes object is a number here and a boolean there.
scalars = st.none() | st.booleans() | st.integers(2, 5) | st.sampled_from(["", "a", "b"])
keys = st.sampled_from(["a", "b", "c", "d"])
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(keys, values, max_size=4)


def without_nulls(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """To the API server a null field is an absent one; a merge patch cannot say otherwise."""
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    return value


@given(objects, objects)
def test_applying_the_difference_gives_the_desired_object(
    current: dict[str, Any], desired: dict[str, Any]
) -> None:
    result = merged(current, merge_diff(current, desired))
    assert without_nulls(result) == without_nulls(desired)


@given(objects, objects)
def test_nothing_is_left_to_change_afterwards(
    current: dict[str, Any], desired: dict[str, Any]
) -> None:
    assert merge_diff(merged(current, merge_diff(current, desired)), desired) == {}


@given(objects)
def test_equal_objects_need_no_patch(value: dict[str, Any]) -> None:
    assert merge_diff(value, copy.deepcopy(value)) == {}


@given(objects, objects)
def test_a_patch_names_only_keys_that_differ(
    current: dict[str, Any], desired: dict[str, Any]
) -> None:
    patch = merge_diff(current, desired)
    assert {k for k in patch if current.get(k) == desired.get(k)} == set()


@given(objects, objects)
def test_neither_object_is_changed(current: dict[str, Any], desired: dict[str, Any]) -> None:
    before = copy.deepcopy((current, desired))
    merge_diff(current, desired)
    assert (current, desired) == before


def test_lists_are_replaced_and_missing_keys_become_null() -> None:
    current = {"keep": 2, "gone": 3, "list": [2, 3], "map": {"x": 2, "y": 3}}
    desired = {"keep": 2, "list": [2], "map": {"x": 2}, "new": {"z": 4}}
    assert merge_diff(current, desired) == {
        "gone": None,
        "list": [2],
        "map": {"y": None},
        "new": {"z": 4},
    }
