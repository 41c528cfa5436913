"""An applier that states whole manifests, as Argo CD and Flux do."""

from __future__ import annotations

from tandem_controller.kube.client import PatchType
from tests.cluster import bodies
from tests.cluster.admission.place import DEPLOYMENTS, Place, decoded

Obj = bodies.Obj

STATED: Obj = {
    "minReadySeconds": 7,
    "progressDeadlineSeconds": 99,
    "paused": False,
    "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 9, "maxUnavailable": 9}},
}


async def server_side_apply(place: Place, spec: Obj) -> Obj:
    """Apply a whole manifest, as Argo CD and Flux do."""
    body = bodies.deployment(replicas=3)
    body["metadata"] = {"name": "shop"}
    body["spec"] |= spec
    raw = await place.user.patch(
        DEPLOYMENTS,
        "shop",
        body,
        place.namespace,
        patch_type=PatchType.APPLY,
        field_manager="applier",
        force=True,
    )
    return decoded(raw)


async def assert_held(place: Place) -> None:
    await place.in_release()
    before = (await place.get(DEPLOYMENTS))["spec"]
    after = (await server_side_apply(place, STATED | {"replicas": 5}))["spec"]
    assert after["replicas"] == 5
    for knob in STATED:
        assert after.get(knob) == before.get(knob) or (knob, after.get(knob)) == (
            "minReadySeconds",
            0,
        )
