"""What admission lets pass, changes and refuses."""

from __future__ import annotations

import base64
import copy
from typing import Any

import jsonpatch
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem_controller.api.conversion import rollout_of
from tandem_controller.api.rollout import Rollout
from tandem_controller.decide.admission.review import (
    AdmissionRequest,
    Options,
    UserInfo,
    Verdict,
    decode_review,
    denied,
    encode_review,
    set_field,
)
from tandem_controller.decide.admission.rollout import admit_rollout, give_back
from tandem_controller.decide.admission.status import admit_status
from tandem_controller.decide.admission.workload import Guarded, admit_workload
from tandem_controller.keys import BREAK_GLASS, IN_PROGRESSING

Obj = dict[str, Any]

TANDEM = "system:serviceaccount:tandem-system:tandem"
WRITERS = frozenset({TANDEM})
MARK = '{"rolloutName":"shop"}'
SHOP = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"}


def deployment(image: str = "v1", *, marked: bool = False, **spec: object) -> Obj:
    metadata: Obj = {"name": "shop", "namespace": "web", "resourceVersion": "1"}
    if marked:
        metadata["annotations"] = {IN_PROGRESSING: MARK}
    template = {"metadata": {"labels": {"app": "shop"}}, "spec": {"containers": [{"image": image}]}}
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    base: Obj = {"replicas": 10, "template": template, "strategy": strategy}
    return {"metadata": metadata, "spec": base | {"progressDeadlineSeconds": 600} | spec}


def rollout(version: str = "v1beta1", **more: Any) -> Obj:  # noqa: ANN401
    strategy: Obj = {"canary": {"steps": [{"replicas": 1}, {"replicas": "100%"}]}}
    spec: Obj = {"workloadRef": SHOP, "strategy": strategy}
    metadata: Obj = {"name": "shop", "namespace": "web"}
    if version == "v1alpha1":
        spec = {"objectRef": {"workloadRef": SHOP}, "strategy": strategy}
        metadata["annotations"] = {"rollouts.kruise.io/rolling-style": "partition"}
    return {
        "apiVersion": f"rollouts.kruise.io/{version}",
        "kind": "Rollout",
        "metadata": metadata | more.pop("metadata", {}),
        "spec": spec | more.pop("spec", {}),
        **more,
    }


KNOWN: Rollout = rollout_of(rollout())


def request(
    new: Obj,
    old: Obj | None,
    *,
    user: str = "ada",
    sub: str = "",
    operation: str = "",
    manager: str = "",
) -> AdmissionRequest:
    return AdmissionRequest(
        uid="u",
        operation=operation or ("CREATE" if old is None else "UPDATE"),
        namespace="web",
        name="shop",
        sub_resource=sub,
        user_info=UserInfo(username=user),
        options=Options(field_manager=manager),
        object=new,
        old_object=old,
    )


def applied(verdict: Verdict, new: Obj) -> Obj:
    assert verdict.allowed
    patched: Obj = jsonpatch.apply_patch(copy.deepcopy(new), list(verdict.patch))
    return patched


def updated(
    new: Obj, old: Obj, *rollouts: Rollout, user: str = "ada", manager: str = ""
) -> tuple[Obj, Verdict]:
    known = [Guarded(rollout=r) for r in rollouts or (KNOWN,)]
    verdict = admit_workload(request(new, old, user=user, manager=manager), known, WRITERS)
    return applied(verdict, new), verdict


def paused(obj: Obj) -> bool:
    return bool(obj["spec"].get("paused"))


def marked(obj: Obj) -> bool:
    return bool(obj["metadata"].get("annotations", {}).get(IN_PROGRESSING) == MARK)


# Take-over


def test_a_new_template_is_paused_and_marked_from_the_moment_its_rollout_exists() -> None:
    result, _ = updated(deployment("v2"), deployment("v1"))
    assert paused(result)
    assert marked(result)


def test_a_template_that_only_gained_a_pod_template_hash_is_no_release() -> None:
    new = deployment("v1")
    new["spec"]["template"]["metadata"]["labels"]["pod-template-hash"] = "abc"
    _, verdict = updated(new, deployment("v1"))
    assert verdict == Verdict()


@pytest.mark.parametrize("change", [{"replicas": 3}, {"minReadySeconds": 9}, {"paused": True}])
def test_without_a_release_every_other_change_passes_untouched(change: Obj) -> None:
    assert updated(deployment(**change), deployment())[1] == Verdict()


def test_a_workload_without_a_rollout_is_left_alone() -> None:
    verdict = admit_workload(request(deployment("v2"), deployment("v1")), (), WRITERS)
    assert verdict == Verdict()


