"""What an attempt says of its circumstances, and what pods really ran."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from tandem_controller.api.evidence import Evidence, ImageDigests
from tandem_controller.api.fingerprint import template_fingerprint
from tandem_controller.api.meta import ObjectMeta
from tandem_controller.api.network import Service
from tandem_controller.api.policy import DEFAULT_POLICY, ReleasePolicy, RollbackScope
from tandem_controller.api.record import (
    Attempt,
    Originals,
    Outcome,
    ReleaseRecord,
    ReleaseRecordSpec,
    ReleaseRecordStatus,
    WorkloadIdentity,
)
from tandem_controller.api.rollout import TrafficRouting
from tandem_controller.api.workload import ContainerStatus, PodStatus
from tandem_controller.decide.history import digests
from tandem_controller.decide.history.content import circumstances_of
from tandem_controller.snapshot import Snapshot, TrafficSnapshot, WorkloadSnapshot
from tests.examples import V1, deployment, replica_set, rollout, strategy, workload
from tests.examples import pod as ready_pod

SELECTOR = {"app": "shop"}
PINNED = {"app": "shop", "pod-template-hash": "abc"}


def test_circumstances_hold_what_the_next_release_of_the_template_may_change() -> None:
    labels = {"app.oam.dev/appRevision": "store-v7"}
    stated = deployment(labels=labels, annotations={"tandem.oam.dev/publish-version": "beta"})
    service = Service(
        metadata=ObjectMeta(name="shop"),
        spec={"selector": PINNED, "clusterIP": "10.0.0.1", "ports": [{"port": 80}]},
    )
    canary = strategy(traffic_routings=(TrafficRouting(service="shop"),))
    snapshot = Snapshot(
        rollout=rollout(canary),
        policy=ReleasePolicy(
            metadata=ObjectMeta(name="shop"),
            spec=replace(DEFAULT_POLICY, rollback_scope=RollbackScope.BUSINESS),
        ),
        workload=workload(stated, (V1, 10, 10)),
        traffic=TrafficSnapshot(stable_service=service),
    )
    originals = Originals(services={"shop": SELECTOR})
    found = circumstances_of(snapshot, stated, originals, record())
    assert found.stable == "shop-v1"
    assert (found.application_revision, found.publish_version) == ("store-v7", "beta")
    assert found.replicas == 10
    assert [s["replicas"] for s in found.plan["steps"]] == ["20%", "100%"]
    assert found.services == {"shop": {"selector": SELECTOR, "ports": [{"port": 80}]}}
    assert found.policy["rollbackScope"] == "Business"
    assert found.policy["hold"] == {"release": "Approve", "together": "ByOrigin"}
    assert found.policy["history"] == DEFAULT_POLICY.history


def record(*images: ImageDigests) -> ReleaseRecord:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    attempt = Attempt(
        started_at=now,
        completed_at=now,
        outcome=Outcome.COMPLETED,
        evidence=Evidence(images=images),
    )
    identity = WorkloadIdentity(api_version="apps/v1", kind="Deployment", name="shop", uid="u")
    return ReleaseRecord(
        metadata=ObjectMeta(name="shop-v1"),
        spec=ReleaseRecordSpec(
            workload=identity, fingerprint=template_fingerprint(V1), template=V1
        ),
        status=ReleaseRecordStatus(attempts=(attempt,)),
    )


def running(*image_ids: str) -> WorkloadSnapshot:
    """A workload with a pod for each imageID of its business container."""
    rs = replica_set(V1, len(image_ids))
    pods = tuple(
        replace(
            ready_pod(f"p{at}"),
            status=PodStatus(
                container_statuses=(ContainerStatus(name="shop", image_id=image_id),),
                init_container_statuses=(ContainerStatus(name="init", image_id="r/init@sha256:9"),),
            ),
        )
        for at, image_id in enumerate(image_ids)
    )
    return WorkloadSnapshot(
        deployment=deployment(), replica_sets=(rs,), pods={rs.metadata.uid: pods}
    )


class TestDigests:
    def test_are_those_of_all_pods_container_by_container(self) -> None:
        found = digests.of_version(
            running("docker-pullable://r/shop@sha256:1", "r/shop@sha256:2", ""),
            template_fingerprint(V1),
            digests.images(V1),
        )
        assert found == (
            ImageDigests(name="init", image="r/init:3", init=True, digests=("r/init@sha256:9",)),
            ImageDigests(
                name="shop", image="r/shop:1", digests=("r/shop@sha256:1", "r/shop@sha256:2")
            ),
        )

    @pytest.mark.parametrize("now", ["r/shop@sha256:1", "mirror/shop@sha256:1", "sha256:1", ""])
    def test_have_not_moved_while_the_bytes_are_the_same(self, now: str) -> None:
        known = ImageDigests(name="shop", image="r/shop:1", digests=("r/shop@sha256:1",))
        assert digests.moved(record(known), running(now)) == ()

    def test_that_moved_are_named_with_the_image_and_the_remedy(self) -> None:
        known = ImageDigests(name="shop", image="r/shop:1", digests=("r/shop@sha256:1",))
        (told,) = digests.moved(record(known), running("r/shop@sha256:2"))
        for part in ("'shop'", "r/shop:1", "r/shop@sha256:1", "r/shop@sha256:2", "by its digest"):
            assert part in told

    def test_that_were_never_recorded_say_nothing(self) -> None:
        unknown = ImageDigests(name="shop", image="r/shop:1")
        assert digests.moved(record(unknown), running("r/shop@sha256:2")) == ()
