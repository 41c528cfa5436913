"""The model shows what was seen on a real Kubernetes 1.34 (DESIGN §6)."""

from __future__ import annotations

import pytest

from tandem_controller.effect import Kind
from tests.simulation.deployment_state import REVISION
from tests.simulation.model import Controller, Model, Readiness
from tests.simulation.objects import deployment, image_patch, knobs, service
from tests.simulation.rules import Obj

OLD, NEW, THIRD = "r/web:1", "r/web:2", "r/web:3"
NEVER_AVAILABLE: Obj = {"minReadySeconds": 2147483646, "progressDeadlineSeconds": 2147483647}
USERS_OWN: Obj = {"minReadySeconds": 0, "progressDeadlineSeconds": 600}


def edit(model: Model, **spec: object) -> None:
    model.edit(Kind.DEPLOYMENT, "web", {"spec": spec})
    model.settle()


def move(model: Model, image: str, surge: int, unavailable: int) -> None:
    template = image_patch(image)["spec"]["template"]
    spec = {"template": template, "paused": False, **knobs(surge, unavailable)}
    edit(model, **NEVER_AVAILABLE, **spec)


def rest(model: Model) -> None:
    edit(model, paused=True, **USERS_OWN, **knobs(0, "25%"))


@pytest.fixture
def web() -> Model:
    model = Model()
    model.create(Kind.DEPLOYMENT, deployment())
    model.create(Kind.SERVICE, service())
    model.settle()
    return model


@pytest.fixture
def at_20_percent(web: Model) -> Model:
    move(web, NEW, 2, 0)
    move(web, NEW, 0, 2)
    rest(web)
    return web


def test_move_gives_the_pods_asked_for_and_nothing_further(web: Model) -> None:
    move(web, NEW, 2, 0)
    assert web.sizes("web") == {OLD: 10, NEW: 2}
    web.advance(3600)
    web.settle()
    assert web.sizes("web") == {OLD: 10, NEW: 2}


def test_surge_first_then_shrink_keeps_ten_ready(web: Model) -> None:
    move(web, NEW, 2, 0)
    move(web, NEW, 0, 2)
    assert web.ready("web") == {OLD: 8, NEW: 2}


def test_resting_paused_all_replicas_are_available(at_20_percent: Model) -> None:
    status = at_20_percent.deployment("web").status
    assert (status.available_replicas, status.replicas) == (10, 10)


def test_with_the_knobs_on_old_pods_stay_available_but_new_ones_do_not(web: Model) -> None:
    move(web, NEW, 2, 0)
    assert web.deployment("web").status.available_replicas == 10


def test_knobs_on_while_the_stable_template_is_live_leave_nothing_available(web: Model) -> None:
    edit(web, **NEVER_AVAILABLE)
    assert web.deployment("web").status.available_replicas == 0


def test_resting_paused_scaling_up_keeps_the_proportion(at_20_percent: Model) -> None:
    edit(at_20_percent, replicas=20)
    assert at_20_percent.sizes("web") == {OLD: 16, NEW: 4}


@pytest.mark.parametrize(("low", "expected"), [(0, {NEW: 10})])
def test_at_half_unpaused_scaling_down_and_up_exposes_more(
    web: Model, low: int, expected: dict[str, int]
) -> None:
    move(web, NEW, 5, 0)
    move(web, NEW, 0, 5)
    edit(web, replicas=low)
    edit(web, replicas=10)
    assert web.sizes("web") == expected


def test_paused_a_new_template_creates_no_replica_set(web: Model) -> None:
    edit(web, paused=True)
    web.edit(Kind.DEPLOYMENT, "web", image_patch(NEW))
    web.settle()
    assert web.sizes("web") == {OLD: 10}
    assert len(web.replica_sets("web")) == 1


def test_resuming_goes_all_the_way_to_the_stated_template(at_20_percent: Model) -> None:
    edit(at_20_percent, paused=False)
    assert at_20_percent.sizes("web") == {NEW: 10}


def test_rolling_back_uses_the_old_replica_set_again(at_20_percent: Model) -> None:
    template = image_patch(OLD)["spec"]["template"]
    edit(at_20_percent, template=template, paused=False, **knobs("25%", "25%"))
    assert at_20_percent.sizes("web") == {OLD: 10}
    assert len(at_20_percent.replica_sets("web")) == 2
    assert at_20_percent.deployment("web").metadata.annotations[REVISION] == "3"


