"""What runs is told from pods, and told apart by what the records say of it."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tandem_controller.api.meta import ObjectMeta
from tandem_controller.api.policy import Containers, ReleasePolicy, ReleasePolicySpec
from tandem_controller.api.record import Outcome, ReleaseRecord
from tandem_controller.link.images import LABEL_LENGTH, Images, images, joined, repository
from tandem_controller.link.pairing import Pairing, State, pairings
from tandem_controller.snapshot import Snapshot, WorkloadSnapshot
from tests.examples import NOW, OWNER, Obj, deployment, rollout, workload
from tests.link.shop import V1, V2, V3, attempt, pods, record, revision

ADOPTED = attempt(0, Outcome.BASELINE)


def running(
    records: Iterable[ReleaseRecord],
    *templates: Obj,
    canary: WorkloadSnapshot | None = None,
    policy: ReleasePolicy | None = None,
) -> dict[str, Pairing]:
    """Return the pairings of a shop that runs two pods of each template, by business image."""
    runs = workload(deployment(), *((template, 2, 2) for template in templates))
    snapshot = Snapshot(
        rollout=rollout(), workload=runs, records=tuple(records), canary=canary, policy=policy
    )
    return {pairing.images.business: pairing for pairing in pairings(snapshot)}


def test_a_release_shows_stable_and_canary_with_the_versions_that_were_recorded() -> None:
    history = [record(V1, ADOPTED, component_version="1.0.0")]
    history.append(record(V2, attempt(5), component_version="1.1.0"))
    assert running(history, V1, V2) == {
        "shop:1": Pairing(
            revision=revision(V1),
            state=State.STABLE,
            images=Images(platform="init:1", platform_repository="init", business="shop:1"),
            component_version="1.0.0",
            released=True,
        ),
        "shop:2": Pairing(
            revision=revision(V2),
            state=State.CANARY,
            images=Images(platform="init:2", platform_repository="init", business="shop:2"),
            component_version="1.1.0",
            released=False,
        ),
    }


def test_what_has_no_pods_does_not_run() -> None:
    runs = workload(deployment(), (V1, 2, 2), (V2, 0, 0))
    found = pairings(Snapshot(rollout=rollout(), workload=runs))
    assert [p.images.business for p in found] == ["shop:1"]


@pytest.mark.parametrize("change", ["Succeeded", "Failed", "deleting"])
def test_pods_that_end_or_have_ended_do_not_run(change: str) -> None:
    runs = workload(deployment(), (V1, 1, 1))
    (only,) = runs.pods_of(runs.replica_sets[0])
    if change == "deleting":
        ended = replace(only, metadata=replace(only.metadata, deletion_timestamp=NOW))
    else:
        ended = replace(only, status=replace(only.status, phase=change))
    left = WorkloadSnapshot(
        deployment=runs.deployment,
        replica_sets=runs.replica_sets,
        pods={runs.replica_sets[0].metadata.uid: (ended,)},
    )
    assert pairings(Snapshot(rollout=rollout(), workload=left)) == ()


@pytest.mark.parametrize(
    "outcome", [None, Outcome.ROLLED_BACK, Outcome.SUPERSEDED, Outcome.ABANDONED]
)
def test_only_a_completed_release_makes_a_pairing_released(outcome: Outcome | None) -> None:
    history = [record(V1, ADOPTED), record(V2, attempt(5, outcome))]
    assert not running(history, V2)["shop:2"].released
    history[1] = record(V2, attempt(5, outcome), attempt(9, Outcome.COMPLETED))
    assert running(history, V2)["shop:2"].released


def test_a_template_that_came_past_tandem_is_stable_and_was_never_released() -> None:
    """It is taken for a baseline, but not the first one."""
    found = running([record(V1, ADOPTED), record(V2, attempt(5, Outcome.BASELINE))], V2)
    assert (found["shop:2"].state, found["shop:2"].released) == (State.STABLE, False)


def test_parts_that_were_released_apart_were_not_released_together() -> None:
    """The mix of the new platform with the old business part: DESIGN §1."""
    mixed = pods("init:2", "shop:1")
    history = [record(V1, ADOPTED), record(V2, attempt(5, Outcome.COMPLETED))]
    found = running(history, mixed)["shop:1"]
    assert (found.state, found.released) == (State.UNRECORDED, False)


def test_labels_make_no_other_pairing() -> None:
    restarted = pods("init:1", "shop:1", restarted="yes")
    found = running([record(V1, ADOPTED)], V1, restarted)
    assert list(found) == ["shop:1"]
    assert (found["shop:1"].revision, found["shop:1"].released) == (revision(V1), True)


def test_pods_of_the_extra_deployment_belong_to_the_release() -> None:
    history = [record(V1, ADOPTED), record(V2, attempt(5))]
    labelled = pods("init:2", "shop:2", canary="yes")
    beside = workload(
        deployment(name="shop-canary", owner=OWNER), (labelled, 1, 1), owner="shop-canary"
    )
    found = running(history, V1, canary=beside)
    assert (found["shop:2"].state, found["shop:2"].revision) == (State.CANARY, revision(V2))


def test_the_extra_deployment_runs_what_is_released_now_and_not_what_once_was_alike() -> None:
    """A release that changes labels only leaves both parts as they are."""
    relabelled = pods("init:1", "shop:1", track="b")
    history = [record(V1, ADOPTED), record(relabelled, attempt(5))]
    labelled = pods("init:1", "shop:1", track="b", canary="yes")
    beside = workload(
        deployment(name="shop-canary", owner=OWNER), (labelled, 1, 1), owner="shop-canary"
    )
    runs = workload(deployment(), (V1, 2, 2))
    snapshot = Snapshot(rollout=rollout(), workload=runs, records=tuple(history), canary=beside)
    states = {pairing.revision: pairing.state for pairing in pairings(snapshot)}
    assert states == {revision(V1): State.STABLE, revision(relabelled): State.CANARY}


def test_a_stranger_with_the_name_of_the_extra_deployment_is_left_out() -> None:
    stranger = workload(deployment(name="shop-canary"), (V2, 1, 1), owner="shop-canary")
    assert list(running([record(V1, ADOPTED)], V1, canary=stranger)) == ["shop:1"]


def test_an_older_release_whose_pods_are_left_is_former() -> None:
    history = [
        record(V1, ADOPTED),
        record(V2, attempt(5, Outcome.SUPERSEDED)),
        record(V3, attempt(6)),
    ]
    states = {image: p.state for image, p in running(history, V1, V2, V3).items()}
    assert states == {"shop:1": State.STABLE, "shop:2": State.FORMER, "shop:3": State.CANARY}


def test_nothing_is_held_against_a_workload_that_was_not_adopted_yet() -> None:
    assert running([], V1)["shop:1"].released


def test_a_sidecar_that_the_policy_names_is_the_platforms() -> None:
    mesh = pods("init:1", "shop:1")
    mesh["spec"]["containers"].append({"name": "mesh", "image": "r:5000/mesh:4@sha256:ab"})
    policy = ReleasePolicy(
        metadata=ObjectMeta(name="shop"),
        spec=ReleasePolicySpec(containers=Containers(platform=("mesh",))),
    )
    found = running([], mesh, policy=policy)["shop:1"].images
    assert found == Images(
        platform="init:1,r:5000/mesh:4@sha256:ab",
        platform_repository="init,r:5000/mesh",
        business="shop:1",
    )


def test_without_a_workload_nothing_runs() -> None:
    assert pairings(Snapshot(rollout=rollout())) == ()


@given(st.lists(st.text("ab/:.", max_size=150), max_size=4))
def test_labels_are_bounded_and_short_ones_stay_whole(texts: list[str]) -> None:
    whole = ",".join(texts)
    assert len(joined(texts)) <= LABEL_LENGTH
    assert (joined(texts) == whole) == (len(whole) <= LABEL_LENGTH)


def test_images_that_differ_behind_the_cut_make_different_labels() -> None:
    long = "r/" + "a" * LABEL_LENGTH
    assert len({joined([f"{long}:{tag}"]) for tag in "12"}) == 2


@given(st.permutations([{"name": n, "image": f"r/{n}:1"} for n in "abc"]))
def test_the_order_of_containers_changes_no_label(containers: list[Obj]) -> None:
    template = {"spec": {"initContainers": containers, "containers": []}}
    assert images(template, Containers()).platform == "r/a:1,r/b:1,r/c:1"


@pytest.mark.parametrize(
    ("image", "wanted"),
    [
        ("init", "init"),
        ("init:1", "init"),
        ("r.io/a/init:1", "r.io/a/init"),
        ("r.io:5000/init", "r.io:5000/init"),
        ("r.io:5000/init:1@sha256:ab", "r.io:5000/init"),
    ],
)
def test_a_repository_is_an_image_without_tag_and_digest(image: str, wanted: str) -> None:
    assert repository(image) == wanted
