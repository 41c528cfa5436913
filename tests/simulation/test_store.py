"""The model's API server keeps the rules that Tandem's effects rely on."""

from __future__ import annotations

import pytest

from tandem_controller.effect import Create, Delete, Kind, Patch, ReplaceStatus
from tests.simulation.errors import ApiError, ConflictError, InvalidError, NotFoundError
from tests.simulation.model import TANDEM, Model
from tests.simulation.objects import deployment, knobs
from tests.simulation.rules import Obj
from tests.simulation.store import Request


@pytest.fixture
def web() -> Model:
    model = Model()
    model.create(Kind.DEPLOYMENT, deployment())
    return model


def test_a_finalizer_holds_an_object_until_it_is_taken_away(web: Model) -> None:
    meta = {"name": "web", "finalizers": ["tandem.oam.dev/release"]}
    web.create(Kind.ROLLOUT, {"metadata": meta, "spec": {}})
    web.delete(Kind.ROLLOUT, "web")
    assert "deletionTimestamp" in web.store.get(Kind.ROLLOUT, "web")["metadata"]
    web.edit(Kind.ROLLOUT, "web", {"metadata": {"finalizers": None}})
    assert web.store.find(Kind.ROLLOUT, "web") is None


def test_a_write_with_an_old_version_is_a_conflict(web: Model) -> None:
    seen = web.deployment("web").metadata
    web.edit(Kind.DEPLOYMENT, "web", {"spec": {"replicas": 5}})
    stale = Patch(
        kind=Kind.DEPLOYMENT,
        namespace=seen.namespace,
        name=seen.name,
        uid=seen.uid,
        resource_version=seen.resource_version,
        body={"spec": {"replicas": 7}},
    )
    with pytest.raises(ConflictError):
        web.execute([stale])
    assert web.deployment("web").spec.replicas == 5


def test_a_list_of_effects_ends_at_the_first_that_fails(web: Model) -> None:
    record = {"metadata": {"name": "r"}, "spec": {"fingerprint": "f"}}
    missing = ReplaceStatus(
        kind=Kind.ROLLOUT, namespace="default", name="none", resource_version="1", status={}
    )
    gone = Delete(kind=Kind.SERVICE, namespace="default", name="none", uid="u")
    create = Create(kind=Kind.RELEASE_RECORD, body=record)
    with pytest.raises(NotFoundError):
        web.execute([gone, create, create, missing, Create(kind=Kind.INGRESS, body=record)])
    assert web.store.find(Kind.RELEASE_RECORD, "r") is not None
    assert web.store.find(Kind.INGRESS, "r") is None


def test_what_is_not_changed_keeps_version_and_generation(web: Model) -> None:
    before = web.deployment("web").metadata
    web.edit(Kind.DEPLOYMENT, "web", {"spec": {"replicas": 10}})
    assert web.deployment("web").metadata == before
    web.edit(Kind.DEPLOYMENT, "web", {"metadata": {"labels": {"a": "b"}}})
    assert web.deployment("web").metadata.generation == before.generation
    web.edit(Kind.DEPLOYMENT, "web", {"metadata": {"annotations": {"a": "b"}}})
    assert web.deployment("web").metadata.generation == before.generation + 1


@pytest.mark.parametrize(
    "spec",
    [
        {"minReadySeconds": 600},
        knobs(0, 0),
        knobs(0, "0%"),
        {"strategy": {"type": "Recreate"}},
        {"selector": {"matchLabels": {"app": "other"}}},
        {"replicas": -1},
    ],
)
def test_the_api_server_refuses_what_breaks_a_rule(web: Model, spec: Obj) -> None:
    with pytest.raises(InvalidError):
        web.edit(Kind.DEPLOYMENT, "web", {"spec": spec})


def test_a_record_says_what_it_said(web: Model) -> None:
    web.create(Kind.RELEASE_RECORD, {"metadata": {"name": "r"}, "spec": {"fingerprint": "f"}})
    with pytest.raises(InvalidError):
        web.edit(Kind.RELEASE_RECORD, "r", {"spec": {"fingerprint": "g"}})


def test_admission_sees_who_writes_and_may_change_or_refuse_it() -> None:
    def only_tandem_unpauses(request: Request) -> Obj:
        if request.kind is not Kind.DEPLOYMENT or request.user == TANDEM:
            return request.new
        if request.old is not None and request.new["spec"]["replicas"] == 0:
            raise ApiError("not to zero")
        return {**request.new, "spec": {**request.new["spec"], "paused": True}}

    model = Model(only_tandem_unpauses)
    created = model.create(Kind.DEPLOYMENT, deployment())
    assert created["spec"]["paused"]
    with pytest.raises(ApiError, match="not to zero"):
        model.edit(Kind.DEPLOYMENT, "web", {"spec": {"replicas": 0}})
    metadata = created["metadata"]
    unpause = Patch(
        kind=Kind.DEPLOYMENT,
        namespace=metadata["namespace"],
        name="web",
        uid=metadata["uid"],
        resource_version=metadata["resourceVersion"],
        body={"spec": {"paused": None}},
    )
    model.execute_one(unpause)
    assert not model.deployment("web").spec.paused