@pytest.mark.parametrize(
    "more",
    [
        {"spec": {"disabled": True}},
        {"spec": {"strategy": {}}},
        {"spec": {"strategy": {"blueGreen": {"steps": [{"replicas": 1}]}}}},
        {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}},
    ],
)
def test_a_rollout_that_cannot_release_takes_nothing_over(more: Obj) -> None:
    other = rollout_of(rollout(**copy.deepcopy(more)))
    assert updated(deployment("v2"), deployment("v1"), other)[1] == Verdict()


@pytest.mark.parametrize(("before", "after"), [(0, 10), (10, 0), (0, 0)])
def test_where_nothing_runs_nothing_is_taken_over(before: int, after: int) -> None:
    new, old = deployment("v2", replicas=after), deployment("v1", replicas=before)
    assert updated(new, old)[1] == Verdict()


def test_tandem_itself_passes() -> None:
    new = deployment("v1", minReadySeconds=0)
    old = deployment("v2", marked=True, paused=True, minReadySeconds=9)
    assert updated(new, old, user=TANDEM)[1] == Verdict()


def test_the_break_glass_label_lets_everything_pass_and_says_so() -> None:
    new = deployment("v2")
    new["metadata"]["labels"] = {BREAK_GLASS: "true"}
    result, verdict = updated(new, deployment("v1"))
    assert result == new
    assert "break-glass" in verdict.warnings[0]


# Hold


STEERED = {
    "paused": True,
    "minReadySeconds": 30,
    "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 3}},
    "progressDeadlineSeconds": 2147483647,
}


def test_a_re_applied_manifest_does_not_move_the_knobs_and_is_told_so() -> None:
    old = deployment("v2", marked=True, **STEERED)
    new = deployment("v2", marked=True, replicas=20)
    new["metadata"]["labels"] = {"team": "shop"}
    result, verdict = updated(new, old)
    assert {k: result["spec"].get(k) for k in STEERED} == STEERED
    assert result["spec"]["replicas"] == 20
    assert result["metadata"]["labels"] == {"team": "shop"}
    for knob in STEERED:
        assert f"spec.{knob}" in verdict.warnings[0]
    assert len(verdict.warnings[0]) <= 240


def test_a_knob_that_the_old_object_does_not_have_is_taken_away() -> None:
    old = deployment("v2", marked=True, paused=True)
    result, _ = updated(deployment("v2", marked=True, paused=True, minReadySeconds=9), old)
    assert result == old


def test_an_applier_cannot_drop_the_mark_of_a_release() -> None:
    result, _ = updated(deployment("v2", paused=True), deployment("v2", marked=True, paused=True))
    assert marked(result)


@pytest.mark.parametrize("image", ["v1", "v3"])
@pytest.mark.parametrize("was_paused", [True, False])
def test_another_template_in_mid_release_is_paused_first_rollback_or_not(
    image: str, was_paused: bool
) -> None:
    old = deployment("v2", marked=True, **(STEERED | {"paused": was_paused}))
    result, _ = updated(deployment(image, marked=True), old)
    assert paused(result)
    assert result["spec"]["template"]["spec"]["containers"][0]["image"] == image
    assert result["spec"]["minReadySeconds"] == 30


def test_a_new_template_that_states_paused_while_pods_move_stays_paused() -> None:
    old = deployment("v2", marked=True, paused=False)
    assert paused(updated(deployment("v3", marked=True, paused=True), old)[0])


@pytest.mark.parametrize("state", [{}, {"paused": False}])
def test_resume_by_hand_stays_possible_and_warns(state: Obj) -> None:
    old = deployment("v2", marked=True, paused=True)
    new = deployment("v2", marked=True, **state)
    new["metadata"]["managedFields"] = [{"manager": "kubectl-rollout"}]
    result, verdict = updated(new, old, manager="kubectl-rollout")
    assert not paused(result)
    assert "past all steps" in verdict.warnings[0]


def test_resume_together_with_anything_else_is_held() -> None:
    old = deployment("v2", marked=True, paused=True)
    new = deployment("v2", marked=True, replicas=3)
    assert paused(updated(new, old, manager="kubectl-rollout")[0])


def test_an_owner_that_states_no_pause_again_and_again_resumes_nothing() -> None:
    old = deployment("v2", marked=True, paused=True)
    result, verdict = updated(deployment("v2", marked=True), old, manager="helm")
    assert paused(result)
    assert "spec.paused kept as it was" in verdict.warnings[0]


def test_pausing_a_moving_deployment_is_held_and_names_the_right_switch() -> None:
    old = deployment("v2", marked=True)
    result, verdict = updated(deployment("v2", marked=True, paused=True), old)
    assert not paused(result)
    assert "strategy.paused of the Rollout" in verdict.warnings[0]


