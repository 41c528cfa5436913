"""What a workload's owner applied last, from the copy that appliers keep in an annotation.

Admission leaves the copy as it is, so it says what the manifest states even where the
template is withheld. With server-side apply there is none. It lacks what the API server
fills in, so only images can be compared. Helm leaves no copy; where the trait sends a mark with
a chart, admission notes which template came with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from tandem_controller import keys
from tandem_controller.api.policy import Containers
from tandem_controller.api.record import HoldEnd, ReleaseRecord
from tandem_controller.api.workload import Deployment
from tandem_controller.decide import words
from tandem_controller.decide.classify import is_platform
from tandem_controller.decide.history import records, verdicts
from tandem_controller.decide.hold.withheld import held
from tandem_controller.effect import Decision, Note
from tandem_controller.snapshot import Snapshot, WorkloadSnapshot

Template = Mapping[str, Any]


class _AppliedSpec(msgspec.Struct, frozen=True):
    template: dict[str, Any] = {}


class _Applied(msgspec.Struct, frozen=True):
    spec: _AppliedSpec = _AppliedSpec()


def applied_template(deployment: Deployment, known: Iterable[ReleaseRecord]) -> Template | None:
    """Return the pod template that was applied last, KubeVela's before kubectl's; or None.

    What a chart stated last is one of the `known` versions, or nobody can tell.
    """
    for key in keys.LAST_APPLIED:
        if template := _template(deployment.metadata.annotations.get(key, "")):
            return template
    return _delivered(deployment, known)


def _delivered(deployment: Deployment, known: Iterable[ReleaseRecord]) -> Template | None:
    """Return the template that came with the delivery that the workload carries."""
    annotations = deployment.metadata.annotations
    delivery, _, fingerprint = annotations.get(keys.DELIVERED, "").partition(" ")
    # Another delivery came while no webhook answered.
    if not fingerprint or delivery != annotations.get(keys.DELIVERY):
        return None
    return next((r.spec.template for r in known if r.spec.fingerprint == fingerprint), None)


def _template(manifest: str) -> Template:
    """Return the pod template of a manifest; empty where it is cut, or no manifest at all."""
    try:
        return msgspec.json.decode(manifest, type=_Applied).spec.template
    except msgspec.DecodeError:
        return {}


def states(
    deployment: Deployment, record: ReleaseRecord, known: Iterable[ReleaseRecord]
) -> bool | None:
    """Whether the manifest that was applied last has a version's images; None without a copy."""
    template = applied_template(deployment, known)
    return None if template is None else _images(template) == _images(record.spec.template)


def withdrawn(
    snapshot: Snapshot, workload: WorkloadSnapshot, stable: ReleaseRecord, now: datetime
) -> Decision | None:
    """End a hold whose change the manifest no longer states; None where it does, or may.

    Admission cannot see it: a write of the template in force changes nothing.
    """
    containers = snapshot.policy_spec.containers
    known = records.of_workload(snapshot)
    holding = held(known, stable, containers)
    stated = applied_template(workload.deployment, known)
    if holding is None or stated is None:
        return None
    found = _platform_images(stated, containers)
    if found == _platform_images(holding.spec.template, containers):
        return None
    if found != _platform_images(stable.spec.template, containers):
        return None
    message = f"the manifest no longer states {words.difference(holding, stable)}"
    return Decision(
        effects=(verdicts.end_hold(holding, HoldEnd.WITHDRAWN, now),),
        notes=(Note(reason="HoldWithdrawn", message=message),),
    )


def _images(template: Template) -> set[tuple[str, str]]:
    spec = template.get("spec") or {}
    return {
        (str(container.get("name")), str(container.get("image")))
        for field in ("initContainers", "containers")
        for container in spec.get(field) or ()
    }


def _platform_images(template: Template, containers: Containers) -> set[tuple[str, str]]:
    spec = template.get("spec") or {}
    return {
        (str(container.get("name")), str(container.get("image")))
        for field in ("initContainers", "containers")
        for container in spec.get(field) or ()
        if is_platform(container, containers, init=field == "initContainers")
    }
