"""The steps `rollout-approve` and `rollout-step`, with KubeVela's actions answered by the test."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from tandem_generator import cue
from tandem_generator.evaluate import Definition

pytestmark = pytest.mark.usefixtures("each_cue")

Obj = dict[str, Any]

ACTIONS = """
_live: %s
_void: %s
kube: #Read: {
	$params: {cluster: string, value: {...}}
	$returns?: {...}
	let place = "\\($params.cluster)/\\($params.value.kind)/\\($params.value.metadata.name)"
	if _live[place] != _|_ {$returns: value: _live[place]}
	...
}
kube: #Apply: {
	$params: {cluster: string, value: {...}}
	$returns: value: {
		$params.value
		if _void {status: {phase: "Void", reason: "OtherRevision", message: "another one"}}
	}
	...
}
builtin: {
	#Fail: {$params: {message?: string}}
	#Suspend: {$params: {duration?: string}}
	#ConditionalWait: {$params: {continue: bool, message?: string}}
}
context: {name: "app", namespace: "demo", appRevision: "app-v2"}
context: {stepName: "ask", stepSessionID: "s1"}
"""
MARK = "rollouts.kruise.io/in-progressing"


def release(
    step: int = 1,
    state: str = "StepPaused",
    *,
    phase: str = "Progressing",
    seen: int = 3,
    revision: str = "app-v2",
    annotations: Obj | None = None,
    release_id: str = "ab12",
    rejected: bool = False,
    heard: str = "app-v2",
) -> tuple[Obj, Obj]:
    """Return Rollout and Deployment of a component in the middle of a release."""
    labels = {"app.oam.dev/appRevision": revision}
    ref = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"}
    steps = [{"pause": {}}, {"pause": {"duration": 60}}, {"pause": {}}]
    canary = {
        "observedRolloutID": release_id,
        "observedWorkloadGeneration": seen,
        "canaryRevision": "ab12",
        "currentStepIndex": step,
        "currentStepState": state,
    }
    return (
        {
            "metadata": {"labels": labels},
            "spec": {"objectRef": {"workloadRef": ref}, "strategy": {"canary": {"steps": steps}}},
            "status": {
                "phase": phase,
                "message": "as it says",
                "canaryStatus": canary,
                "conditions": [
                    {"type": "Released", "status": "False", "message": heard},
                    *([{"type": "Rejected", "status": "True"}] if rejected else []),
                ],
            },
        },
        {
            "metadata": {
                "labels": labels,
                "generation": 3,
                "annotations": {MARK: "{}"} if annotations is None else annotations,
            },
            "spec": {},
        },
    )


RELEASED = release(3, "Completed", phase="Healthy", annotations={})


def run(
    definition: Definition,
    *found: tuple[Obj, Obj],
    step: int = 1,
    clusters: tuple[str, ...] = ("",),
    void: bool = False,
    told: Obj | None = None,
    **more: str,
) -> Obj:
    """Run a step for component `shop` in these clusters, as KubeVela puts it together."""
    live = {
        f"{cluster}/{kind}/shop": obj
        for cluster, objects in zip(clusters, found, strict=False)
        for kind, obj in zip(("Rollout", "Deployment"), objects, strict=True)
    }
    live["/Application/app"] = application(told or {})
    head, _, body = definition.text.partition("\ntemplate: {\n")
    imports = re.search(r"^import \(.*?\n\)\n", head, re.DOTALL | re.MULTILINE)
    assert imports
    own = re.sub(r'^\t"vela/.*\n', "", imports[0], flags=re.MULTILINE)
    parameter = {"components": ["shop"], "clusters": clusters, "step": step, **more}
    text = own + ACTIONS % (encoded(live), encoded(void))
    text += f"step: {{\n{body.rstrip()}\n" + f"step: parameter: {encoded(parameter)}\n"
    decoded: Obj = msgspec.json.decode(cue.export(text, "step"))
    return decoded


def application(told: Obj) -> Obj:
    """Return the Application whose workflow says this of the step."""
    own = {"id": "s1", "phase": "running", **told}
    other = {"id": "s0", "phase": "running", "message": RESUMED["message"]}
    steps = [{"id": "group", "phase": "running", "subSteps": [other, own]}]
    return {"metadata": {"resourceVersion": "7"}, "status": {"workflow": {"steps": steps}}}


RESUMED = {"message": "Suspended by field approve_step_1_of_shop_ab12"}
"""What `vela workflow resume` leaves of a suspension; the phase is `running` then."""


def encoded(value: object) -> str:
    return msgspec.json.encode(value).decode()


def asks(done: Obj) -> list[str]:
    return [name for name in done["question"] if "_asked_again_" not in name]


def goes_on(done: Obj) -> bool:
    return "fail" not in done and all(
        done[wait]["$params"]["continue"] for wait in ("reached", "passed") if wait in done
    )


@pytest.fixture
def approve(made: Mapping[str, Definition]) -> Definition:
    return made["rollout-approve"]


@pytest.fixture
def advance(made: Mapping[str, Definition]) -> Definition:
    return made["rollout-step"]


def test_it_asks_for_the_step_and_the_revision_and_approves_exactly_those_when_resumed(
    approve: Definition,
) -> None:
    asked = run(approve, release())
    assert asks(asked) == ["approve_step_1_of_shop_ab12"]
    assert asked["approvals"] == {}
    done = run(approve, release(), told=RESUMED)
    assert asks(done) == []
    (approval,) = done["approvals"].values()
    assert approval["$params"]["value"] == {
        "apiVersion": "tandem.oam.dev/v1alpha1",
        "kind": "ReleaseApproval",
        "metadata": {"name": "shop-ab12-1-s1", "namespace": "demo"},
        "spec": {
            "rollout": "shop",
            "revision": "ab12",
            "step": 1,
            "by": "workflow of Application app, step ask",
        },
    }


@pytest.mark.parametrize(
    "told",
    [
        pytest.param({"message": "waiting for step 1"}, id="the suspension was never written"),
        pytest.param({**RESUMED, "phase": "suspending"}, id="nobody resumed"),
        pytest.param({"message": "Suspended by field approve_step_1_of_shop_cd34"}, id="another"),
        pytest.param({}, id="nothing"),
    ],
)
def test_a_step_that_kubevela_takes_for_resumed_without_an_answer_asks_again(
    approve: Definition, told: Obj
) -> None:
    done = run(approve, release(), told=told)
    assert done["approvals"] == {}
    assert list(done["question"]) == [
        "approve_step_1_of_shop_ab12",
        "approve_step_1_of_shop_ab12_asked_again_7",
    ]


def test_an_answer_to_a_question_that_was_asked_again_counts_and_goes_on_counting(
    approve: Definition,
) -> None:
    again = f"{RESUMED['message']}_asked_again_7"
    answered = run(approve, release(), told={"message": again})
    assert list(answered["approvals"]) == ["/shop"]
    said = answered["passed"]["$params"]["message"]
    assert list(run(approve, release(), told={"message": said})["approvals"]) == ["/shop"]


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(release(revision="app-v1"), id="the release before"),
        pytest.param(
            release(3, "Completed", phase="Healthy", annotations={}, revision="app-v1"),
            id="healthy of the release before",
        ),
        pytest.param(
            release(3, "Completed", phase="Healthy"), id="healthy, but a release has begun"
        ),
        pytest.param(release(seen=2), id="a status of an earlier workload"),
        pytest.param(release(state="StepUpgrade"), id="pods are not ready"),
    ],
)
def test_it_neither_asks_nor_passes_before_this_release_waits_at_the_step(
    approve: Definition, found: tuple[Obj, Obj]
) -> None:
    done = run(approve, found)
    assert asks(done) == []
    assert not goes_on(done)


@pytest.mark.parametrize("found", [release(2), release(state="StepReady"), RELEASED])
def test_what_has_passed_the_step_is_not_asked_for(
    approve: Definition, found: tuple[Obj, Obj]
) -> None:
    done = run(approve, found)
    assert asks(done) == []
    assert goes_on(done)


@pytest.mark.parametrize(
    "found",
    [
        release(state="StepUpgrade", release_id="rollback-ab12", rejected=True),
        release(3, "Completed", phase="Healthy", annotations={}, rejected=True),
    ],
)
def test_what_is_rolled_back_fails_both_steps(
    made: Mapping[str, Definition], found: tuple[Obj, Obj]
) -> None:
    for name in ("rollout-approve", "rollout-step"):
        assert run(made[name], found)["fail"]["$params"]["message"] == "shop: as it says"


@pytest.mark.parametrize(
    "found",
    [
        release(state="StepUpgrade", release_id="rollback-ab12"),
        release(3, "Completed", release_id="rollback-ab12"),
        release(3, "Completed", phase="Healthy", annotations={}, rejected=True, heard="app-v1"),
        release(3, "Completed", phase="Healthy", annotations={}, heard="app-v1"),
    ],
)
def test_a_way_back_that_this_revision_states_is_waited_for(
    made: Mapping[str, Definition], found: tuple[Obj, Obj]
) -> None:
    for name in ("rollout-approve", "rollout-step"):
        done = run(made[name], found)
        assert "fail" not in done
        assert not goes_on(done)


def of_a_chart(found: tuple[Obj, Obj], carried: str, heard: str = "d2") -> tuple[Obj, Obj]:
    """Return them as a chart brings them: the Deployment has no label of KubeVela's."""
    plan, pods = msgspec.json.decode(msgspec.json.encode(found))
    plan["metadata"]["annotations"] = {"tandem.oam.dev/delivery": "d2"}
    plan["status"]["conditions"][0]["message"] = heard
    del pods["metadata"]["labels"]
    pods["metadata"]["annotations"]["tandem.oam.dev/delivery"] = carried
    return plan, pods