def test_a_version_that_never_gets_ready_stops_at_the_users_limits(web: Model) -> None:
    web.set_readiness(NEW, Readiness.NEVER)
    web.edit(Kind.DEPLOYMENT, "web", image_patch(NEW))
    web.settle()
    assert web.sizes("web") == {OLD: 8, NEW: 5}
    assert web.ready("web") == {OLD: 8}
    assert web.ready_endpoints("web") == 8


def test_unhealthy_pods_of_an_old_version_go_first(web: Model) -> None:
    web.set_readiness(NEW, Readiness.CRASH)
    web.edit(Kind.DEPLOYMENT, "web", image_patch(NEW))
    web.settle()
    web.set_readiness(THIRD, Readiness.NEVER)
    web.edit(Kind.DEPLOYMENT, "web", image_patch(THIRD))
    web.settle()
    assert web.sizes("web") == {OLD: 8, THIRD: 5}


def test_recreate_waits_until_the_old_pods_are_gone(web: Model) -> None:
    edit(web, strategy={"type": "Recreate", "rollingUpdate": None})
    web.edit(Kind.DEPLOYMENT, "web", image_patch(NEW))
    without_kubelet = [c for c in Controller if c is not Controller.KUBELET]
    web.settle(without_kubelet)
    assert web.sizes("web") == {}
    web.settle()
    assert web.sizes("web") == {NEW: 10}


def test_slow_pods_get_ready_when_their_time_has_come(web: Model) -> None:
    web.set_readiness(NEW, Readiness.SLOW)
    web.edit(Kind.DEPLOYMENT, "web", image_patch(NEW))
    web.settle()
    assert NEW not in web.ready("web")
    web.advance(10)
    web.settle()
    assert web.ready("web")[NEW] == 5


def test_pods_are_available_when_ready_for_min_ready_seconds(web: Model) -> None:
    edit(web, minReadySeconds=30, **knobs(1, 0))
    web.edit(Kind.DEPLOYMENT, "web", image_patch(NEW))
    web.settle()
    assert web.sizes("web") == {OLD: 10, NEW: 1}
    web.advance(30)
    web.settle()
    assert web.sizes("web") == {OLD: 9, NEW: 2}


def test_without_progress_the_deadline_is_reported(web: Model) -> None:
    web.set_readiness(NEW, Readiness.NEVER)
    web.edit(Kind.DEPLOYMENT, "web", image_patch(NEW))
    web.settle()
    web.advance(601)
    web.settle()
    conditions = web.store.get(Kind.DEPLOYMENT, "web")["status"]["conditions"]
    assert "ProgressDeadlineExceeded" in {c["reason"] for c in conditions}


def test_only_the_last_ten_old_revisions_are_kept(web: Model) -> None:
    for n in range(2, 15):
        web.edit(Kind.DEPLOYMENT, "web", image_patch(f"r/web:{n}"))
        web.settle()
        web.advance(1)
    web.settle()
    assert len(web.replica_sets("web")) == 11


def test_a_broken_pod_leaves_the_endpoints_and_comes_back(web: Model) -> None:
    name = web.store.all_of(Kind.POD)[0]["metadata"]["name"]
    web.break_pod(name)
    web.settle()
    assert web.ready_endpoints("web") == 9
    web.mend_pod(name)
    web.settle()
    assert web.ready_endpoints("web") == 10


def test_a_deleted_deployment_takes_its_pods_along(web: Model) -> None:
    web.delete(Kind.DEPLOYMENT, "web")
    web.settle()
    assert web.store.all_of(Kind.REPLICA_SET) == []
    assert web.store.all_of(Kind.POD) == []
    assert web.ready_endpoints("web") == 0


def test_a_copy_is_a_world_of_its_own(web: Model) -> None:
    twin = web.copy()
    edit(twin, replicas=3)
    assert (web.sizes("web"), twin.sizes("web")) == ({OLD: 10}, {OLD: 3})


def test_a_killed_pod_is_replaced(web: Model) -> None:
    name = web.store.all_of(Kind.POD)[0]["metadata"]["name"]
    web.kill_pod(name)
    web.settle()
    assert web.store.find(Kind.POD, name) is None
    assert web.ready("web") == {OLD: 10}


def test_scaling_down_takes_the_broken_pods_first(web: Model) -> None:
    for pod in web.store.all_of(Kind.POD)[:3]:
        web.break_pod(pod["metadata"]["name"])
    web.settle()
    edit(web, replicas=7)
    assert web.ready("web") == {OLD: 7}
