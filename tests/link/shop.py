"""The shop's history as tests of linked monitoring tell it: records, and what runs."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from tandem_controller.api.fingerprint import template_fingerprint
from tandem_controller.api.meta import ObjectMeta
from tandem_controller.api.policy import Containers
from tandem_controller.api.record import (
    Attempt,
    Change,
    Outcome,
    ReleaseRecord,
    ReleaseRecordSpec,
    ReleaseRecordStatus,
    WorkloadIdentity,
)
from tandem_controller.decide.classify import parts
from tandem_controller.decide.history import records
from tests.examples import NOW, Obj

UID = "uid-shop"


def pods(init: str, business: str, **labels: str) -> Obj:
    """Return a pod template of an init image and a business image."""
    return {
        "metadata": {"labels": {"app": "shop", **labels}},
        "spec": {
            "initContainers": [{"name": "init", "image": init}],
            "containers": [{"name": "shop", "image": business}],
        },
    }


V1, V2, V3 = pods("init:1", "shop:1"), pods("init:2", "shop:2"), pods("init:3", "shop:3")


def revision(template: Obj) -> str:
    """Return the short name of a template on the shop."""
    return records.revision(UID, template_fingerprint(template))


def record(template: Obj, *attempts: Attempt, component_version: str = "") -> ReleaseRecord:
    """Return the record of a template."""
    found = parts(template, Containers())
    return ReleaseRecord(
        metadata=ObjectMeta(name=f"shop-{revision(template)}", namespace="web"),
        spec=ReleaseRecordSpec(
            workload=WorkloadIdentity(
                api_version="apps/v1", kind="Deployment", name="shop", uid=UID
            ),
            fingerprint=template_fingerprint(template),
            template=template,
            business_fingerprint=found.business,
            platform_fingerprint=found.platform,
            component_definition="canary-ready-component",
            component_version=component_version,
        ),
        status=ReleaseRecordStatus(attempts=attempts),
    )


def attempt(minute: int, outcome: Outcome | None = None, change: Change | None = None) -> Attempt:
    """Return an attempt that began at a minute, and ended half a minute later if it did."""
    start = NOW + timedelta(minutes=minute)
    begun = Attempt(started_at=start, change=change)
    if outcome is None:
        return begun
    return replace(begun, outcome=outcome, completed_at=start + timedelta(seconds=30))
