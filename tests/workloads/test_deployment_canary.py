"""A Deployment released by an extra one: what is written, and when nothing is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from tandem_controller import keys
from tandem_controller.api.rollout import PodTemplateMetadata
from tandem_controller.api.workload import Deployment
from tandem_controller.effect import Create, Delete, Effect, Kind, Patch
from tandem_controller.snapshot import Snapshot, WorkloadSnapshot
from tandem_controller.workloads.deployment_canary import DeploymentCanary
from tandem_controller.workloads.provider import Progress
from tests.examples import (
    LONG_AGO,
    MARK,
    NOW,
    OWNER,
    USERS_FIELDS,
    V1,
    V2,
    V3,
    Obj,
    after,
    deployment,
    hash_of,
    rollout,
    strategy,
    versions,
    workload,
)

PROVIDER = DeploymentCanary()
TAKEN = {"rollouts.kruise.io/in-progressing": MARK}
LEFT = {"tandem.oam.dev/unfinished": "shop"}
LEAVE = {"annotations": {"rollouts.kruise.io/in-progressing": None, **LEFT}}


def snapshot(
    of: WorkloadSnapshot,
    canary: WorkloadSnapshot | None = None,
    extra: PodTemplateMetadata | None = None,
) -> Snapshot:
    plan = strategy(enable_extra_workload_for_canary=True, patch_pod_template_metadata=extra)
    return Snapshot(rollout=rollout(plan), workload=of, canary=canary)


def taken(stated: Obj = V2, **spec: Any) -> Deployment:  # noqa: ANN401 - as in `deployment`
    """The user's Deployment during a release."""
    return deployment(annotations=TAKEN, **{"template": stated, "paused": True, **spec})


def beside(
    size: int, ready: int = 0, *, observed: int = 3, owner: Obj | None = None
) -> WorkloadSnapshot:
    """The extra Deployment."""
    stated = deployment(
        name="shop-canary", template=V2, replicas=size, owner=owner or OWNER, observed=observed
    )
    return workload(stated, (V2, size, ready), owner="shop-canary")


def going(of: WorkloadSnapshot) -> WorkloadSnapshot:
    meta = replace(of.deployment.metadata, deletion_timestamp=NOW)
    return WorkloadSnapshot(
        deployment=replace(of.deployment, metadata=meta),
        replica_sets=of.replica_sets,
        pods=of.pods,
    )


def change(body: Obj, name: str = "shop") -> Patch:
    return Patch(
        kind=Kind.DEPLOYMENT,
        namespace="web",
        name=name,
        uid=f"uid-{name}",
        resource_version="70",
        body=body,
    )


REMOVE = Delete(kind=Kind.DEPLOYMENT, namespace="web", name="shop-canary", uid="uid-shop-canary")


def advance(seen: Snapshot, target: int) -> tuple[Effect, ...] | None:
    known = versions()
    progress = PROVIDER.progress(seen, known, NOW)
    return PROVIDER.advance(seen, known, progress, target=target, reserve=10, keep=10)


STABLE = workload(taken(), (V1, 10, 10))


class TestAdvance:
    def test_pauses_the_users_deployment_before_anything_else(self) -> None:
        seen = snapshot(workload(deployment(template=V2), (V1, 10, 10)))
        assert advance(seen, 2) == (
            change({"spec": {"paused": True}, "metadata": {"annotations": TAKEN}}),
        )

    def test_creates_the_extra_deployment_without_tracking_keys(self) -> None:
        labels = {
            "app": "shop",
            "team": "a",
            "app.oam.dev/name": "shop",
            "app.kubernetes.io/instance": "shop",
            "kustomize.toolkit.fluxcd.io/name": "apps",
        }
        tracked = {
            **TAKEN,
            "note": "kept",
            "kubectl.kubernetes.io/last-applied-configuration": "{}",
            "deployment.kubernetes.io/revision": "2",
            "argocd.argoproj.io/tracking-id": "x",
        }
        stated = deployment(template=V2, paused=True, labels=labels, annotations=tracked)
        assert advance(snapshot(workload(stated, (V1, 10, 10))), 2) == (
            Create(
                kind=Kind.DEPLOYMENT,
                body={
                    "apiVersion": "apps/v1",
                    "kind": "Deployment",
                    "metadata": {
                        "name": "shop-canary",
                        "namespace": "web",
                        "labels": {
                            "app": "shop",
                            "team": "a",
                            "rollouts.kruise.io/canary-deployment": "shop",
                            "tandem.oam.dev/rollout": "shop",
                        },
                        "annotations": {"note": "kept"},
                        "ownerReferences": [OWNER],
                    },
                    "spec": {
                        **USERS_FIELDS,
                        "replicas": 2,
                        "revisionHistoryLimit": 10,
                        "selector": {"matchLabels": {"app": "shop"}},
                        "template": V2,
                    },
                },
            ),
        )

    def test_copies_the_whole_selector(self) -> None:
        selector = {
            "matchLabels": {"app": "shop"},
            "matchExpressions": [{"key": "tier", "operator": "Exists"}],
        }
        seen = snapshot(workload(taken(selector=selector), (V1, 10, 10)))
        assert created(advance(seen, 2))["spec"]["selector"] == selector

    def test_adds_the_metadata_that_the_user_wants_on_canary_pods(self) -> None:
        extra = PodTemplateMetadata(labels={"lane": "canary"}, annotations={"who": "tandem"})
        body = created(advance(snapshot(STABLE, extra=extra), 2))
        assert body["spec"]["template"] == {
            "metadata": {
                "labels": {"app": "shop", "lane": "canary"},
                "annotations": {"who": "tandem"},
            },
            "spec": V2["spec"],
        }
        assert "annotations" not in V2["metadata"]

    @pytest.mark.parametrize("target", [1, 5])
    def test_resizes_the_extra_deployment_up_and_down(self, target: int) -> None:
        assert advance(snapshot(STABLE, beside(2)), target) == (
            change({"spec": {"replicas": target}}, "shop-canary"),
        )

    def test_writes_nothing_at_the_target(self) -> None:
        assert not advance(snapshot(STABLE, beside(2)), 2)

    def test_waits_for_a_deployment_of_an_earlier_release_to_go(self) -> None:
        assert advance(snapshot(STABLE, going(beside(2))), 5) == ()


