"""A retry of a platform change releases it: the verdict is cleared and it is not held again."""

from __future__ import annotations

from tandem_controller import keys
from tandem_controller.api.record import HoldEnd
from tandem_controller.decide.hold.enforce import stated_at_rest
from tandem_controller.decide.hold.intake import rule
from tandem_controller.decide.release import decide
from tandem_controller.effect import Kind, Patch, ReplaceStatus
from tests.cli.holding import at, attempt, record, rejection, snapshot, template

V1 = record("v1", "v1", attempt(0, "Baseline"))
BAD = record("v2", "v1", attempt(1, "RolledBack", rejection=rejection(1)))
ASKED = {keys.RETRY: ""}


def test_first_the_rejected_version_is_stated_paused() -> None:
    (effect,) = decide(snapshot(V1, BAD, annotations=ASKED), at(3)).effects
    assert isinstance(effect, Patch)
    assert effect.kind is Kind.DEPLOYMENT
    changed = {"spec": {"initContainers": template("v2", "v1")["spec"]["initContainers"]}}
    assert effect.body["spec"] == {"template": changed, "paused": True}


def test_then_its_verdict_is_cleared_and_its_platform_part_accepted_in_one_write() -> None:
    here = snapshot(V1, BAD, live=("v2", "v1"), annotations=ASKED)
    cleared, dropped = decide(here, at(3)).effects
    assert isinstance(cleared, ReplaceStatus)
    assert cleared.status["attempts"][0]["rejection"]["clearedAt"] is not None
    assert cleared.status["hold"]["end"] == HoldEnd.ACCEPTED
    assert isinstance(dropped, Patch)
    assert dropped.body["metadata"]["annotations"] == {keys.RETRY: None}


def test_what_was_cleared_so_is_released_and_not_held() -> None:
    done = {"clearedAt": at(3).isoformat()}
    ended = {
        "since": at(3).isoformat(),
        "endedAt": at(3).isoformat(),
        "end": HoldEnd.ACCEPTED,
    }
    cleared = record(
        "v2", "v1", attempt(1, "RolledBack", rejection={**rejection(1), **done}), held=ended
    )
    here = snapshot(V1, cleared, live=("v2", "v1"))
    assert here.workload is not None
    ruling = rule(stated_at_rest(here, here.workload, V1))
    assert (ruling.template, ruling.hold) == (template("v2", "v1"), None)
