"""What admission notes of a Deployment that a chart brings."""

from __future__ import annotations

from typing import Any

import jsonpatch
import pytest

from tandem_controller import keys
from tandem_controller.api.fingerprint import template_fingerprint
from tandem_controller.api.meta import ObjectMeta
from tandem_controller.api.workload import Deployment, DeploymentSpec
from tandem_controller.decide.admission.delivery import with_delivery
from tandem_controller.decide.admission.review import ALLOWED, AdmissionRequest, Verdict
from tandem_controller.decide.hold.manifest import applied_template

Obj = dict[str, Any]


def deployment(image: str, **annotations: str) -> Obj:
    known = {"delivery": keys.DELIVERY, "delivered": keys.DELIVERED}
    return {
        "metadata": {
            "name": "shop-web",
            "annotations": {known[key]: value for key, value in annotations.items()},
        },
        "spec": {"template": {"spec": {"containers": [{"name": "web", "image": image}]}}},
    }


def fingerprint(image: str) -> str:
    return template_fingerprint(deployment(image)["spec"]["template"])


def asked(new: Obj, old: Obj) -> AdmissionRequest:
    return AdmissionRequest(uid="u", operation="UPDATE", object=new, old_object=old)


def answered(new: Obj, old: Obj, verdict: Verdict = ALLOWED) -> Obj:
    found = with_delivery(asked(new, old), verdict)
    admitted: Obj = jsonpatch.apply_patch(new, list(found.patch))
    return admitted


@pytest.mark.parametrize("template", ["v1", "v2"])
def test_the_template_that_came_with_a_new_delivery_is_noted_whatever_becomes_of_it(
    template: str,
) -> None:
    new = deployment(template, delivery="b", delivered=f"a {fingerprint('v1')}")
    kept = {"op": "add", "path": "/spec/template", "value": deployment("v1")["spec"]["template"]}
    admitted = answered(new, deployment("v1", delivery="a"), Verdict(patch=(kept,)))
    assert admitted["spec"] == deployment("v1")["spec"]
    assert admitted["metadata"]["annotations"] == {
        keys.DELIVERY: "b",
        keys.DELIVERED: f"b {fingerprint(template)}",
    }


def test_the_answer_that_comes_back_to_admission_changes_no_note() -> None:
    old = deployment("v1", delivery="a")
    again = deployment("v1", delivery="b", delivered=f"b {fingerprint('v2')}")
    assert with_delivery(asked(again, old), ALLOWED) == ALLOWED


@pytest.mark.parametrize("annotations", [{}, {"delivery": "a"}])
def test_a_write_without_a_new_delivery_notes_nothing(annotations: dict[str, str]) -> None:
    """A person who edits the Deployment is not its chart."""
    new, old = deployment("v2", **annotations), deployment("v1", **annotations)
    assert with_delivery(asked(new, old), ALLOWED) == ALLOWED


def test_a_note_of_another_delivery_tells_nothing() -> None:
    """It came while no webhook answered."""
    annotations = deployment("v1", delivery="b", delivered=f"a {fingerprint('v1')}")["metadata"]
    metadata = ObjectMeta(name="shop-web", annotations=annotations["annotations"])
    spec = DeploymentSpec(template=deployment("v1")["spec"]["template"])
    assert applied_template(Deployment(metadata=metadata, spec=spec), ()) is None
