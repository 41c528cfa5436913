"""Two traits that make one Rollout are refused where they are stated, and only then."""

from __future__ import annotations

from typing import Any

import pytest

from tandem_controller.decide.admission.review import ALLOWED, AdmissionRequest
from tandem_controller.decide.admission.traits import admit_traits

Obj = dict[str, Any]


def application(*types: str, **metadata: str) -> Obj:
    traits = [{"type": type_} for type_ in types]
    plain = {"name": "other", "type": "worker"}
    shop = {"name": "shop", "type": "webservice", "traits": traits}
    return {"metadata": {"name": "shop", **metadata}, "spec": {"components": [plain, shop]}}


def stated(new: Obj, old: Obj | None = None) -> AdmissionRequest:
    operation = "UPDATE" if old else "CREATE"
    return AdmissionRequest(uid="1", operation=operation, object=new, old_object=old)


@pytest.mark.parametrize(
    "types",
    [
        ("rollout", "kruise-rollout"),
        ("rolling-release", "scaler", "rollout"),
        ("rollout@v1.3.0", "rollout"),
    ],
)
def test_two_that_make_one_rollout_are_refused_with_their_names(types: tuple[str, ...]) -> None:
    for old in (None, application("rollout")):
        verdict = admit_traits(stated(application(*types), old))
        assert not verdict.allowed
        making = " and ".join(t for t in types if t != "scaler")
        assert verdict.message.startswith(
            f"spec.components[shop].traits: {making} each make the Rollout shop"
        )


@pytest.mark.parametrize(
    "types", [(), ("rollout",), ("rollout", "hpa", "scaler"), ("kruise-rollout", "cpuscaler")]
)
def test_one_of_them_passes_with_scalers_beside_it(types: tuple[str, ...]) -> None:
    assert admit_traits(stated(application(*types))) == ALLOWED


def test_what_was_stored_before_is_told_and_can_still_be_changed_and_deleted() -> None:
    both = application("rollout", "kruise-rollout")
    verdict = admit_traits(stated(both, both))
    assert verdict.allowed
    (warning,) = verdict.warnings
    assert "keep one of them" in warning
    other_order = application("kruise-rollout", "scaler", "rollout")
    assert admit_traits(stated(other_order, both)).allowed
    assert admit_traits(stated(application("rollout"), both)) == ALLOWED
    going = application("rollout", "kruise-rollout", deletionTimestamp="now")
    assert admit_traits(stated(going)) == ALLOWED


def test_an_application_without_components_passes() -> None:
    assert admit_traits(stated({"metadata": {}, "spec": {}})) == ALLOWED
