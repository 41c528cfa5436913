"""Fingerprints depend on what a template says, and on nothing else."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem_controller.api.fingerprint import (
    canonical,
    digest,
    template_fingerprint,
    without_template_hash,
)
from tests.examples import V1, V2, Obj, template

texts = st.text(max_size=4)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)
labels = st.dictionaries(texts, texts, max_size=3)
templates = st.fixed_dictionaries(
    {"spec": st.dictionaries(texts, values, max_size=4)},
    optional={"metadata": st.fixed_dictionaries({}, optional={"labels": labels})},
)


def shuffled(value: Any, order: random.Random) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        keys = list(value)
        order.shuffle(keys)
        return {key: shuffled(value[key], order) for key in keys}
    if isinstance(value, list):
        return [shuffled(item, order) for item in value]
    return value


@given(values, st.randoms(use_true_random=False))
def test_canonical_json_is_blind_to_the_order_of_keys(value: object, order: random.Random) -> None:
    assert canonical(shuffled(value, order)) == canonical(value)


@given(values, values)
def test_different_values_have_different_digests(left: object, right: object) -> None:
    same = json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)
    assert (digest(left) == digest(right)) is same


@given(templates, texts)
def test_the_label_of_the_deployment_controller_does_not_count(value: Obj, mark: str) -> None:
    marked = copy.deepcopy(value)
    metadata = marked.setdefault("metadata", {})
    metadata["labels"] = {**metadata.get("labels", {}), "pod-template-hash": mark}
    assert template_fingerprint(marked) == template_fingerprint(value)


@pytest.mark.parametrize(
    "metadata", [None, {}, {"labels": None}, {"labels": {}}, {"creationTimestamp": None}]
)
def test_metadata_that_says_nothing_does_not_count(metadata: Obj | None) -> None:
    spec = V1["spec"]
    assert template_fingerprint({"metadata": metadata, "spec": spec}) == template_fingerprint(
        {"spec": spec}
    )


def test_everything_else_counts() -> None:
    changed: list[Obj] = [V1, V2, template("r/shop:1@sha256:0")]
    for path, value in {
        ("metadata", "labels"): {"app": "shop", "tier": "web"},
        ("metadata", "annotations"): {"kubectl.kubernetes.io/restartedAt": "now"},
        ("spec", "initContainers"): [{"name": "init", "image": "r/init:4"}],
        ("spec", "terminationGracePeriodSeconds"): 30,
    }.items():
        other = copy.deepcopy(V1)
        other[path[0]][path[1]] = value
        changed.append(other)
    prints = {template_fingerprint(value) for value in changed}
    assert len(prints) == len(changed)


def test_the_template_itself_is_not_changed() -> None:
    marked: Obj = {"metadata": {"labels": {"app": "a", "pod-template-hash": "x"}}, "spec": {}}
    before = copy.deepcopy(marked)
    assert without_template_hash(marked) == {"metadata": {"labels": {"app": "a"}}, "spec": {}}
    assert marked == before


def test_a_fingerprint_never_changes_with_the_code() -> None:
    """Names of records in clusters are made of it: a change would orphan every history."""
    value = {"b": [1, "ü", None], "a": {"c": True}}
    assert canonical(value) == '{"a":{"c":true},"b":[1,"ü",null]}'.encode()
    assert digest(value) == "d3828a95884bbad4278fc3f47cae6fcc395710d487e9693845cdccf4c0798fea"
