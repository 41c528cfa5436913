"""Conversion loses nothing: not between versions, not through KubeVela's old struct."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_controller.api.conversion import (
    ALPHA_FIELDS,
    BETA_FIELDS,
    UnknownVersionError,
    decode_rollout,
    dropped_by_old_client,
    encode_status_v1alpha1,
    to_v1alpha1,
    to_v1beta1,
)
from tandem_controller.api.merge import merge, same
from tandem_controller.api.reshape import STYLE_ANNOTATION, TRAFFIC_ROUTING_ANNOTATION
from tandem_controller.api.rollout import CanaryStatus, RolloutStatus

Obj = dict[str, Any]


def rollout(version: str, spec: Obj, annotations: Obj | None = None, **more: Obj) -> Obj:
    metadata: Obj = {"name": "shop", "namespace": "web", "uid": "u1", "resourceVersion": "7"}
    if annotations:
        metadata["annotations"] = annotations
    api = f"rollouts.kruise.io/{version}"
    return {"apiVersion": api, "kind": "Rollout", "metadata": metadata, "spec": spec, **more}


def old_client(obj: Obj) -> Obj:
    """A GET and PUT through KubeVela's struct, field by field as its Go types state them."""

    def only(source: Obj, *keys: str) -> Obj:
        empty: tuple[Any, ...] = (None, [], "")
        return {k: source[k] for k in keys if k in source and source[k] not in empty}

    spec = obj["spec"]
    put_spec: Obj = {"objectRef": dict(spec.get("objectRef") or {}), **only(spec, "rolloutID")}
    strategy = spec.get("strategy") or {}
    put_spec["strategy"] = {"paused": True} if strategy.get("paused") else {}
    if strategy.get("canary") is not None:
        canary = only(strategy["canary"], "failureThreshold")
        steps = strategy["canary"].get("steps")
        if steps:
            kept = ("weight", "replicas", "matches")
            canary["steps"] = [{**only(s, *kept), "pause": s.get("pause") or {}} for s in steps]
        routings = strategy["canary"].get("trafficRoutings")
        if routings:
            canary["trafficRoutings"] = [
                {
                    "service": r.get("service", ""),
                    "gracePeriodSeconds": r.get("gracePeriodSeconds") or 3,
                    **only(r, "ingress", "gateway"),
                }
                for r in routings
            ]
        put_spec["strategy"]["canary"] = canary
    return {**copy.deepcopy(obj), "spec": put_spec}


def suspended(obj: Obj, *, paused: bool = True) -> Obj:
    obj = copy.deepcopy(obj)
    strategy = obj["spec"].setdefault("strategy", {})
    if paused:
        strategy["paused"] = True
    else:
        strategy.pop("paused", None)
    return obj


def optional(fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Obj]:
    return st.fixed_dictionaries({}, optional=fields)


