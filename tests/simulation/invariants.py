"""The invariants of DESIGN §4, checked after every single write of anybody.

A write counts against Tandem when Tandem made it, or when a controller carried out what
Tandem had ordered. What the instant of a concurrent edit makes unavoidable is exempt, and
each exemption is named where it is: see `_ordered`, `_by_scaling` and `_loose`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from tandem_controller import keys
from tandem_controller.api.fingerprint import POD_TEMPLATE_HASH
from tandem_controller.api.policy import Containers, OnDelete, ReleasePolicy
from tandem_controller.api.record import HoldEnd, ReleaseRecord
from tandem_controller.api.rollout import Rollout, RolloutStatus, StepState
from tandem_controller.decide import plan as plans
from tandem_controller.decide.classify import parts
from tandem_controller.decide.history import records
from tandem_controller.decide.hold.withheld import Withheld, withheld
from tandem_controller.effect import Kind
from tandem_controller.workloads.batch import bounds
from tests.simulation import facts
from tests.simulation.facts import CANARY, WEB
from tests.simulation.permits import Permits, Release
from tests.simulation.rules import Obj
from tests.simulation.serving import Serving
from tests.simulation.store import Key, Store, controller_uid

UNLIMITED = 10**6


@dataclass(kw_only=True)
class Guard:
    """Remembers what was permitted, and judges each write against it."""

    store: Store
    knobs: tuple[int | str, int | str]
    """The user's maxSurge and maxUnavailable."""
    min_ready_seconds: int = 0
    policy: OnDelete | None = None
    actor: str = "user"
    scaling: bool = False
    """The Deployment controller is scaling in proportion because a user changed replicas."""
    log: list[str] = field(default_factory=list)
    stable: str = ""
    withheld: Withheld = field(default_factory=Withheld)
    _stated: set[str] = field(default_factory=set)
    """Fingerprints of the templates that users stated."""
    _retried: bool = False
    """Somebody asked for a rejected version to be released again."""
    _stopped: str = ""
    """Fingerprint of the rejected release when Tandem last wrote the workload."""
    restorations: int = 0
    """How often Tandem has stated another template than the workload did."""
    _ordered: int = 0
    """New pods allowed when Tandem last wrote a workload: the Deployment controller may still
    be carrying that out when a plan edit or a scaling allows fewer."""
    _ordered_for: int = 0
    """The replicas at that moment: the knobs are absolute, and a user who scales down while a
    move is under way lets the Deployment controller take more than Tandem had reckoned."""
    _by_scaling: set[str] = field(default_factory=set)
    """ReplicaSets that the Deployment controller shrank because a user scaled down."""
    _evicted: bool = False
    """A user deleted a pod after Tandem's last order, which may be carried out all the same."""
    _loose: bool = False
    """A user's template rolls by itself, because no live Rollout held it when it was written."""
    _unheld: bool = False
    """A user's template began to roll by itself in mid-release: whom it serves is his doing."""
    _selector_reset: bool = False
    """A user took our key out of the stable Service, and Tandem has not looked since."""

    def __post_init__(self) -> None:
        self.permits = Permits(store=self.store)
        self.serving = Serving(store=self.store)

    @property
    def release(self) -> Release | None:
        """The open attempt."""
        return self.permits.release

    @property
    def by_tandem(self) -> bool:
        """Whether the present write is Tandem's own."""
        return self.actor == "tandem"

    def written(self, key: Key, old: Obj | None, new: Obj | None) -> None:
        """Judge one write; None stands for an object that is not there."""
        self.log.append(f"{self.actor}: {key.kind} {key.name}")
        if key.kind in (Kind.RELEASE_RECORD, Kind.RELEASE_POLICY):
            self._read_records()
        elif key.kind is Kind.ROLLOUT and key.name == WEB and new is not None:
            self._retried |= keys.RETRY in new["metadata"].get("annotations", {})
            self._judge_status(old or {}, new)
            if not self.by_tandem:
                self.permits.note_annotation(old or {}, new)
        elif key.kind is Kind.REPLICA_SET:
            self._judge_size(old, new)
        elif key.kind is Kind.DEPLOYMENT:
            self._judge_order(key, old, new)
            self._judge_health(key, new)
        elif key.kind is Kind.POD:
            self._evicted |= self.actor == "user"
        elif key.kind is Kind.SERVICE and key.name == WEB:
            self._selector_reset = not self.by_tandem
        self.serving.judge_endpoints(lambda: self._to_blame(key))
        routed = self.by_tandem and key.kind in (Kind.HTTP_ROUTE, Kind.INGRESS)
        self.serving.judge_traffic(self._step_now if routed else None, replicas=self._replicas())

    # Approvals and steps.

    def _read_records(self) -> None:
        found = [msgspec.convert(o, ReleaseRecord) for o in self.store.all_of(Kind.RELEASE_RECORD)]
        known = records.stable(found)
        self.stable = known.spec.fingerprint if known else ""
        for each in found:
            self._judge_acceptance(each)
        record = records.in_progress(found)
        self.withheld = withheld(found, known, self._containers()) if known else Withheld()
        self.permits.release = (
            Release(
                record.metadata.name,
                len(record.status.attempts),
                record.spec.fingerprint,
                record.open_attempt.started_at,
                record.open_attempt.parked_at is not None,
                record.open_attempt.rejection is not None,
            )
            if record and record.open_attempt
            else None
        )

    def _judge_acceptance(self, record: ReleaseRecord) -> None:
        """What was accepted is released once, unless somebody states it, too, or asks again."""
        hold = record.status.hold
        if hold is None or hold.end is not HoldEnd.ACCEPTED or hold.ended_at is None:
            return
        begun = [a for a in record.status.attempts if a.started_at > hold.ended_at]
        called_off = sum("called off" in a.message for a in begun)
        again = self._retried or record.spec.fingerprint in self._stated
        assert again or len(begun) - called_off <= 1, f"{record.metadata.name} released twice"

    def _containers(self) -> Containers:
        found = self.store.find(Kind.RELEASE_POLICY, WEB)
        return msgspec.convert(found, ReleasePolicy).spec.containers if found else Containers()

    def _judge_status(self, before: Obj, after: Obj) -> None:
        old = msgspec.convert(before.get("status", {}), RolloutStatus).canary_status
        rollout = msgspec.convert(after, Rollout)
        new = rollout.status.canary_status
        if new is None or new == old:
            return
        if not self.by_tandem:
            self.permits.note_users_status(before, rollout)
            return
        if new.current_step_state == StepState.READY and old is not None:
            self.permits.judge_approval(old, new)
        canary = rollout.spec.strategy.canary
        if canary is None or rollout.status.phase != "Progressing" or old is None:
            return
        plan = plans.resolve(canary, self._replicas())
        index = old.current_step_index
        # Other steps void an approval that was given for one of the steps before.
        same = (old.canary_revision, old.current_step_index, old.rollout_hash) == (
            new.canary_revision,
            new.current_step_index,
            new.rollout_hash,
        )
        if old.rollout_hash != new.rollout_hash and old.canary_revision == new.canary_revision:
            self.permits.permit(
                plans.step_after_change(plan, index, facts.new_pods(self.store, self.stable))
            )
        if 1 <= index <= len(plan):
            self.permits.note_passing(plan[index - 1], old.current_step_state, old.last_update_time)
        approved = old.current_step_state == StepState.READY and not _toggled_unseen(before)
        if same and approved and self._going_on(rollout):
            assert new.current_step_state in (StepState.READY, StepState.COMPLETED), (
                f"the approval of step {index} was overwritten with {new.current_step_state}"
            )
        if new.current_step_index > max(self.permits.may_enter, 1):
            raise AssertionError(
                f"step {new.current_step_index} entered from {index} ({old.current_step_state}), "
                f"permitted is {self.permits.may_enter}"
            )

    def _going_on(self, rollout: Rollout) -> bool:
        """Whether the live template is the release's: nobody took the release back."""
        if rollout.spec.disabled or keys.ROLLBACK in rollout.metadata.annotations:
            return False
        if self.release is not None and self.release.rejected:
            return False
        web = self.store.find(Kind.DEPLOYMENT, WEB)
        if self.release is None or self.release.rejected:
            return False
        return bool(web and facts.fingerprint(web) == self.release.fingerprint)

    # Exposure.

    def allowed(self) -> int:
        """Return how many pods of other versions than the stable one may be asked for."""
        found = self.store.find(Kind.ROLLOUT, WEB)
        if found is None or not self.stable or self._loose:
            return UNLIMITED
        rollout = msgspec.convert(found, Rollout)
        completes = self.release is None or self.policy in (None, OnDelete.COMPLETE)
        if rollout.spec.disabled or (rollout.metadata.deleting and completes):
            return UNLIMITED
        web = self.store.find(Kind.DEPLOYMENT, WEB)
        if self.release is None and web and facts.fingerprint(web) == self.stable:
            return UNLIMITED
        step = self._step(rollout)
        if step is None:
            return 0
        if step.finishing or self._state(rollout) == StepState.COMPLETED:
            return UNLIMITED
        return step.replicas

    def _state(self, rollout: Rollout) -> str:
        status = rollout.status.canary_status
        return status.current_step_state if status else ""

    def _step(self, rollout: Rollout) -> plans.PlannedStep | None:
        """Return the step entered by the open attempt."""
        status, canary = rollout.status.canary_status, rollout.spec.strategy.canary
        web = self.store.find(Kind.DEPLOYMENT, WEB)
        if status is None or canary is None or self.release is None or web is None:
            return None
        revision = records.revision(web["metadata"]["uid"], self.release.fingerprint)
        entered = (
            status.canary_revision == revision
            and status.last_update_time is not None
            and status.last_update_time > self.release.started_at
        )
        if not entered:
            return None
        plan = plans.resolve(canary, self._replicas())
        index = min(status.current_step_index, self.permits.may_enter, len(plan))
        return plan[index - 1] if index >= 1 else None

    def _step_now(self) -> plans.PlannedStep | None:
        return self._step(msgspec.convert(self.store.get(Kind.ROLLOUT, WEB), Rollout))

    def _replicas(self) -> int:
        web = self.store.find(Kind.DEPLOYMENT, WEB)
        return int(web["spec"]["replicas"]) if web else 0

    def _judge_size(self, old: Obj | None, new: Obj | None) -> None:
        if new is None or not self.stable:
            return
        before = old["spec"]["replicas"] if old else 0
        after = new["spec"]["replicas"]
        uid = new["metadata"]["uid"]
        if after < before:
            if self.scaling or self._ordered_for != self._replicas():
                self._by_scaling.add(uid)
            else:
                self._by_scaling.discard(uid)
            if self.by_tandem:
                self._judge_floor("the ReplicaSet's new size", {})
        if after <= before or self.scaling:
            return
        self._judge_withheld(new)
        owner = self.store.find(Kind.DEPLOYMENT, WEB)
        owned = owner is not None and controller_uid(new) == owner["metadata"]["uid"]
        if owned and facts.fingerprint(new) == self.stable:
            return
        count = facts.new_pods(self.store, self.stable)
        limit = self.allowed() if self.by_tandem else max(self.allowed(), self._ordered)
        assert count <= limit, f"{count} new pods asked for, {limit} are allowed"

    def _judge_withheld(self, replica_set: Obj) -> None:
        """No pod is created of a version that is rejected or held.

        A release that was just rejected is exempt until Tandem has written the workload: the
        Deployment controller may be carrying out the last move, and is stopped with that.
        """
        if not self._withholds():
            return
        found = facts.fingerprint(replica_set)
        going = self.release is not None and found == self.release.fingerprint
        if found == self.stable or self._loose or (going and found != self._stopped):
            return
        pods = parts(replica_set["spec"]["template"], self._containers())
        refused = self.withheld.match(pods, "")
        assert refused is None, f"pods of {refused.metadata.name} are created, which is withheld"

    def _withholds(self) -> bool:
        """Whether there is a Rollout that withholds at all: deleted it ends what it has begun."""
        found = self.store.find(Kind.ROLLOUT, WEB)
        if found is None or found["spec"].get("disabled"):
            return False
        return "deletionTimestamp" not in found["metadata"] or self.release is not None

    def _judge_pinned(self) -> None:
        """Before a first new pod exists, the stable Service must not select it."""
        service = self.store.find(Kind.SERVICE, WEB)
        rollout = msgspec.convert(
            self.store.find(Kind.ROLLOUT, WEB) or {"metadata": {"name": ""}}, Rollout
        )
        step = self._step(rollout)
        if service is None or step is None or step.split is None or step.everything:
            return
        if self._selector_reset or self.allowed() == UNLIMITED:
            return
        assert POD_TEMPLATE_HASH in service["spec"]["selector"], (
            "new pods are created while the stable Service selects all pods"
        )

    def _judge_order(self, key: Key, old: Obj | None, new: Obj | None) -> None:
        if self.actor == "user" and new is not None and key.name == WEB:
            self._stated.add(facts.fingerprint(new))
            changed = old is not None and facts.fingerprint(old) != facts.fingerprint(new)
            resumed = bool(old and old["spec"].get("paused") and not new["spec"].get("paused"))
            if changed or resumed:
                self._loose = not new["spec"].get("paused")
                self._unheld |= self._loose
            return
        if not self.by_tandem:
            return
        if old is not None and new is not None and key.name == WEB:
            self.restorations += facts.fingerprint(old) != facts.fingerprint(new)
        self._loose = self._evicted = False
        self._ordered = self.allowed()
        self._ordered_for = self._replicas()
        rejected = self.release is not None and self.release.rejected
        self._stopped = self.release.fingerprint if self.release and rejected else ""
        moving = new is not None and new["spec"].get("minReadySeconds", 0) > 10**6
        begins = moving or (key.name == CANARY and old is None)
        if begins and facts.new_pods(self.store, self.stable) == 0:
            self._judge_pinned()
        if new is None or key.name != WEB:
            return
        self._judge_tandems_fields(new)
        if new["spec"].get("minReadySeconds", 0) > 10**6:
            assert facts.fingerprint(new) != self.stable, (
                "knobs on while the stable template is live"
            )
            unavailable = new["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"]
            keep = new["spec"]["replicas"] - unavailable
            self._judge_floor("the move", {self.stable: keep})

    def _judge_tandems_fields(self, new: Obj) -> None:
        """What Tandem marks is paused or moving: nothing else is held by the mark.

        And what it writes in a release is marked until the end, or health policies would take
        a workload that happens to look complete for one whose release has ended.
        """
        annotations = new["metadata"].get("annotations", {})
        mark = annotations.get(keys.IN_PROGRESSING)
        moving = new["spec"].get("minReadySeconds", 0) > 10**6
        assert not moving or mark, "moving without the mark of take-over"
        told = mark or keys.UNFINISHED in annotations
        gone = self.store.find(Kind.ROLLOUT, WEB) is None
        assert told or gone or self.release is None, "in a release, and nothing tells"

    def _judge_health(self, key: Key, new: Obj | None) -> None:
        """A component that looks healthy to our definition has no release in progress."""
        if new is None or key.name != WEB or not looks_healthy(new):
            return
        gone = self.store.find(Kind.ROLLOUT, WEB) is None
        assert gone or self.release is None, "in a release, and it looks healthy"

    # Serving.

    def _judge_floor(self, what: str, keep: dict[str, int]) -> None:
        """Ready pods must not fall below what the user's maxUnavailable allows.

        `keep` is how many pods of a template the order leaves.
        """
        replicas = self._replicas()
        floor = replicas - bounds(*self.knobs, replicas).max_unavailable
        before = after = 0
        sets = facts.replica_sets(self.store, WEB) + facts.replica_sets(self.store, CANARY)
        for rs in sets:
            pods = [
                p for p in self.store.all_of(Kind.POD) if controller_uid(p) == rs["metadata"]["uid"]
            ]
            ready = sum(facts.is_available(p, self.store.now, self.min_ready_seconds) for p in pods)
            before += ready
            after += min(ready, rs["spec"]["replicas"], keep.get(facts.fingerprint(rs), ready))
        assert after >= min(floor, before), (
            f"{what} leaves {after} of {before} available pods, {floor} must stay"
        )

    def _to_blame(self, key: Key) -> bool:
        replicas = self._replicas()
        allowed_missing = bounds(*self.knobs, replicas).max_unavailable
        self._unheld &= self.release is not None
        if (
            self._unheld
            or replicas <= allowed_missing
            or self.store.find(Kind.ROLLOUT, WEB) is None
        ):
            return False
        if self.actor == "replica-set":
            pod = self.store.find(key.kind, key.name)
            mine = pod is None or controller_uid(pod) not in self._by_scaling
            return mine and not self._evicted
        return self.by_tandem or self.actor == "garbage"


def looks_healthy(deployment: Obj) -> bool:
    """The health policy of our components (`component-health.cue`)."""
    status, spec = deployment.get("status", {}), deployment["spec"]
    annotations = deployment["metadata"].get("annotations", {})
    marks = {keys.REJECTED, keys.IN_PROGRESSING, keys.UNFINISHED} & annotations.keys()
    counts = (status.get(f, 0) for f in ("replicas", "updatedReplicas", "availableReplicas"))
    seen = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    settled = all(count == spec["replicas"] for count in counts)
    return seen and settled and not spec.get("paused") and not marks


def _toggled_unseen(before: Obj) -> bool:
    """Whether the spec was changed, and not only paused, since Tandem wrote the status."""
    paused = before["spec"]["strategy"].get("paused")
    seen = before.get("status", {}).get("observedGeneration")
    return not paused and seen != before["metadata"]["generation"]
