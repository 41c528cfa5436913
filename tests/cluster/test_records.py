"""What records keep and how they fail, on a real API server."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tandem_controller.api.fingerprint import template_fingerprint
from tandem_controller.api.record import ReleaseRecord
from tandem_controller.decide.history import records
from tandem_controller.effect import Kind
from tandem_controller.kube.errors import Invalid
from tests.cluster import bodies
from tests.cluster.bed import Bed

pytestmark = pytest.mark.cluster

APPLICATION = {"app.oam.dev/name": "store"}
STEPS = [bodies.step(20), bodies.step(50)]
ASK = {"metadata": {"annotations": {"tandem.oam.dev/rollback": ""}}}


async def _stand(bed: Bed) -> None:
    """A shop of an Application with config of its own and of somebody else; v1 is stable."""
    await bed.create(Kind.CONFIG_MAP, _config("rendered", APPLICATION, {"v": "1"}))
    await bed.create(Kind.CONFIG_MAP, _config("shared", {}, {"x": "1"}))
    await bed.create(Kind.SECRET, _config("password", APPLICATION, {"p": "aHVudGVyMg=="}))
    await bed.create(Kind.AUTOSCALER, _autoscaler())
    body = bodies.deployment()
    body["metadata"]["labels"] |= APPLICATION
    spec = body["spec"]["template"]["spec"]
    spec["containers"][0]["envFrom"] = [
        {"configMapRef": {"name": "shared"}},
        {"secretRef": {"name": "password"}},
    ]
    spec["volumes"] = [{"name": "config", "configMap": {"name": "rendered"}}]
    await bed.create(Kind.DEPLOYMENT, body)
    await bed.create(Kind.ROLLOUT, bodies.rollout(steps=STEPS))
    await bed.until_proven("shop")


def _config(name: str, labels: dict[str, str], data: dict[str, str]) -> bodies.Obj:
    return {"metadata": {"name": name, "labels": labels}, "data": data}


def _autoscaler() -> bodies.Obj:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"}
    spec = {"scaleTargetRef": target, "minReplicas": 10, "maxReplicas": 12}
    return {"metadata": {"name": "shop"}, "spec": spec}


async def _release(bed: Bed) -> None:
    patch = bodies.new_images("init:v2", "shop:v2")
    patch["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [
        {"configMapRef": {"name": "shared"}},
        {"secretRef": {"name": "password"}},
    ]
    await bed.patch(Kind.DEPLOYMENT, "shop", patch)
    await bed.until_paused("shop", 1)


async def _record(bed: Bed, image: str) -> bodies.Obj:
    (found,) = [
        r for r in await bed.items(Kind.RELEASE_RECORD) if r["spec"]["images"][-1]["image"] == image
    ]
    return found


async def _until_rolled_back(bed: Bed) -> None:
    await bed.until_phase("shop", "Healthy")
    assert await bed.sizes("shop") == {"shop:v1": 10}


async def test_a_record_says_what_its_version_ran_with(bed: Bed) -> None:
    await _stand(bed)
    record = await _record(bed, "shop:v1")
    assert records.fault(msgspec.convert(record, ReleaseRecord)) is None
    (attempt,) = record["status"]["attempts"]
    assert attempt["circumstances"]["replicas"] == 10
    assert attempt["circumstances"]["plan"]["steps"]
    assert attempt["circumstances"]["policy"]["rollbackScope"] == "All"
    found = attempt["evidence"]
    assert found["autoscaler"] == {"name": "shop", "minReplicas": 10, "maxReplicas": 12}
    digests = {i["name"]: i["digests"] for i in found["images"]}
    assert all("@sha256:" in each for ran in digests.values() for each in ran)
    assert set(digests) == {"init", "business"}
    copies = {c["name"]: c.get("copy") for c in found["config"]}
    assert copies["shared"] is None
    for kind, name in ((Kind.CONFIG_MAP, "rendered"), (Kind.SECRET, "password")):
        copy = await bed.get(kind, str(copies[name]))
        assert copy["immutable"]
        assert copy["data"] == (await bed.get(kind, name))["data"]


async def test_config_that_is_gone_stops_a_rollback_until_it_is_back(bed: Bed) -> None:
    await _stand(bed)
    await _release(bed)
    await bed.delete(Kind.CONFIG_MAP, "shared")
    await bed.patch(Kind.ROLLOUT, "shop", ASK)
    await bed.until_message("shop", "stops before traffic moves: ConfigMap 'shared' is gone")
    assert await bed.sizes("shop") == {"shop:v1": 8, "shop:v2": 2}
    await bed.create(Kind.CONFIG_MAP, _config("shared", {}, {"x": "1"}))
    await _until_rolled_back(bed)


async def test_config_of_the_application_is_restored_by_a_rollback(bed: Bed) -> None:
    await _stand(bed)
    await _release(bed)
    await bed.delete(Kind.SECRET, "password")
    await bed.patch(Kind.CONFIG_MAP, "rendered", {"data": {"v": None, "w": "2"}})
    await bed.patch(Kind.ROLLOUT, "shop", ASK)
    await _until_rolled_back(bed)
    assert (await bed.get(Kind.CONFIG_MAP, "rendered"))["data"] == {"v": "1"}
    secret = await bed.get(Kind.SECRET, "password")
    assert secret["data"] == {"p": "aHVudGVyMg=="}
    assert secret["metadata"]["labels"] == APPLICATION


async def test_a_stable_record_that_is_deleted_in_mid_release_is_written_anew(bed: Bed) -> None:
    await _stand(bed)
    await _release(bed)
    lost = await _record(bed, "shop:v1")
    name = lost["metadata"]["name"]
    await bed.delete(Kind.RELEASE_RECORD, name)
    await bed.until(Kind.RELEASE_RECORD, name, lambda o: _is_stable(o, lost))
    found = await bed.get(Kind.RELEASE_RECORD, name)
    assert found["spec"] == lost["spec"]
    await bed.patch(Kind.ROLLOUT, "shop", ASK)
    await _until_rolled_back(bed)


def _is_stable(obj: bodies.Obj | None, lost: bodies.Obj) -> bool:
    if obj is None or obj["metadata"]["uid"] == lost["metadata"]["uid"]:
        return False
    attempts: list[Any] = obj.get("status", {}).get("attempts", [])
    return bool(attempts and attempts[-1].get("outcome") == "Baseline")


async def test_the_api_server_refuses_what_would_be_ignored(bed: Bed) -> None:
    await _stand(bed)
    name = (await _record(bed, "shop:v1"))["metadata"]["name"]
    with pytest.raises(Invalid, match="cannot be changed"):
        await bed.patch(Kind.RELEASE_RECORD, name, {"spec": {"fingerprint": "forged"}})
    policy = {
        "apiVersion": "tandem.oam.dev/v1alpha1",
        "kind": "ReleasePolicy",
        "metadata": {"name": "shop"},
        "spec": {"movedTag": "RestoreDigest"},
    }
    with pytest.raises(Invalid, match="RestoreDigest is not supported yet"):
        await bed.create(Kind.RELEASE_POLICY, policy)


async def test_a_template_with_nulls_as_older_servers_state_them_is_kept_whole(bed: Bed) -> None:
    claim = {"metadata": {"creationTimestamp": None}, "spec": {"storageClassName": None}}
    volume = {"name": "scratch", "ephemeral": {"volumeClaimTemplate": claim}}
    template = {"metadata": {"labels": {"app": "shop"}}, "spec": {"volumes": [volume]}}
    fingerprint = template_fingerprint(template)
    name = f"shop-{records.revision('uid', fingerprint)}"
    workload = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop", "uid": "uid"}
    body = {
        "apiVersion": "tandem.oam.dev/v1alpha1",
        "kind": "ReleaseRecord",
        "metadata": {"name": name},
        "spec": {"workload": workload, "fingerprint": fingerprint, "template": template},
    }
    await bed.create(Kind.RELEASE_RECORD, body)
    stored = msgspec.convert(await bed.get(Kind.RELEASE_RECORD, name), ReleaseRecord)
    assert records.fault(stored) is None