def test_a_left_over_mark_holds_nothing_once_its_rollout_is_gone() -> None:
    old = deployment("v2", marked=True, paused=True)
    verdict = admit_workload(request(deployment("v3"), old), (), WRITERS)
    assert verdict == Verdict()


@given(
    st.sampled_from(["v1", "v2", "v3"]),
    st.fixed_dictionaries(
        {},
        optional={
            "paused": st.booleans(),
            "minReadySeconds": st.integers(0, 2),
            "replicas": st.integers(0, 3),
            "progressDeadlineSeconds": st.sampled_from([600, 700]),
        },
    ),
    st.booleans(),
)
def test_admission_is_idempotent_and_never_releases_a_new_template(
    image: str, spec: Obj, is_marked: bool
) -> None:
    old = deployment("v2", marked=is_marked, paused=True)
    new = deployment(image, marked=is_marked, **spec)
    once, verdict = updated(new, old)
    assert updated(once, old)[0] == once
    runs = once["spec"]["replicas"] != 0 or is_marked
    if image != "v2" and runs:
        assert paused(once)
        assert marked(once)
    assert once["spec"]["template"] == new["spec"]["template"]
    assert all(len(text) <= 256 for text in verdict.warnings)


# Rollouts


def decide(new: Obj, old: Obj | None = None, *others: Rollout, user: str = "ada") -> Verdict:
    return admit_rollout(request(new, old, user=user), others, WRITERS)


@pytest.mark.parametrize("version", ["v1alpha1", "v1beta1"])
def test_a_good_rollout_is_admitted_in_both_versions(version: str) -> None:
    assert decide(rollout(version)) == Verdict()


def test_a_refusal_lists_every_field_fault_and_remedy_in_the_users_version() -> None:
    bad = rollout("v1alpha1", spec={"objectRef": {}})
    bad["spec"]["strategy"]["canary"]["steps"] = [{"weight": 120}, {"weight": 20}]
    verdict = decide(bad)
    assert not verdict.allowed
    assert "spec.objectRef.workloadRef.name: " in verdict.message
    assert (
        "spec.strategy.canary.steps[0].weight: 120 % of the traffic is above 100" in verdict.message
    )
    assert (
        "spec.strategy.canary.steps[1].replicas" in verdict.message or "go down" in verdict.message
    )


def test_a_second_rollout_on_one_workload_is_refused() -> None:
    verdict = decide(rollout(metadata={"name": "twin"}), None, KNOWN)
    assert "already released by Rollout 'shop'" in verdict.message


def test_a_stored_bad_rollout_can_be_labelled_suspended_disabled_and_deleted() -> None:
    bad = rollout(spec={"workloadRef": {}})
    assert not decide(bad).allowed
    labelled = copy.deepcopy(bad) | {"metadata": bad["metadata"] | {"labels": {"a": "b"}}}
    stopped = copy.deepcopy(bad)
    stopped["spec"]["strategy"]["paused"] = True
    stopped["spec"]["disabled"] = True
    deleting = rollout(spec={"workloadRef": {}}, metadata={"deletionTimestamp": "x"})
    for new in (labelled, stopped, deleting):
        assert decide(new, bad).allowed


def test_what_a_release_has_touched_is_frozen() -> None:
    old = rollout(status={"phase": "Progressing"})
    new = copy.deepcopy(old)
    new["spec"]["workloadRef"] = SHOP | {"name": "cart"}
    assert "spec.workloadRef: the workload cannot change" in decide(new, old).message


def test_an_unreadable_rollout_is_refused_and_not_an_error() -> None:
    bad = rollout()
    bad["spec"]["strategy"]["canary"]["steps"] = "many"
    assert "cannot be read" in decide(bad).message


def test_what_an_old_client_drops_is_given_back_with_its_one_change() -> None:
    old = rollout("v1alpha1", spec={"disabled": True})
    put = copy.deepcopy(old)
    del put["spec"]["disabled"]
    put["spec"]["strategy"]["paused"] = True
    verdict = give_back(request(put, old), WRITERS)
    assert applied(verdict, put)["spec"]["disabled"] is True
    assert applied(verdict, put)["spec"]["strategy"]["paused"] is True
    edit = copy.deepcopy(put)
    edit["spec"]["strategy"]["canary"]["steps"].pop()
    assert give_back(request(edit, old), WRITERS) == Verdict()


# Status


def with_state(state: str, **canary: object) -> Obj:
    return rollout(
        status={"phase": "Progressing", "canaryStatus": {"currentStepState": state, **canary}}
    )


def status_update(new: Obj, old: Obj, user: str = "ada") -> Verdict:
    return admit_status(request(new, old, user=user, sub="status"), WRITERS)


