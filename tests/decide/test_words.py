"""What a status says while somebody is waited for."""

import pytest

from tandem_controller.decide import words
from tandem_controller.decide.plan import PlannedStep
from tandem_controller.traffic.split import Split

STEP = PlannedStep(
    index=1,
    replicas=2,
    split=Split(weight=25),
    pause_seconds=None,
    finishing=False,
    everything=False,
)


@pytest.mark.parametrize(
    ("application", "ways"),
    [
        (
            "store",
            "vela workflow resume store, tandem approve shop or kubectl-kruise rollout approve",
        ),
        ("", "tandem approve shop or kubectl-kruise rollout approve"),
    ],
)
def test_a_step_that_waits_says_what_runs_and_how_to_go_on(application: str, ways: str) -> None:
    assert words.needs_approval(STEP, 3, "shop", application) == (
        "Rollout is in step(1/3), and you need manually confirm to enter the next step: "
        f"{ways}. New now: 2 pods, 25 % of traffic"
    )