def created(effects: tuple[Effect, ...] | None) -> Obj:
    assert effects is not None
    [effect] = effects
    assert isinstance(effect, Create)
    return effect.body


class TestFreeze:
    def test_pauses_with_the_users_fields(self) -> None:
        stated = deployment(template=V2, strategy={"type": "RollingUpdate"}, minReadySeconds=0)
        seen = snapshot(workload(stated, (V1, 10, 10)))
        progress = PROVIDER.progress(seen, versions(), NOW)
        effects = PROVIDER.freeze(seen, versions(), progress)
        assert after(stated, effects) == taken()

    def test_is_written_once(self) -> None:
        seen = snapshot(STABLE)
        progress = PROVIDER.progress(seen, versions(), NOW)
        assert PROVIDER.freeze(seen, versions(), progress) == ()


class TestWithdraw:
    def test_removes_the_canary_and_states_the_stable_template(self) -> None:
        back = PROVIDER.withdraw(snapshot(STABLE, beside(2)), versions())
        restored = {
            "spec": {
                "paused": False,
                "template": {"spec": {"containers": V1["spec"]["containers"]}},
            },
            "metadata": LEAVE,
        }
        assert back == (REMOVE, change(restored))
        assert after(STABLE.deployment, back) == deployment(annotations=LEFT)

    def test_leaves_a_template_alone_that_is_the_stable_one_already(self) -> None:
        seen = snapshot(workload(taken(V1), (V1, 10, 10)))
        assert PROVIDER.withdraw(seen, versions()) == (
            change({"spec": {"paused": False}, "metadata": LEAVE}),
        )

    def test_is_written_once(self) -> None:
        seen = snapshot(workload(deployment(annotations=LEFT), (V1, 10, 10)), going(beside(2)))
        assert PROVIDER.withdraw(seen, versions()) == ()

    def test_is_over_when_the_canary_is_gone_and_stable_pods_are_ready(self) -> None:
        resting = workload(deployment(), (V1, 10, 10))
        cases = {
            None: snapshot(resting),
            "canary": snapshot(workload(taken(V1), (V1, 10, 10)), beside(2)),
            "unready": snapshot(workload(deployment(), (V1, 10, 9))),
            "other": snapshot(workload(deployment(), (V1, 10, 10), (V3, 1, 1))),
            "unseen": snapshot(workload(deployment(observed=2), (V1, 10, 10))),
        }
        over = {
            name: PROVIDER.withdrawn(PROVIDER.progress(seen, versions(), NOW))
            for name, seen in cases.items()
        }
        assert over == {
            None: True,
            "canary": False,
            "unready": False,
            "other": False,
            "unseen": False,
        }


class TestState:
    def test_states_a_template_paused(self) -> None:
        effects = PROVIDER.state(snapshot(STABLE, beside(2)), versions(), V1)
        assert after(STABLE.deployment, effects) == taken(V1)
        assert len(effects) == 1

    def test_is_written_once(self) -> None:
        assert PROVIDER.state(snapshot(STABLE), versions(), V2) == ()


