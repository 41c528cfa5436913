"""The condition that tells KubeVela whether the Application's revision is released."""

import pytest

from tandem_controller import keys
from tandem_controller.api.meta import Condition, ObjectMeta
from tandem_controller.api.rollout import Rollout
from tandem_controller.api.workload import Deployment, DeploymentSpec
from tandem_controller.decide.released import RELEASED, released
from tandem_controller.snapshot import Snapshot, WorkloadSnapshot

SPEC = DeploymentSpec(template={})
ROLLOUT = Rollout(metadata=ObjectMeta(name="shop", namespace="demo"))


def _snapshot(labels: dict[str, str], annotations: dict[str, str] | None = None) -> Snapshot:
    metadata = ObjectMeta(name="shop", labels=labels, annotations=annotations or {})
    deployment = Deployment(metadata=metadata, spec=SPEC)
    return Snapshot(rollout=ROLLOUT, workload=WorkloadSnapshot(deployment=deployment))


@pytest.mark.parametrize(("ended", "status"), [(True, "True"), (False, "False")])
def test_it_names_the_revision_that_the_workload_carries(ended: bool, status: str) -> None:
    snapshot = _snapshot({keys.OAM_REVISION: "shop-v3"})
    assert released(snapshot, ended=ended) == Condition(
        type=RELEASED, status=status, reason="ApplicationRevision", message="shop-v3"
    )


@pytest.mark.parametrize(("ended", "status"), [(True, "True"), (False, "False")])
def test_what_a_chart_brought_is_named_by_its_delivery(ended: bool, status: str) -> None:
    snapshot = _snapshot({}, {keys.DELIVERY: "3f2a"})
    assert released(snapshot, ended=ended) == Condition(
        type=RELEASED, status=status, reason="Delivery", message="3f2a"
    )


def test_there_is_none_without_an_application_or_a_workload() -> None:
    assert released(_snapshot({}), ended=True) is None
    assert released(Snapshot(rollout=ROLLOUT), ended=True) is None