names = st.sampled_from(["a", "shop", "x-user"])
headers = st.lists(
    st.fixed_dictionaries(
        {"name": names, "value": names}, optional={"type": st.just("RegularExpression")}
    ),
    max_size=2,
)
percent = st.sampled_from(["0%", "5%", "20%", "50%", "100%", "007%", "20", "wrong", "150%"])
replicas = st.one_of(st.integers(0, 10), percent)
pauses = optional({"duration": st.integers(0, 60)})
modifiers = optional(
    {"set": st.lists(st.fixed_dictionaries({"name": names, "value": names}), max_size=2)}
)
ingresses = optional({"name": names, "classType": st.sampled_from(["", "nginx", "higress"])})
routings = st.lists(
    st.fixed_dictionaries(
        {"gracePeriodSeconds": st.integers(0, 9)},  # the API server always fills it in
        optional={
            "service": names,
            "ingress": ingresses,
            "gateway": optional({"httpRouteName": names}),
            "customNetworkRefs": st.lists(
                st.fixed_dictionaries({"apiVersion": names, "kind": names, "name": names}),
                max_size=2,
            ),
        },
    ),
    max_size=2,
)
same_canary: dict[str, st.SearchStrategy[Any]] = {
    "trafficRoutings": routings,
    "failureThreshold": replicas,
    "patchPodTemplateMetadata": optional({"labels": st.dictionaries(names, names)}),
    "disableGenerateCanaryService": st.booleans(),
}
common_step = {"requestHeaderModifier": modifiers, "replicas": replicas, "pause": pauses}
beta_steps = st.lists(
    optional(
        common_step
        | {
            "traffic": percent,
            "matches": st.lists(
                optional(
                    {
                        "headers": headers,
                        "queryParams": headers,
                        "path": optional({"value": st.just("/x")}),
                    }
                ),
                max_size=2,
            ),
        }
    ),
    max_size=3,
)
alpha_steps = st.lists(
    optional(
        common_step
        | {
            "weight": st.integers(-1, 150),
            "matches": st.lists(optional({"headers": headers}), max_size=2),
        }
    ),
    max_size=3,
)
refs = optional({"apiVersion": st.just("apps/v1"), "kind": st.just("Deployment"), "name": names})
notes = optional(
    {
        "team": names,
        STYLE_ANNOTATION: st.sampled_from(["partition", "Partition", "canary", "bluegreen", ""]),
        TRAFFIC_ROUTING_ANNOTATION: names,
    }
)
blue_green = optional(
    {"steps": beta_steps, "trafficRoutings": routings, "trafficRoutingRef": names}
)
statuses = st.just({"phase": "Progressing", "canaryStatus": {"currentStepState": "StepPaused"}})
beta_objects = st.builds(
    lambda spec, notes, more: rollout("v1beta1", spec, notes, **more),
    optional(
        {
            "workloadRef": refs,
            "disabled": st.booleans(),
            "strategy": optional(
                {
                    "paused": st.booleans(),
                    "canary": optional(
                        same_canary
                        | {
                            "steps": beta_steps,
                            "enableExtraWorkloadForCanary": st.booleans(),
                            "trafficRoutingRef": names,
                        }
                    ),
                    "blueGreen": blue_green,
                }
            ),
        }
    ),
    notes,
    optional({"status": statuses}),
)
alpha_objects = st.builds(
    lambda spec, notes, more: rollout("v1alpha1", spec, notes, **more),
    optional(
        {
            "objectRef": optional({"workloadRef": refs}),
            "disabled": st.booleans(),
            "rolloutID": names,
            "strategy": optional(
                {
                    "paused": st.booleans(),
                    "canary": optional(same_canary | {"steps": alpha_steps}),
                }
            ),
        }
    ),
    notes,
    optional({"status": statuses}),
)


def bare(obj: Obj) -> Obj:
    """The object without what Tandem remembers in annotations."""
    obj = copy.deepcopy(obj)
    notes = obj["metadata"].pop("annotations", {})
    notes = {k: v for k, v in notes.items() if k not in (BETA_FIELDS, ALPHA_FIELDS)}
    return {**obj, "metadata": obj["metadata"] | ({"annotations": notes} if notes else {})}


@given(beta_objects)
@settings(max_examples=400)
def test_beta_comes_back_exactly(obj: Obj) -> None:
    before = copy.deepcopy(obj)
    assert to_v1beta1(to_v1alpha1(obj)) == before
    assert obj == before


@given(alpha_objects)
@settings(max_examples=400)
def test_alpha_comes_back_exactly(obj: Obj) -> None:
    assert bare(to_v1alpha1(to_v1beta1(obj))) == bare(obj)


@given(beta_objects)
@settings(max_examples=200)
def test_a_stored_object_is_stable_under_further_round_trips(obj: Obj) -> None:
    stored = to_v1alpha1(obj)
    assert to_v1alpha1(to_v1beta1(stored)) == stored


@given(st.one_of(alpha_objects, beta_objects))
@settings(max_examples=100)
def test_conversion_to_the_own_version_changes_nothing(obj: Obj) -> None:
    convert = to_v1alpha1 if obj["apiVersion"].endswith("v1alpha1") else to_v1beta1
    assert convert(obj) == obj


