"""What admission says when the addon is disabled."""

from __future__ import annotations

from typing import Any

import pytest

from tandem_controller.api.conversion import rollout_of
from tandem_controller.api.rollout import Rollout
from tandem_controller.decide.admission.disabling import admit_disabling
from tandem_controller.decide.admission.review import ALLOWED, AdmissionRequest, Verdict

Obj = dict[str, Any]
BREAK_GLASS = {"tandem.oam.dev/break-glass": "true"}


def rollout(name: str, phase: str, *, finalizer: bool = False, step: int = 0) -> Rollout:
    metadata: Obj = {"name": name, "namespace": "web"}
    if finalizer:
        metadata["finalizers"] = ["rollouts.kruise.io/rollout"]
    status: Obj = {"phase": phase}
    if step:
        status["canaryStatus"] = {"currentStepIndex": step}
    spec = {"workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}}
    body = {"apiVersion": "rollouts.kruise.io/v1beta1", "kind": "Rollout"}
    return rollout_of({**body, "metadata": metadata, "spec": spec, "status": status})


def request(**more: Any) -> AdmissionRequest:  # noqa: ANN401
    known: Obj = {"uid": "u", "operation": "DELETE", "namespace": "vela-system"}
    labels = more.pop("labels", {})
    metadata = {"name": more.pop("name", "addon-tandem"), "labels": labels}
    return AdmissionRequest(**{**known, "old_object": {"metadata": metadata}, **more})


HEALTHY = rollout("calm", "Healthy", step=3)
RUNNING = rollout("shop", "Progressing", step=2)


def test_a_refusal_names_each_release_that_runs_and_the_ways_out() -> None:
    held = rollout("late", "Healthy", finalizer=True)
    assert admit_disabling(request(), [RUNNING, HEALTHY, held]) == Verdict(
        allowed=False,
        message=(
            "metadata: the addon is not disabled while releases run: web/late, web/shop (step 2). "
            "Finish each or roll it back (`tandem get` shows them), or leave them frozen where "
            "they stand with `kubectl label application addon-tandem -n vela-system "
            "tandem.oam.dev/break-glass=true`"
        ),
    )


def test_of_many_releases_the_first_ten_are_named() -> None:
    many = [rollout(f"shop-{number:02}", "Progressing") for number in range(12)]
    message = admit_disabling(request(), many).message
    assert "web/shop-09 and 2 more. " in message
    assert "web/shop-10" not in message


def test_without_a_release_the_addon_ends() -> None:
    assert admit_disabling(request(), [HEALTHY, rollout("off", "Disabled")]) == ALLOWED


def test_a_webhook_that_does_not_know_the_releases_yet_refuses() -> None:
    assert "just started" in admit_disabling(request(), None).message


@pytest.mark.parametrize(
    "passes",
    [
        {"labels": BREAK_GLASS},
        {"name": "shop"},
        {"namespace": "web"},
        {"operation": "UPDATE"},
    ],
    ids=str,
)
def test_nothing_else_is_refused(passes: Obj) -> None:
    assert admit_disabling(request(**passes), [RUNNING]) == ALLOWED
    assert admit_disabling(request(**passes), None) == ALLOWED
