"""Release records: what is stable, what is in progress, what may be forgotten."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tandem_controller.api.fingerprint import template_fingerprint
from tandem_controller.api.meta import ObjectMeta
from tandem_controller.api.policy import Containers, ReleasePolicy
from tandem_controller.api.record import (
    Approval,
    Attempt,
    Hold,
    HoldEnd,
    Originals,
    Outcome,
    ReleaseRecord,
    ReleaseRecordSpec,
    ReleaseRecordStatus,
    WorkloadIdentity,
)
from tandem_controller.decide.classify import parts
from tandem_controller.decide.history import records
from tandem_controller.effect import Create, Delete, Effect, Kind, ReplaceStatus
from tandem_controller.ownership import owner_reference
from tandem_controller.snapshot import Snapshot
from tests.examples import LONG_AGO, NOW, OWNER, V1, Obj, deployment, rollout, template, workload

SHOP = WorkloadIdentity(api_version="apps/v1", kind="Deployment", name="shop", uid="uid-shop")


def record(number: int, *attempts: Attempt, uid: str = "uid-shop") -> ReleaseRecord:
    of = template(f"r/shop:{number}")
    return ReleaseRecord(
        metadata=ObjectMeta(
            name=name_of(number, uid),
            namespace="web",
            uid=f"uid-{number}",
            resource_version="60",
            creation_timestamp=LONG_AGO,
        ),
        spec=ReleaseRecordSpec(
            workload=replace(SHOP, uid=uid), fingerprint=template_fingerprint(of), template=of
        ),
        status=ReleaseRecordStatus(attempts=attempts),
    )


def name_of(number: int, uid: str = "uid-shop") -> str:
    return f"shop-{records.revision(uid, template_fingerprint(template(f'r/shop:{number}')))}"


def ended(outcome: Outcome, start: int = 0, end: int = 1) -> Attempt:
    return Attempt(started_at=at(start), completed_at=at(end), outcome=outcome)


def at(minute: int) -> datetime:
    return NOW + timedelta(minutes=minute)


def open_since(minute: int) -> Attempt:
    return Attempt(started_at=at(minute))


@st.composite
def histories(draw: st.DrawFn) -> list[ReleaseRecord]:
    """Releases of up to five versions, one after another; the last may be open."""
    attempts: dict[int, list[Attempt]] = {n: [] for n in range(draw(st.integers(1, 5)))}
    count = draw(st.integers(0, 12))
    for moment in range(count):
        number = draw(st.sampled_from(sorted(attempts)))
        outcome = draw(st.sampled_from(Outcome))
        last = moment == count - 1
        attempt = (
            open_since(2 * moment)
            if last and draw(st.booleans())
            else ended(outcome, 2 * moment, 2 * moment + 1)
        )
        attempts[number].append(attempt)
    return [record(number, *found) for number, found in attempts.items()]


class TestStable:
    @given(histories(), st.randoms(use_true_random=False))
    def test_is_the_record_that_was_completed_or_adopted_last_in_any_order(
        self, history: list[ReleaseRecord], order: object
    ) -> None:
        shuffle = getattr(order, "shuffle")  # noqa: B009 - hypothesis's Random
        expected = max(
            (
                (attempt.completed_at, r.metadata.name)
                for r in history
                for attempt in r.status.attempts
                if attempt.outcome in (Outcome.COMPLETED, Outcome.BASELINE)
            ),
            default=None,
            key=lambda pair: (pair[0] or NOW, pair[1]),
        )
        shuffle(history)
        found = records.stable(history)
        assert (found.metadata.name if found else None) == (expected[1] if expected else None)

    @pytest.mark.parametrize(
        "outcome", [Outcome.ROLLED_BACK, Outcome.SUPERSEDED, Outcome.ABANDONED]
    )
    def test_is_not_one_that_was_never_completed(self, outcome: Outcome) -> None:
        assert records.stable([record(1, ended(outcome)), record(2)]) is None

    def test_stays_the_one_before_while_a_version_is_released_again(self) -> None:
        old = record(1, ended(Outcome.COMPLETED, 0, 1), open_since(9))
        new = record(2, ended(Outcome.COMPLETED, 2, 3))
        assert records.stable([old, new]) == new

    def test_comes_back_when_it_was_released_again(self) -> None:
        old = record(1, ended(Outcome.COMPLETED, 0, 1), ended(Outcome.COMPLETED, 4, 5))
        new = record(2, ended(Outcome.COMPLETED, 2, 3))
        assert records.stable([old, new]) == old


class TestInProgress:
    @given(histories())
    def test_is_the_one_with_an_open_attempt(self, history: list[ReleaseRecord]) -> None:
        opened = [
            r for r in history if any(attempt.outcome is None for attempt in r.status.attempts)
        ]
        assert records.in_progress(history) == (opened[0] if opened else None)

    def test_is_the_newest_of_several_and_the_others_are_stale(self) -> None:
        old, new = record(1, open_since(1)), record(2, open_since(2))
        done = record(3, ended(Outcome.COMPLETED))
        assert records.in_progress([done, new, old]) == new
        assert records.stale([done, new, old], new) == (old,)


class TestSurplus:
    @given(histories(), st.integers(0, 6))
    def test_never_takes_the_stable_record_nor_an_open_one_nor_more_than_it_must(
        self, history: list[ReleaseRecord], limit: int
    ) -> None:
        gone = names(records.surplus(history, limit))
        kept = records.stable(history)
        ended_ones = {r.metadata.name for r in history if r.open_attempt is None and r is not kept}
        assert gone <= ended_ones
        assert len(gone) == max(0, len(ended_ones) - limit)

    @given(histories(), st.integers(0, 6))
    def test_takes_the_oldest_first(self, history: list[ReleaseRecord], limit: int) -> None:
        gone = names(records.surplus(history, limit))
        kept = records.stable(history)
        latest = {
            r.metadata.name: r.status.attempts[-1].started_at if r.status.attempts else LONG_AGO
            for r in history
            if r.open_attempt is None and r is not kept
        }
        left = [moment for name, moment in latest.items() if name not in gone]
        assert all(latest[name] <= moment for name in gone for moment in left)

    @pytest.mark.parametrize("end", [None, HoldEnd.ACCEPTED])
    def test_leaves_a_change_that_waits_for_its_first_release(self, end: HoldEnd | None) -> None:
        hold = Hold(since=NOW, ended_at=NOW if end else None, end=end)
        waiting = replace(record(1), status=ReleaseRecordStatus(hold=hold))
        assert records.surplus([waiting], 0) == ()

    def test_is_a_deletion_of_that_very_object(self) -> None:
        history = [record(1, ended(Outcome.COMPLETED)), record(2, ended(Outcome.ROLLED_BACK))]
        assert records.surplus(history, 0) == (
            Delete(kind=Kind.RELEASE_RECORD, namespace="web", name=name_of(2), uid="uid-2"),
        )


def names(effects: tuple[Effect, ...]) -> set[str]:
    return {effect.name for effect in effects if isinstance(effect, Delete)}


class TestCreate:
    SNAPSHOT = Snapshot(rollout=rollout())

    def create(self, snapshot: Snapshot, of: Obj, **labels: str) -> Create:
        effect = records.create(snapshot, deployment(labels=labels), of)
        assert isinstance(effect, Create)
        return effect

    def test_writes_the_whole_intent(self) -> None:
        oam = {
            "app.oam.dev/name": "store",
            "app.oam.dev/component": "shop",
            "app.oam.dev/appRevision": "store-v7",
            "workload.oam.dev/type": "canary-ready-component-v2",
        }
        effect = records.create(self.SNAPSHOT, deployment(labels=oam), V1)
        fingerprint = template_fingerprint(V1)
        assert effect == Create(
            kind=Kind.RELEASE_RECORD,
            body={
                "apiVersion": "tandem.oam.dev/v1alpha1",
                "kind": "ReleaseRecord",
                "metadata": {
                    "name": f"shop-{records.revision('uid-shop', fingerprint)}",
                    "namespace": "web",
                    "labels": {"tandem.oam.dev/rollout": "shop"},
                    "ownerReferences": [OWNER],
                },
                "spec": {
                    "workload": {
                        "apiVersion": "apps/v1",
                        "kind": "Deployment",
                        "name": "shop",
                        "uid": "uid-shop",
                    },
                    "fingerprint": fingerprint,
                    "template": V1,
                    "businessFingerprint": parts(V1, Containers()).business,
                    "platformFingerprint": parts(V1, Containers()).platform,
                    "images": [
                        {"name": "init", "image": "r/init:3", "init": True},
                        {"name": "shop", "image": "r/shop:1"},
                    ],
                    "application": "store",
                    "component": "shop",
                    "componentDefinition": "canary-ready-component-v2",
                },
            },
        )

    def test_is_owned_by_policy_and_rollout_so_that_it_outlives_each_alone(self) -> None:
        policy = ReleasePolicy(metadata=ObjectMeta(name="shop", namespace="web", uid="uid-policy"))
        effect = self.create(Snapshot(rollout=rollout(), policy=policy), V1)
        assert effect.body["metadata"]["ownerReferences"] == [
            {
                "apiVersion": "tandem.oam.dev/v1alpha1",
                "kind": "ReleasePolicy",
                "name": "shop",
                "uid": "uid-policy",
                "controller": True,
                "blockOwnerDeletion": True,
            },
            {
                **owner_reference(rollout()),
                "controller": False,
                "blockOwnerDeletion": False,
            },
        ]

    def test_repeated_after_a_crash_has_the_same_name_whatever_became_of_the_status(self) -> None:
        first = self.create(self.SNAPSHOT, V1)
        served = {**V1, "metadata": {**V1["metadata"], "creationTimestamp": None}}
        marked = {"labels": {**V1["metadata"]["labels"], "pod-template-hash": "x"}}
        again = self.create(self.SNAPSHOT, served)
        from_replica_set = self.create(self.SNAPSHOT, {**V1, "metadata": marked})
        assert first == again == from_replica_set

    def test_of_another_template_or_workload_has_another_name(self) -> None:
        prints = [template_fingerprint(template(f"r/shop:{n}")) for n in range(3)]
        assert len({records.revision(uid, p) for uid in ("a", "b") for p in prints}) == 6

    def test_a_name_never_changes_with_the_code(self) -> None:
        assert records.revision("uid", "print") == "65029a2573"

    def test_is_found_again_by_its_template(self) -> None:
        effect = self.create(self.SNAPSHOT, template("r/shop:2"))
        found = msgspec.convert(effect.body, ReleaseRecord)
        assert records.by_fingerprint([record(1), found, record(3)], found.spec.fingerprint) == (
            found
        )


class TestAttempts:
    OLD = ended(Outcome.ROLLED_BACK)
    ORIGINALS = Originals(workload={"minReadySeconds": 5}, services={"shop": {"app": "shop"}})

    def written(self, effect: Effect) -> ReleaseRecord:
        """The record after a write that names it and its version."""
        assert isinstance(effect, ReplaceStatus)
        assert (effect.kind, effect.name, effect.resource_version) == (
            Kind.RELEASE_RECORD,
            name_of(1),
            "60",
        )
        return replace(record(1), status=msgspec.convert(effect.status, ReleaseRecordStatus))

    def test_begin_with_the_users_fields_and_keep_the_ones_before(self) -> None:
        attempt = Attempt(started_at=NOW, originals=self.ORIGINALS)
        found = self.written(records.open_attempt(record(1, self.OLD), attempt))
        assert found.status.attempts == (self.OLD, attempt)

    def test_end_the_hold_on_what_they_release(self) -> None:
        held = replace(record(1), status=ReleaseRecordStatus(hold=Hold(since=NOW)))
        found = self.written(records.open_attempt(held, Attempt(started_at=NOW)))
        assert found.status.hold == Hold(since=NOW, ended_at=NOW, end=HoldEnd.RELEASED)

    def test_are_parked_and_unparked(self) -> None:
        parked = self.written(records.amend(record(1, open_since(0)), parked_at=NOW))
        assert parked.open_attempt == replace(open_since(0), parked_at=NOW)
        again = self.written(records.amend(parked, parked_at=None))
        assert again.open_attempt == open_since(0)

    def test_collect_approvals(self) -> None:
        approvals = [Approval(step=1, by="ann", at=NOW), Approval(step=2, by="bob", at=NOW)]
        current = record(1, self.OLD, replace(open_since(2), parked_at=NOW))
        for approval in approvals:
            current = self.written(records.amend(current, approval=approval))
        assert current.status.attempts == (
            self.OLD,
            replace(open_since(2), parked_at=NOW, approvals=tuple(approvals)),
        )

    def test_end_with_an_outcome(self) -> None:
        current = record(1, self.OLD, replace(open_since(2), parked_at=NOW))
        found = self.written(records.close(current, Outcome.COMPLETED, at(5), "done"))
        assert found.status.attempts == (
            self.OLD,
            Attempt(
                started_at=at(2), outcome=Outcome.COMPLETED, completed_at=at(5), message="done"
            ),
        )
        assert (found.open_attempt, found.stable_since) == (None, at(5))

    def test_of_a_baseline_make_it_stable_at_once(self) -> None:
        found = self.written(records.baseline(record(1), NOW, "adopted"))
        assert (found.open_attempt, found.stable_since) == (None, NOW)


def test_records_of_a_workload_that_was_created_anew_do_not_count() -> None:
    mine, old = record(1), record(2, uid="uid-before")
    seen = Snapshot(
        rollout=rollout(), records=(old, mine), workload=workload(deployment(), (V1, 10, 10))
    )
    assert records.of_workload(seen) == (mine,)
    assert records.of_workload(Snapshot(rollout=rollout(), records=(old, mine))) == (old, mine)


def test_a_record_counts_only_under_the_name_of_its_template() -> None:
    true = record(1)
    renamed = replace(true, metadata=replace(true.metadata, name="shop-copy"))
    edited = replace(true, spec=replace(true.spec, template=template("r/shop:9")))
    seen = Snapshot(rollout=rollout(), records=(renamed, edited, true))
    assert records.of_workload(seen) == (true,)
    assert "its name does not end in" in str(records.fault(renamed))
    assert "spec.fingerprint is" in str(records.fault(edited))