def test_what_a_chart_brings_is_asked_for_once_its_mark_has_come(
    approve: Definition, advance: Definition
) -> None:
    assert asks(run(approve, of_a_chart(release(), "d2"))) == ["approve_step_1_of_shop_ab12"]
    assert goes_on(run(advance, of_a_chart(RELEASED, "d2"), step=3))
    waits = run(advance, of_a_chart(RELEASED, "d1"), step=3)["reached"]["$params"]["message"]
    assert waits.endswith("the chart has not brought this revision yet, see its HelmRelease")
    for early in (of_a_chart(RELEASED, "d1"), of_a_chart(RELEASED, "d2", heard="d1")):
        assert not goes_on(run(advance, early, step=3))
        assert not goes_on(run(approve, early))


def test_it_asks_once_for_all_clusters_when_all_are_there(approve: Definition) -> None:
    clusters = ("eu", "us")
    early = run(approve, release(), release(state="StepUpgrade"), clusters=clusters)
    assert not early["reached"]["$params"]["continue"]
    asked = run(approve, release(), release(), clusters=clusters)
    (question,) = asks(asked)
    assert question == "approve_step_1_of_shop.eu_ab12_and_shop.us_ab12"
    told = {"message": f"Suspended by field {question}"}
    done = run(approve, release(), release(), clusters=clusters, told=told)
    places = [a["$params"]["cluster"] for a in done["approvals"].values()]
    assert places == ["eu", "us"]


