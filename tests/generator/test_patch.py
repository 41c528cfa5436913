"""Trait patches are merged by the rules in their comments."""

import pytest

from tandem_generator import patch
from tandem_generator.source import Json

TEXT = """
template: {
	patch: spec: template: spec: {
		// +patchKey=name
		initContainers: [{
			name: parameter.name
			// +patchStrategy=retainKeys
			image: parameter.image
		}]
		// +patchStrategy=replace
		"tolerations": []
		// a plain comment
		volumes: []
	}
}
"""
RULES = patch.rules(TEXT)


def test_rules_are_read_from_comments() -> None:
    assert {
        "initContainers": patch.Rule(key="name"),
        "image": patch.Rule(strategy="retainKeys"),
        "tolerations": patch.Rule(strategy="replace"),
    } == RULES


@pytest.mark.parametrize(
    ("base", "change", "expected"),
    [
        ({"a": 1}, {"b": {"c": 2}}, {"a": 1, "b": {"c": 2}}),
        ({"a": {"b": 1}}, {"a": {"c": 2}}, {"a": {"b": 1, "c": 2}}),
        ({"image": "a"}, {"image": "b"}, {"image": "b"}),
        ({"tolerations": [1, 2]}, {"tolerations": [3]}, {"tolerations": [3]}),
        (
            {"initContainers": [{"name": "a", "image": "x"}]},
            {"initContainers": [{"name": "b"}, {"name": "a", "image": "y"}]},
            {"initContainers": [{"name": "a", "image": "y"}, {"name": "b"}]},
        ),
        ({"list": [{"a": 1}]}, {"list": [{"b": 2}]}, {"list": [{"a": 1, "b": 2}]}),
    ],
)
def test_merging(base: Json, change: Json, expected: Json) -> None:
    assert patch.merge(base, change, RULES) == expected


@pytest.mark.parametrize(
    ("base", "change", "says"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 2}}, "a.b is 1 and the patch says 2"),
        ({"a": [1]}, {"a": [1, 2]}, "a has 1 items and the patch 2"),
        ({"a": {}}, {"a": 1}, "a is {} and the patch says 1"),
    ],
)
def test_without_a_rule_values_must_agree(base: Json, change: Json, says: str) -> None:
    with pytest.raises(patch.PatchConflictError) as caught:
        patch.merge(base, change, RULES)
    assert str(caught.value) == says
