"""Applications that go to one place after the other, and what their workflow says meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.cluster.bed import Obj
from tests.kubevela.bed import VelaBed, application


@dataclass(frozen=True)
class Place:
    """Where a topology policy of this name deploys to."""

    name: str
    cluster: str = "local"
    namespace: str = ""

    def policy(self) -> Obj:
        """Return the policy."""
        elsewhere = {"namespace": self.namespace} if self.namespace else {}
        properties = {"clusters": [self.cluster], **elsewhere}
        return {"name": self.name, "type": "topology", "properties": properties}

    def approval(self, step: int, *, after: int | None = None) -> Obj:
        """Return the workflow step that asks for one step of the release here."""
        elsewhere = {"namespace": self.namespace} if self.namespace else {}
        found: Obj = {
            "name": f"{self.name}-{step}",
            "type": "rollout-approve",
            "properties": {
                "components": ["shop"],
                "clusters": [self.cluster],
                "step": step,
                **elsewhere,
            },
        }
        return {**found, "dependsOn": [f"{self.name}-{after}"]} if after else found


def place_after_place(business: str, *places: Place, version: str | None = None) -> Obj:
    """Return an Application that is released in one place after the other, asked for each step."""
    return _topology(business, places, [_group(each) for each in places], version)


def side_by_side(business: str, *places: Place, asked: Place) -> Obj:
    """Return an Application released in all places at once, asked for the first step of one."""
    deploys = [_deploy(each) for each in places]
    group = {"name": "all", "type": "step-group", "subSteps": [*deploys, asked.approval(1)]}
    return _topology(business, places, [group])


def steps(found: Obj) -> dict[str, str]:
    """Return the phase of each step inside groups that has one, by name."""
    outer: list[Obj] = found.get("status", {}).get("workflow", {}).get("steps", [])
    return {sub["name"]: sub["phase"] for each in outer for sub in each.get("subSteps") or ()}


def message(found: Obj, name: str) -> str:
    """Return what a step inside a group says."""
    outer: list[Obj] = found.get("status", {}).get("workflow", {}).get("steps", [])
    inner = (sub for each in outer for sub in each.get("subSteps") or ())
    return str(next((sub.get("message", "") for sub in inner if sub["name"] == name), ""))


async def until_asked(bed: VelaBed, name: str) -> Obj:
    """Wait until the workflow is suspended for this step."""

    def asks(found: Obj) -> bool:
        return steps(found).get(name) == "suspending"

    return await bed.until_application(asks)


def standing(rollout: Obj) -> tuple[Any, Any, Any]:
    """Return a Rollout's phase, step and state of the step."""
    status = rollout.get("status", {})
    canary = status.get("canaryStatus", {})
    return status.get("phase"), canary.get("currentStepIndex"), canary.get("currentStepState")


def _group(place: Place) -> Obj:
    asked = [place.approval(1), place.approval(2, after=1)]
    return {"name": place.name, "type": "step-group", "subSteps": [_deploy(place), *asked]}


def _deploy(place: Place) -> Obj:
    properties = {"policies": [place.name]}
    return {"name": f"deploy-{place.name}", "type": "deploy", "properties": properties}


def _topology(
    business: str, places: tuple[Place, ...], workflow: list[Obj], version: str | None = None
) -> Obj:
    found = application("init:v1", business, workflow=workflow, version=version)
    found["spec"]["components"][0]["traits"][0]["properties"]["approval"] = "workflow"
    found["spec"]["policies"] = [each.policy() for each in places]
    return found