@given(beta_objects, st.booleans())
@settings(max_examples=400)
def test_beta_survives_suspend_and_resume_by_kubevela(obj: Obj, resume: bool) -> None:
    stored = old_client(suspended(to_v1alpha1(obj)))
    if resume:
        stored = old_client(suspended(stored, paused=False))
    seen = to_v1beta1(stored)["spec"]
    assert bool(seen.get("strategy", {}).get("paused")) is not resume
    assert same(unpaused(seen), unpaused(obj["spec"]))


def unpaused(spec: Obj) -> Obj:
    strategy = {k: v for k, v in spec.get("strategy", {}).items() if k != "paused"}
    rest = {k: v for k, v in spec.items() if (k, v) != ("disabled", False)}
    return {**rest, "strategy": strategy}


@given(beta_objects, st.integers(0, 100))
@settings(max_examples=200)
def test_an_edit_of_alpha_wins_and_the_rest_is_kept(obj: Obj, weight: int) -> None:
    stored = to_v1alpha1(obj)
    steps = stored["spec"].get("strategy", {}).get("canary", {}).get("steps")
    if not steps:
        return
    steps[0]["weight"] = weight
    seen = to_v1beta1(stored)["spec"]["strategy"]["canary"]["steps"]
    before = obj["spec"]["strategy"]["canary"]["steps"]
    assert seen[0]["traffic"] == f"{weight}%" or (
        seen[0] == before[0] and same(to_v1alpha1(obj)["spec"], stored["spec"])
    )
    assert seen[1:] == before[1:]
    for key in ("requestHeaderModifier", "pause", "matches"):
        assert seen[0].get(key) == before[0].get(key)


FULL_BETA = rollout(
    "v1beta1",
    {
        "workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"},
        "strategy": {
            "canary": {
                "steps": [
                    {"traffic": "5%", "replicas": 1, "matches": [{"path": {"value": "/new"}}]},
                    {"traffic": "50%", "replicas": "50%"},
                ]
            }
        },
    },
)


def test_a_step_inserted_through_alpha_leaves_the_others_whole() -> None:
    stored = to_v1alpha1(FULL_BETA)
    stored["spec"]["strategy"]["canary"]["steps"].insert(0, {"weight": 1})
    steps = to_v1beta1(stored)["spec"]["strategy"]["canary"]["steps"]
    assert steps[0] == {"traffic": "1%", "replicas": "1%"}
    assert steps[1:] == FULL_BETA["spec"]["strategy"]["canary"]["steps"]


@pytest.mark.parametrize(
    "more", [{"path": {"value": "/new"}}, {"queryParams": [{"name": "a", "value": "b"}]}]
)
def test_half_a_match_is_never_shown_because_it_would_match_more(more: Obj) -> None:
    beta = copy.deepcopy(FULL_BETA)
    match = {"headers": [{"name": "a", "value": "b"}], **more}
    beta["spec"]["strategy"]["canary"]["steps"][0]["matches"] = [match]
    steps = to_v1alpha1(beta)["spec"]["strategy"]["canary"]["steps"]
    assert steps[0]["matches"] == []


def test_a_grace_period_of_0_survives_a_client_that_drops_it() -> None:
    beta = copy.deepcopy(FULL_BETA)
    routing = {"service": "shop", "gracePeriodSeconds": 0, "ingress": {"name": "shop"}}
    beta["spec"]["strategy"]["canary"] = {
        "steps": [{"traffic": "5%", "replicas": 1}],
        "trafficRoutings": [routing],
    }
    seen = to_v1beta1(old_client(suspended(to_v1alpha1(beta))))
    assert seen["spec"]["strategy"]["canary"]["trafficRoutings"] == [routing]


def test_equal_steps_keep_what_belongs_to_each_by_its_place() -> None:
    ours = {"steps": [{"w": 1, "more": "first"}, {"w": 1, "more": "second"}, {"w": 2}]}
    base = {"steps": [{"w": 1}, {"w": 1}, {"w": 2}]}
    edited = {"steps": [{"w": 1}, {"w": 1}, {"w": 3}]}
    assert merge(base, edited, ours) == {"steps": [*ours["steps"][:2], {"w": 3}]}
    moved = {"steps": [{"w": 2}, {"w": 1}, {"w": 1}]}
    steps = merge(base, moved, ours)["steps"]
    assert [step.get("more") for step in steps] == [None, "second", "first"]
    inserted = {"steps": [{"w": 0}, *base["steps"]]}
    assert merge(base, inserted, ours) == {"steps": [{"w": 0}, *ours["steps"]]}


