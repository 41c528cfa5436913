"""An approval by annotation counts for the release and step that it names, while that one waits."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from msgspec.structs import replace

from tandem_controller import keys
from tandem_controller.decide.admission.rollout import note_approver
from tandem_controller.decide.approval import annotation as approval
from tandem_controller.decide.case import Case
from tandem_controller.decide.release import decide
from tandem_controller.effect import Decision, Kind, Patch, ReplaceStatus
from tandem_controller.snapshot import Snapshot
from tandem_controller.workloads import table
from tests.cli.holding import at, attempt, record, record_name, snapshot
from tests.decide.test_admission import WRITERS, Obj, applied, request, rollout

BEFORE = record("v1", "v1", attempt(0, "Baseline"))
RELEASE = record("v1", "v2", attempt(1))
REVISION = record_name("v1", "v2").rpartition("-")[2]
HERE = f"{REVISION}/1"


def decided(annotation: str, *, state: str = "StepPaused", paused: bool = False) -> Decision:
    annotations = {keys.APPROVE: annotation, keys.APPROVED_BY: "ada"}
    here = snapshot(
        BEFORE,
        RELEASE,
        live=("v1", "v2"),
        release=("v1", "v2"),
        phase="Progressing",
        step=1,
        state=state,
        paused=paused,
        annotations=annotations,
    )
    found = approval.give(in_progress(here))
    assert found is not None
    return found


def in_progress(here: Snapshot) -> Case:
    """Return the release at the step that it entered an hour ago."""
    status = here.rollout.status
    assert status.canary_status is not None
    entered = replace(status.canary_status, last_update_time=at(2))
    status = replace(status, canary_status=entered)
    here = dataclasses.replace(here, rollout=replace(here.rollout, status=status))
    provider = table.provider_for(here.rollout.spec.workload_ref, here.strategy)
    assert provider is not None
    return Case(snapshot=here, now=at(3), provider=provider, stable=BEFORE, release=RELEASE)


def dropped(decision: Decision) -> Obj:
    (effect,) = decision.effects
    assert isinstance(effect, Patch)
    assert effect.kind is Kind.ROLLOUT
    annotations: Obj = effect.body["metadata"]["annotations"]
    return annotations


GONE = {keys.APPROVE: None, keys.APPROVED_BY: None}


def test_the_step_that_waits_is_approved_in_the_name_of_who_asked() -> None:
    (effect,) = decided(HERE).effects
    assert isinstance(effect, ReplaceStatus)
    canary = effect.status["canaryStatus"]
    assert (canary["currentStepState"], canary["approvedBy"]) == ("StepReady", "ada")


def test_the_annotation_goes_when_it_has_had_its_effect() -> None:
    done = decided(HERE, state="StepReady")
    assert (dropped(done), done.notes) == (GONE, ())


@pytest.mark.parametrize(
    ("named", "more", "says"),
    [
        (f"{REVISION}/2", {}, f"release '{REVISION}' is at step 1;"),
        ("another/1", {}, f"release '{REVISION}' is at step 1;"),
        ("", {}, f"release '{REVISION}' is at step 1;"),
        ("true", {}, f"release '{REVISION}' is at step 1;"),
        (HERE, {"state": "StepUpgrade"}, "at step 1, which does not wait;"),
        (HERE, {"paused": True}, "at step 1, and the Rollout is paused;"),
    ],
)
def test_any_other_is_refused_with_what_waits_and_taken_away(
    named: str, more: dict[str, Any], says: str
) -> None:
    refused = decided(named, **more)
    (note,) = refused.notes
    assert dropped(refused) == GONE
    assert (note.reason, note.warning) == ("ApproveRefused", True)
    assert f"the annotation names {named!r}" in note.message
    assert says in note.message


def test_without_a_release_nothing_is_approved() -> None:
    at_rest = decide(snapshot(BEFORE, annotations={keys.APPROVE: HERE}), at(2))
    assert dropped(at_rest) == {keys.APPROVE: None}
    assert "no release is in progress" in at_rest.notes[0].message


def annotated(**annotations: str) -> Obj:
    found = rollout()
    found["metadata"]["annotations"] = {
        f"tandem.oam.dev/{key.replace('_', '-')}": value for key, value in annotations.items()
    }
    return found


@pytest.mark.parametrize(
    ("old", "new", "by"),
    [
        (annotated(), annotated(approve="a/1"), "ada"),
        (annotated(), annotated(approve="a/1", approved_by="boss"), "ada"),
        (annotated(approve="a/1", approved_by="bob"), annotated(approve="a/1"), "bob"),
        (annotated(approve="a/1", approved_by="bob"), annotated(approve="a/2"), "ada"),
        (annotated(), annotated(approved_by="boss"), None),
        (annotated(approve="a/1", approved_by="bob"), annotated(approved_by="bob"), None),
    ],
)
def test_admission_notes_who_asked_and_nobody_else(old: Obj, new: Obj, by: str | None) -> None:
    verdict = note_approver(request(new, old), WRITERS)
    assert applied(verdict, new)["metadata"]["annotations"].get(keys.APPROVED_BY) == by
