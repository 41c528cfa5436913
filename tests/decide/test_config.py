"""Which ConfigMaps and Secrets a pod template refers to."""

from __future__ import annotations

from typing import Any

import pytest

from tandem_controller.api.config import ConfigObject
from tandem_controller.api.meta import ObjectMeta
from tandem_controller.decide.config.needs import Reference, by_object, lacks, references
from tandem_controller.effect import Kind

Obj = dict[str, Any]


def of(field: str, at: Obj, *, container: bool) -> tuple[Reference, ...]:
    """The references of a pod with one container or volume of this shape."""
    spec = {"containers": [{"name": "a", field: [at]}]} if container else {"volumes": [at]}
    return references({"spec": spec})


@pytest.mark.parametrize(
    ("field", "at", "expected"),
    [
        (
            "env",
            {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
            Reference(
                kind=Kind.CONFIG_MAP,
                name="c",
                key="k",
                field="spec.containers[0].env[0].valueFrom.configMapKeyRef",
            ),
        ),
        (
            "env",
            {"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            Reference(
                kind=Kind.SECRET,
                name="s",
                key="k",
                field="spec.containers[0].env[0].valueFrom.secretKeyRef",
            ),
        ),
        (
            "envFrom",
            {"configMapRef": {"name": "c", "optional": True}},
            Reference(
                kind=Kind.CONFIG_MAP,
                name="c",
                optional=True,
                field="spec.containers[0].envFrom[0].configMapRef",
            ),
        ),
        (
            "envFrom",
            {"secretRef": {"name": "s"}},
            Reference(kind=Kind.SECRET, name="s", field="spec.containers[0].envFrom[0].secretRef"),
        ),
    ],
)
def test_a_container_refers_to_config(field: str, at: Obj, expected: Reference) -> None:
    assert of(field, at, container=True) == (expected,)


def test_volumes_refer_to_config_with_the_keys_that_they_project() -> None:
    items = [{"key": "a", "path": "x"}, {"key": "b", "path": "y"}]
    volumes = [
        {"name": "0", "configMap": {"name": "c", "items": items}},
        {"name": "1", "secret": {"secretName": "s", "optional": True}},
        {
            "name": "2",
            "projected": {
                "sources": [
                    {"serviceAccountToken": {"path": "token"}},
                    {"configMap": {"name": "p"}},
                    {"secret": {"name": "q"}},
                ]
            },
        },
        {"name": "3", "emptyDir": {}},
        {"name": "4", "csi": {"driver": "d", "nodePublishSecretRef": {"name": "driver"}}},
    ]
    found = references({"spec": {"volumes": volumes}})
    assert [(r.kind, r.name, r.key, r.optional) for r in found] == [
        (Kind.CONFIG_MAP, "c", "a", False),
        (Kind.CONFIG_MAP, "c", "b", False),
        (Kind.SECRET, "s", "", True),
        (Kind.CONFIG_MAP, "p", "", False),
        (Kind.SECRET, "q", "", False),
    ]


def test_what_pods_do_not_read_themselves_is_no_reference() -> None:
    assert references({"spec": {"imagePullSecrets": [{"name": "registry"}]}}) == ()
    assert references({}) == ()


def test_a_key_that_is_missing_matters_unless_it_is_optional() -> None:
    obj = ConfigObject(metadata=ObjectMeta(name="c"), data={"k": "v"}, binary_data={"b": "dg=="})
    have, binary, need, may = (
        Reference(kind=Kind.CONFIG_MAP, name="c", field="f", key=key, optional=optional)
        for key, optional in (("k", False), ("b", False), ("x", False), ("y", True))
    )
    assert lacks(obj, (have, binary, may, need)) == need
    assert lacks(obj, (have, binary, may)) is None


def test_init_containers_count_and_references_are_grouped_by_object() -> None:
    read = {"envFrom": [{"configMapRef": {"name": "c"}}]}
    spec = {"initContainers": [read], "containers": [read, read]}
    grouped = by_object(references({"spec": spec}))
    ((look, found),) = grouped.items()
    assert (look.kind, look.name) == (Kind.CONFIG_MAP, "c")
    assert [r.field.partition(".envFrom")[0] for r in found] == [
        "spec.initContainers[0]",
        "spec.containers[0]",
        "spec.containers[1]",
    ]