def test_removing_the_style_annotation_from_alpha_means_canary() -> None:
    stored = to_v1alpha1(FULL_BETA)
    assert stored["metadata"]["annotations"][STYLE_ANNOTATION] == "partition"
    del stored["metadata"]["annotations"][STYLE_ANNOTATION]
    assert to_v1beta1(stored)["spec"]["strategy"]["canary"]["enableExtraWorkloadForCanary"]


def test_what_both_versions_can_say_needs_no_annotation() -> None:
    beta = copy.deepcopy(FULL_BETA)
    del beta["spec"]["strategy"]["canary"]["steps"][0]["matches"]
    beta["spec"]["disabled"] = False
    assert BETA_FIELDS not in to_v1alpha1(beta)["metadata"]["annotations"]


def test_re_enabling_through_alpha_is_an_edit_and_not_a_loss() -> None:
    stored = to_v1alpha1(rollout("v1beta1", FULL_BETA["spec"] | {"disabled": True}))
    stored["spec"]["disabled"] = False
    assert to_v1beta1(stored)["spec"]["disabled"] is False


def test_a_damaged_annotation_is_ignored() -> None:
    stored = to_v1alpha1(FULL_BETA)
    for damage in ("{", "[]", '{"spec": 1}'):
        stored["metadata"]["annotations"][BETA_FIELDS] = damage
        seen = to_v1beta1(stored)
        assert seen["spec"]["workloadRef"]["name"] == "shop"
        assert BETA_FIELDS not in seen["metadata"].get("annotations", {})


def test_a_foreign_object_is_refused() -> None:
    with pytest.raises(UnknownVersionError, match="v2"):
        to_v1beta1({"apiVersion": "rollouts.kruise.io/v2", "kind": "Rollout"})


ALPHA = rollout(
    "v1alpha1",
    {
        "objectRef": {
            "workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"}
        },
        "strategy": {"canary": {"steps": [{"weight": 20, "requestHeaderModifier": {"set": []}}]}},
    },
)


def test_the_drop_of_an_old_client_is_told_from_an_edit() -> None:
    alpha = copy.deepcopy(ALPHA)
    modifier = {"set": [{"name": "x", "value": "y"}]}
    alpha["spec"]["strategy"]["canary"]["steps"][0]["requestHeaderModifier"] = modifier
    put = old_client(suspended(alpha))
    assert dropped_by_old_client(alpha, put)
    edited = copy.deepcopy(put)
    edited["spec"]["strategy"]["canary"]["steps"][0]["weight"] = 30
    assert not dropped_by_old_client(alpha, edited)
    assert not dropped_by_old_client(alpha, old_client(alpha))
    assert not dropped_by_old_client(ALPHA, old_client(suspended(ALPHA)))


def test_structs_read_both_versions_and_the_nulls_of_go() -> None:
    alpha = copy.deepcopy(ALPHA)
    alpha["status"] = {
        "phase": "Progressing",
        "conditions": [{"type": "Progressing", "status": "True", "lastUpdateTime": None}],
        "canaryStatus": {"currentStepIndex": 1, "currentStepState": "StepPaused"},
    }
    read = decode_rollout(msgspec.json.encode(alpha))
    assert read.spec.workload_ref.name == "shop"
    assert read.spec.strategy.canary is not None
    assert read.spec.strategy.canary.steps[0].traffic == "20%"
    assert read.spec.strategy.canary.enable_extra_workload_for_canary
    assert read.status.canary_status is not None
    assert read.status.canary_status.current_step_state == "StepPaused"


def test_a_status_is_written_under_the_names_of_the_api() -> None:
    status = RolloutStatus(
        phase="Progressing",
        canary_status=CanaryStatus(observed_rollout_id="r1", next_step_index=-1, approved_by="ada"),
    )
    assert encode_status_v1alpha1(status) == {
        "phase": "Progressing",
        "canaryStatus": {"observedRolloutID": "r1", "nextStepIndex": -1, "approvedBy": "ada"},
    }