class TestFinish:
    def test_unpauses_and_keeps_the_canary_for_as_long_as_it_serves(self) -> None:
        assert PROVIDER.finish(snapshot(STABLE, beside(2)), versions()) == (
            change({"spec": {"paused": False}, "metadata": LEAVE}),
        )

    def test_is_written_once(self) -> None:
        seen = snapshot(
            workload(deployment(annotations=LEFT, template=V2), (V1, 5, 5), (V2, 5, 5)), beside(2)
        )
        assert PROVIDER.finish(seen, versions()) == ()

    @pytest.mark.parametrize(
        ("stated", "sets", "over"),
        [
            (deployment(annotations=LEFT, template=V2), [(V2, 10, 10)], True),
            (deployment(annotations=LEFT, template=V2), [(V2, 10, 9)], False),
            (deployment(annotations=LEFT, template=V2), [(V1, 1, 1), (V2, 10, 10)], False),
            (deployment(annotations=LEFT, template=V2), [(V3, 1, 1), (V2, 10, 10)], False),
            (deployment(template=V2, observed=2), [(V2, 10, 10)], False),
            (taken(), [(V1, 10, 10)], False),
            (taken(), [(V2, 10, 10)], False),
        ],
    )
    def test_is_over_when_the_users_deployment_runs_the_new_version(
        self, stated: Deployment, sets: list[tuple[Obj, int, int]], over: bool
    ) -> None:
        seen = snapshot(workload(stated, *sets), beside(10, 10))
        assert PROVIDER.finished(PROVIDER.progress(seen, versions(), NOW)) is over


class TestCleanUp:
    def test_deletes_the_extra_deployment(self) -> None:
        assert PROVIDER.clean_up(snapshot(STABLE, beside(2))) == (REMOVE,)

    @pytest.mark.parametrize(
        "canary",
        [None, going(beside(2)), beside(2, owner={**OWNER, "uid": "another"})],
        ids=["absent", "going", "foreign"],
    )
    def test_deletes_nothing_else(self, canary: WorkloadSnapshot | None) -> None:
        assert PROVIDER.clean_up(snapshot(STABLE, canary)) == ()


class TestProgress:
    def test_counts_the_canarys_pods_while_the_users_deployment_is_paused(self) -> None:
        assert PROVIDER.progress(snapshot(STABLE, beside(3, 2)), versions(), NOW) == Progress(
            replicas=10,
            stable=10,
            stable_ready=10,
            new=3,
            new_ready=2,
            other=0,
            observed=True,
            resting=True,
            stable_hash=hash_of(V1),
            new_hash=hash_of(V2),
        )

    def test_counts_the_users_own_pods_once_it_is_unpaused(self) -> None:
        seen = snapshot(
            workload(deployment(annotations=LEFT, template=V2), (V1, 6, 6), (V2, 4, 3)),
            beside(3, 3),
        )
        found = PROVIDER.progress(seen, versions(), NOW)
        assert (found.stable, found.new, found.new_ready, found.resting) == (6, 4, 3, False)

    def test_has_seen_nothing_before_both_controllers_have(self) -> None:
        assert not PROVIDER.progress(
            snapshot(STABLE, beside(3, observed=2)), versions(), NOW
        ).observed

    def test_counts_pods_asked_for_that_have_no_replica_set_yet(self) -> None:
        bare = workload(deployment(name="shop-canary", replicas=4, owner=OWNER))
        found = PROVIDER.progress(snapshot(STABLE, bare), versions(), NOW)
        assert (found.new, found.new_ready, found.new_hash) == (4, 0, "")

    def test_says_when_the_next_pod_is_ready_for_long_enough(self) -> None:
        slow = versions(originals={**USERS_FIELDS, "minReadySeconds": 100_000})
        found = PROVIDER.progress(snapshot(STABLE), slow, NOW)
        assert (found.stable_ready, found.next_ready_at) == (
            0,
            LONG_AGO + timedelta(seconds=100_000),
        )


def test_refuses_a_foreign_deployment_of_the_canarys_name_and_says_what_to_do() -> None:
    foreign = beside(2, owner={**OWNER, "uid": "another"})
    assert PROVIDER.problem(snapshot(STABLE, foreign)) == (
        "Deployment 'shop-canary' exists and is not this Rollout's; rename it, the canary's pods "
        "need the name"
    )
    assert PROVIDER.problem(snapshot(STABLE, beside(2))) is None


def test_what_a_frozen_release_has_left_is_not_called_foreign() -> None:
    left = beside(2)
    meta = replace(left.deployment.metadata, labels={keys.OWNER: "shop"}, owner_references=())
    let_go = WorkloadSnapshot(
        deployment=replace(left.deployment, metadata=meta), replica_sets=left.replica_sets, pods={}
    )
    assert PROVIDER.problem(snapshot(STABLE, let_go)) == (
        "Deployment 'shop-canary' was left by a frozen release whose ReleaseRecords are gone; send "
        "all traffic to the stable Service, delete it, and the release begins anew"
    )


def test_remembers_the_fields_that_it_changes() -> None:
    assert PROVIDER.original(snapshot(STABLE)) == USERS_FIELDS