def test_what_is_left_of_an_answer_to_several_is_not_asked_for_again(approve: Definition) -> None:
    """One cluster is fast: it has left the step when the next look comes."""
    clusters = ("eu", "us")
    (question,) = asks(run(approve, release(), release(), clusters=clusters))
    suspended = {"message": f"Suspended by field {question}"}
    first = run(approve, release(), release(), clusters=clusters, told=suspended)
    given = {"message": first["passed"]["$params"]["message"]}
    again = {"message": f"{suspended['message']}_asked_again_7"}
    for told in (suspended, given, again):
        for found in ((release(), release(2)), (release(2), release())):
            done = run(approve, *found, clusters=clusters, told=told)
            assert asks(done) == []
            assert len(done["approvals"]) == 1


def test_an_answer_for_one_is_none_for_another_beside_it(approve: Definition) -> None:
    told = {"message": "Suspended by field approve_step_1_of_shop.eu_ab12"}
    done = run(approve, release(), release(), clusters=("eu", "us"), told=told)
    assert done["approvals"] == {}
    assert asks(done) == ["approve_step_1_of_shop.eu_ab12_and_shop.us_ab12"]


def test_the_name_of_a_long_question_stands_for_every_revision_in_it(approve: Definition) -> None:
    clusters = tuple(f"the-cluster-in-region-{number}" for number in range(6))
    found = [release() for _ in clusters]
    (question,) = asks(run(approve, *found, clusters=clusters))
    assert question.startswith("approve_step_1_of_6_components_")
    assert len(question) < 150
    told = {"message": f"Suspended by field {question}"}
    done = run(approve, *found, clusters=clusters, told=told)
    assert len(done["approvals"]) == len(clusters)
    given = {"message": done["passed"]["$params"]["message"]}
    assert len(run(approve, *found, clusters=clusters, told=given)["approvals"]) == len(clusters)
    found[-1][0]["status"]["canaryStatus"]["canaryRevision"] = "cd34"
    replaced = run(approve, *found, clusters=clusters, told=told)
    assert replaced["approvals"] == {}
    assert asks(replaced) not in ([], [question])


def test_a_component_that_is_named_twice_is_meant_once(approve: Definition) -> None:
    assert goes_on(run(approve, release(2), clusters=("eu", "eu")))


def test_an_approval_of_the_rollout_itself_is_waited_for_without_a_question(
    approve: Definition,
) -> None:
    done = run(approve, release(), clusters=("eu",), answer="rollout")
    assert asks(done) == []
    assert done["approvals"] == {}
    assert done["passed"]["$params"] == {
        "continue": False,
        "message": "step 1 waits for an approval by somebody who may approve the Rollout: "
        "tandem approve shop --step 1 in cluster eu",
    }
    assert goes_on(run(approve, release(2), answer="rollout"))


def test_without_the_rollout_it_waits(approve: Definition) -> None:
    assert not goes_on(run(approve))


def test_an_approval_that_is_void_fails_the_step_with_the_reason(approve: Definition) -> None:
    done = run(approve, release(), void=True, told=RESUMED)
    assert done["refused"]["$params"]["message"] == "another one"


def test_rollout_step_approves_what_waits_before_and_cuts_no_pause_short(
    advance: Definition,
) -> None:
    first = run(advance, release(1), step=3)
    assert [a["$params"]["value"]["spec"]["step"] for a in first["approvals"].values()] == [1]
    assert not goes_on(first)
    timed = run(advance, release(2), step=3)
    assert timed["approvals"] == {}
    assert not goes_on(timed)


@pytest.mark.parametrize("found", [release(3), release(3, "StepReady"), RELEASED])
def test_rollout_step_ends_when_the_step_waits_or_has_passed(
    advance: Definition, found: tuple[Obj, Obj]
) -> None:
    done = run(advance, found, step=3)
    assert done["approvals"] == {}
    assert goes_on(done)


def test_a_later_step_of_many_pods_that_are_not_ready_is_not_there_yet(
    advance: Definition,
) -> None:
    assert not goes_on(run(advance, release(3, "StepUpgrade"), step=3))
