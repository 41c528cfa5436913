"""The Rollout's status: written when something has changed, and only then."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace as with_fields

from tandem_controller.api.meta import Condition
from tandem_controller.api.rollout import CanaryStatus, Phase, Rollout, RolloutStatus, StepState
from tandem_controller.decide.status import COUNT_INTERVAL, Report, report
from tandem_controller.effect import Decision, Kind, Note, ReplaceStatus
from tests.examples import NOW, rollout

NOTE = Note(reason="StepPaused", message="step 1/2 waits")
LATER = NOW + timedelta(minutes=10)


def canary(**fields: Any) -> CanaryStatus:  # noqa: ANN401 - as the struct's
    known = {
        "canary_revision": "abc",
        "current_step_index": 1,
        "next_step_index": 2,
        "current_step_state": StepState.PAUSED,
        "canary_replicas": 2,
        "canary_ready_replicas": 2,
    }
    return CanaryStatus(**{**known, **fields})


def wanted(message: str = "waiting", **fields: Any) -> Report:  # noqa: ANN401 - as the struct's
    known = {
        "phase": Phase.PROGRESSING,
        "message": message,
        "reason": "InRolling",
        "progressing": True,
        "canary": canary(),
    }
    return Report(**{**known, **fields})


def written(decision: Decision) -> RolloutStatus:
    [effect] = decision.effects
    assert isinstance(effect, ReplaceStatus)
    return msgspec.convert(effect.status, RolloutStatus)


def after(decision: Decision, before: Rollout | None = None) -> Rollout:
    """The Rollout once the status is stored."""
    return with_fields(before or rollout(), status=written(decision))


TOLD = after(report(rollout(), wanted(), NOW))


class TestWrite:
    def test_states_everything_and_when_it_became_so(self) -> None:
        decision = report(rollout(), wanted(), NOW, notes=(NOTE,), wake_at=LATER)
        stamp = "2026-01-01T12:00:00Z"
        assert decision == Decision(
            effects=(
                ReplaceStatus(
                    kind=Kind.ROLLOUT,
                    namespace="web",
                    name="shop",
                    resource_version="7",
                    status={
                        "observedGeneration": 2,
                        "phase": "Progressing",
                        "message": "waiting",
                        "conditions": (
                            {
                                "type": "Progressing",
                                "status": "True",
                                "reason": "InRolling",
                                "lastUpdateTime": stamp,
                                "lastTransitionTime": stamp,
                            },
                        ),
                        "currentStepIndex": 1,
                        "currentStepState": "StepPaused",
                        "canaryStatus": {
                            "canaryRevision": "abc",
                            "canaryReplicas": 2,
                            "canaryReadyReplicas": 2,
                            "currentStepIndex": 1,
                            "nextStepIndex": 2,
                            "currentStepState": "StepPaused",
                            "message": "waiting",
                            "lastUpdateTime": stamp,
                        },
                    },
                ),
            ),
            notes=(NOTE,),
            wake_at=LATER,
        )

    def test_of_what_is_written_already_is_left_out_and_told_to_nobody(self) -> None:
        decision = report(TOLD, wanted(), LATER, notes=(NOTE,), wake_at=LATER)
        assert decision == Decision(wake_at=LATER)

    @pytest.mark.parametrize(
        "news",
        [
            {"phase": Phase.TERMINATING},
            {"reason": "Paused"},
            {"progressing": False},
            {"succeeded": True},
            {"canary": None},
            {"canary": canary(current_step_state=StepState.READY)},
            {"canary": canary(current_step_index=2)},
            {"canary": canary(approved_by="ann")},
            {"canary": canary(next_step_index=-1)},
            {"canary": canary(rollout_hash="new")},
        ],
    )
    def test_of_news_is_due_at_once_and_told(self, news: dict[str, Any]) -> None:
        now = NOW + timedelta(milliseconds=1)
        decision = report(TOLD, wanted(**news), now, notes=(NOTE,))
        assert len(decision.effects) == 1
        assert decision.notes == (NOTE,)


class TestCounts:
    """Pods that get ready one by one are no news of their own."""

    COUNTED = wanted(canary=canary(canary_ready_replicas=1))

    def test_wait_a_moment(self) -> None:
        now = NOW + timedelta(seconds=1)
        assert report(TOLD, self.COUNTED, now, notes=(NOTE,)) == Decision(
            wake_at=NOW + COUNT_INTERVAL
        )

    def test_do_not_delay_what_is_due_earlier(self) -> None:
        sooner = NOW + timedelta(seconds=2)
        decision = report(TOLD, self.COUNTED, NOW + timedelta(seconds=1), wake_at=sooner)
        assert decision == Decision(wake_at=sooner)

    def test_are_written_then_without_telling_the_same_words_again(self) -> None:
        decision = report(TOLD, self.COUNTED, NOW + COUNT_INTERVAL, notes=(NOTE,))
        assert written(decision).canary_status == with_fields(
            self.COUNTED.canary or canary(), message="waiting", last_update_time=NOW
        )
        assert decision.notes == ()

    def test_are_written_no_more_often_than_that(self) -> None:
        first = after(report(TOLD, self.COUNTED, LATER), TOLD)
        more = wanted(canary=canary(canary_ready_replicas=0))
        now = LATER + timedelta(seconds=1)
        assert report(first, more, now) == Decision(wake_at=LATER + COUNT_INTERVAL)

    def test_come_with_a_note_where_the_words_have_changed(self) -> None:
        news = wanted("route is missing", reason="InRolling")
        decision = report(TOLD, news, NOW + COUNT_INTERVAL, notes=(NOTE,))
        assert decision.notes == (NOTE,)


class TestTimes:
    def test_of_a_place_are_kept_while_the_release_stays_there(self) -> None:
        still = wanted(canary=canary(canary_ready_replicas=1), message="other words")
        assert times(report(TOLD, still, LATER)) == {"place": NOW, "Progressing": NOW}

    @pytest.mark.parametrize(
        "moved",
        [
            canary(current_step_state=StepState.READY),
            canary(current_step_index=2),
            canary(canary_revision="def"),
            canary(finalising_step="ResumeWorkload"),
            canary(observed_rollout_id="rollback-abc"),
        ],
    )
    def test_of_a_place_begin_anew_at_the_next(self, moved: CanaryStatus) -> None:
        assert times(report(TOLD, wanted(canary=moved), LATER)) == {
            "place": LATER,
            "Progressing": NOW,
        }

    def test_of_a_condition_begin_anew_when_its_status_changes(self) -> None:
        ended = wanted(progressing=False, succeeded=True, reason="Completed")
        assert times(report(TOLD, ended, LATER)) == {
            "place": NOW,
            "Progressing": LATER,
            "Succeeded": LATER,
        }

    def test_of_a_condition_are_kept_when_only_its_reason_changes(self) -> None:
        """`lastTransitionTime` is that of the status (Kubernetes API conventions)."""
        paused = written(report(TOLD, wanted(reason="Paused"), LATER))
        assert paused.conditions == (
            Condition(
                type="Progressing",
                status="True",
                reason="Paused",
                last_update_time=LATER,
                last_transition_time=NOW,
            ),
        )


def times(decision: Decision) -> dict[str, datetime | None]:
    status = written(decision)
    place = {"place": status.canary_status.last_update_time} if status.canary_status else {}
    return {**place, **{c.type: c.last_transition_time for c in status.conditions}}


def test_succeeded_goes_when_the_next_release_begins() -> None:
    ended = after(report(TOLD, wanted(progressing=False, succeeded=True), LATER), TOLD)
    begun = written(report(ended, wanted(), LATER + timedelta(hours=1)))
    assert [c.type for c in begun.conditions] == ["Progressing"]


def test_the_decision_names_the_version_that_was_read() -> None:
    """An approval written meanwhile makes the write fail instead of being lost."""
    [effect] = report(rollout(resource_version="123"), wanted(), NOW).effects
    assert isinstance(effect, ReplaceStatus)
    assert effect.resource_version == "123"