def test_an_approval_carries_the_name_of_who_gave_it() -> None:
    old, new = with_state("StepPaused"), with_state("StepReady")
    result = applied(status_update(new, old), new)
    assert result["status"]["canaryStatus"]["approvedBy"] == "ada"


def test_an_approval_beside_a_spec_that_the_controller_has_not_seen_approves_nothing() -> None:
    old, new = with_state("StepPaused", nextStepIndex=2), with_state("StepReady")
    for rollout_ in (old, new):
        rollout_["metadata"]["generation"] = 3
        rollout_["status"]["observedGeneration"] = 2
    verdict = status_update(new, old)
    assert verdict.allowed
    assert "nothing was approved" in verdict.warnings[0]
    assert applied(verdict, new) == old


def test_an_approval_keeps_its_name_when_someone_else_writes_later() -> None:
    old, new = with_state("StepReady", approvedBy="ada"), with_state("StepReady", approvedBy="bob")
    result = applied(status_update(new, old, "bob"), new)
    assert result["status"]["canaryStatus"]["approvedBy"] == "ada"


def test_a_name_cannot_be_forged() -> None:
    old, new = with_state("StepPaused"), with_state("StepPaused", approvedBy="boss")
    assert "approvedBy" not in applied(status_update(new, old), new)["status"]["canaryStatus"]


@pytest.mark.parametrize(
    "state", ["StepUpgrade", "StepTrafficRouting", "Completed", "BeforeStepUpgrade"]
)
def test_an_approval_before_the_step_waits_for_one_is_refused_with_the_state(state: str) -> None:
    verdict = status_update(with_state("StepReady"), with_state(state))
    assert not verdict.allowed
    assert f"it is in {state}" in verdict.message


def test_an_approval_without_a_release_is_refused() -> None:
    verdict = status_update(with_state("StepReady"), rollout())
    assert "no release is in progress" in verdict.message


def test_tandems_own_status_passes() -> None:
    new, old = with_state("StepReady"), with_state("StepUpgrade")
    assert status_update(new, old, TANDEM) == Verdict()


def test_kubevelas_put_of_a_whole_status_loses_nothing() -> None:
    old = with_state("StepPaused", nextStepIndex=2, finalisingStep="", currentStepIndex=1)
    new = with_state("StepReady", currentStepIndex=1, canaryReplicas=0)
    result = applied(status_update(new, old), new)["status"]["canaryStatus"]
    assert result["nextStepIndex"] == 2
    assert result["approvedBy"] == "ada"


def test_a_jump_to_another_step_passes() -> None:
    old, new = with_state("StepPaused", nextStepIndex=2), with_state("StepPaused", nextStepIndex=1)
    assert status_update(new, old) == Verdict()


def test_a_status_that_is_wiped_passes() -> None:
    assert status_update(rollout(), with_state("StepPaused")) == Verdict()


# The wire


def test_reviews_are_read_and_answered_as_the_api_server_speaks() -> None:
    review = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "42",
            "operation": "UPDATE",
            "subResource": "status",
            "userInfo": {"username": "ada", "groups": ["dev"], "extra": {"a": ["b"]}},
            "object": {"a": 1},
            "oldObject": None,
        },
    }
    read = decode_review(msgspec.json.encode(review))
    assert (read.uid, read.sub_resource, read.user_info.username) == ("42", "status", "ada")
    assert read.new == {"a": 1}
    assert read.old == {}
    verdict = Verdict(patch=({"op": "add", "path": "/a", "value": 2},), warnings=("w" * 500,))
    answer = msgspec.json.decode(encode_review("42", verdict))["response"]
    assert answer["allowed"]
    assert answer["patchType"] == "JSONPatch"
    assert msgspec.json.decode(base64.b64decode(answer["patch"])) == list(verdict.patch)
    assert len(answer["warnings"][0]) <= 256


def test_a_refusal_has_a_code_and_the_message() -> None:
    answer = msgspec.json.decode(encode_review("42", denied("no")))["response"]
    assert answer["status"] == {"code": 422, "reason": "Invalid", "message": "no"}
    assert "patch" not in answer


def test_a_patch_makes_the_parents_it_needs_and_escapes_keys() -> None:
    new: Obj = {"metadata": {}}
    patched = jsonpatch.apply_patch(new, set_field(new, ("metadata", "annotations", "a/b~c"), "x"))
    assert patched == {"metadata": {"annotations": {"a/b~c": "x"}}}
    new = {"metadata": {"annotations": {}}}
    patched = jsonpatch.apply_patch(new, set_field(new, ("metadata", "annotations", "a/b~c"), "x"))
    assert patched == {"metadata": {"annotations": {"a/b~c": "x"}}}
    assert set_field({"a": {}}, ("a", "b", "c"), None) == []
