"""Which revision of an Application the workload states, and whether its release has ended.

A workload that a chart brings carries no revision; the trait sends a mark of its own with it.

KubeVela asks a trait for its health before it applies the workload. The trait `rollout` has to
tell "this revision's workload has not come yet" (healthy, or it never comes) from "it has come
and is being released" (unhealthy). Only the controller sees both objects, so it says which
revision the workload carries; a condition survives the status writes of KubeVela, which drop
fields that its copy of the API does not know (pkg/rollout/rollout.go).
"""

from __future__ import annotations

from tandem_controller import keys
from tandem_controller.api.meta import Condition
from tandem_controller.snapshot import Snapshot

RELEASED = "Released"


def released(snapshot: Snapshot, *, ended: bool) -> Condition | None:
    """Return the condition; None where no Application stands behind the workload.

    `ended` is whether what the workload's owner states is what runs, with nothing left to do.
    """
    if snapshot.workload is None:
        return None
    metadata = snapshot.workload.deployment.metadata
    revision = metadata.labels.get(keys.OAM_REVISION)
    delivery = metadata.annotations.get(keys.DELIVERY)
    status = "True" if ended else "False"
    if revision:
        reason, message = "ApplicationRevision", revision
    elif delivery:
        reason, message = "Delivery", delivery
    else:
        return None
    return Condition(type=RELEASED, status=status, reason=reason, message=message)
