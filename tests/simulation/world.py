"""A cluster, its users and Tandem, watched at every write; schedules are played on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import msgspec

from tandem_controller import keys
from tandem_controller.api.policy import HoldRelease, OnDelete, RollbackScope
from tandem_controller.api.record import ReleaseRecord
from tandem_controller.api.rollout import Rollout
from tandem_controller.decide.hold.withheld import accepted
from tandem_controller.decide.position import ROLLBACK_PREFIX
from tandem_controller.effect import Kind
from tests.simulation import actions as do
from tests.simulation import facts
from tests.simulation.actions import PLANS, TEMPLATES, Action, Setting
from tests.simulation.admission import ProductAdmission
from tests.simulation.deployment_scaling import is_scaling_event
from tests.simulation.deployment_state import DeploymentState
from tests.simulation.facts import CANARY, WEB
from tests.simulation.invariants import Guard
from tests.simulation.kubelet import Readiness
from tests.simulation.model import Controller, Model
from tests.simulation.objects import deployment, http_route, release_approval, rollout, service
from tests.simulation.replica_sets import is_ready
from tests.simulation.rules import Obj, default_template
from tests.simulation.store import Key, Store
from tests.simulation.tandem import Tandem

_SERVER_OWNED = ("uid", "resourceVersion", "generation", "creationTimestamp")
PATIENCE = 150


class WatchedStore(Store):
    """Tells somebody of every write."""

    def __init__(self) -> None:
        self.product = ProductAdmission(self)
        super().__init__(self.product)
        self.watch: Callable[[Key, Obj | None, Obj | None], None] | None = None

    def _store(self, key: Key, obj: Obj) -> Obj:
        old = self._objects.get(key)
        new = super()._store(key, obj)
        if self.watch is not None:
            self.watch(key, old, new)
        return new

    def remove(self, key: Key) -> None:
        """Take an object away at once."""
        old = self._objects.get(key)
        super().remove(key)
        if self.watch is not None:
            self.watch(key, old, None)


class WatchedModel(Model):
    """Says who is about to write, and whether it is by a user's scaling."""

    def __init__(self, guard: Guard, store: WatchedStore) -> None:
        super().__init__()
        self.store = store
        self.guard = guard

    def step(
        self, controller: Controller, name: str | None = None, *, most_writes: int | None = None
    ) -> bool:
        """Let a controller look once."""
        self.guard.actor = controller.value
        if controller is not Controller.DEPLOYMENT:
            return super().step(controller, name, most_writes=most_writes)
        wrote = False
        for stored in self.store.all_of(Kind.DEPLOYMENT):
            d = DeploymentState.of(stored, self.store.controlled_by(Kind.REPLICA_SET, stored))
            self.guard.scaling = bool(d.spec.get("paused")) or is_scaling_event(d) or not d.active
            if name in (None, stored["metadata"]["name"]):
                found = stored["metadata"]["name"]
                wrote |= super().step(controller, found, most_writes=most_writes)
        self.guard.scaling = False
        return wrote

    def execute_one(self, effect: Any) -> None:  # noqa: ANN401 - as the base class's union
        """Carry out one effect of Tandem."""
        self.guard.actor = "tandem"
        super().execute_one(effect)


class World:
    """One Deployment with its Service, route and Rollout, and what its user wants."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        store = self.watched = WatchedStore()
        self.guard = Guard(
            store=store,
            knobs=setting.knobs,
            min_ready_seconds=setting.min_ready_seconds,
            policy=setting.policy,
        )
        self.model = WatchedModel(self.guard, store)
        self.tandem = Tandem(self.model)
        self._create_objects()
        self.model.settle()
        self.plan = setting.plan
        self.wanted: Obj = store.get(Kind.DEPLOYMENT, WEB)
        """The user's Deployment as last stated."""
        self.manifest = 1
        """The template that the user's manifest states, whatever became of it."""
        self.asked_back = False
        """Tandem was told to state another template than the user's last."""
        self.crashes = True
        self.before = self._users_objects()
        store.watch = self.guard.written
        self._as_user()
        self._create_rollout()
        self.tandem.settle()

    def _create_objects(self) -> None:
        image, init = TEMPLATES[1]
        body = deployment(
            image=image,
            init_image=init,
            replicas=self.setting.replicas,
            max_surge=self.setting.knobs[0],
            max_unavailable=self.setting.knobs[1],
            minReadySeconds=self.setting.min_ready_seconds,
        )
        if self.setting.application:
            body["metadata"]["labels"][keys.OAM_COMPONENT] = WEB
        self.model.create(Kind.DEPLOYMENT, body)
        self.model.create(Kind.SERVICE, service())
        if self.setting.routing == "route":
            self.model.create(Kind.HTTP_ROUTE, _route())
        if self.setting.routing == "ingress":
            self.model.create(Kind.INGRESS, _ingress())
        if self.setting.policy is not None:
            self.model.create(Kind.RELEASE_POLICY, _policy(self.setting))

    def _create_rollout(self) -> None:
        routing: Obj = {"service": WEB, "gracePeriodSeconds": 3}
        if self.setting.routing == "route":
            routing["gateway"] = {"httpRouteName": WEB}
        if self.setting.routing == "ingress":
            routing["ingress"] = {"name": WEB}
        body = rollout(
            steps=self._steps(self.plan),
            routing=routing if self.setting.routing else None,
            extra_workload=self.setting.extra,
        )
        if self.setting.application:
            body["metadata"]["labels"] = {keys.OAM_NAME: "app"}
        self.model.create(Kind.ROLLOUT, body)

    def _steps(self, plan: int) -> list[Obj]:
        if self.setting.routing:
            return PLANS[plan]
        return [
            {k: v for k, v in s.items() if k not in ("traffic", "matches")} for s in PLANS[plan]
        ]

    def _users_objects(self) -> dict[str, Obj]:
        found = {
            "Service": self.store.find(Kind.SERVICE, WEB),
            "HTTPRoute": self.store.find(Kind.HTTP_ROUTE, WEB),
            "Ingress": self.store.find(Kind.INGRESS, WEB),
        }
        return {kind: plain(obj) for kind, obj in found.items() if obj is not None}

    @property
    def store(self) -> Store:
        """The API server."""
        return self.model.store

    @property
    def rollout(self) -> Obj | None:
        """The Rollout as stored."""
        return self.store.find(Kind.ROLLOUT, WEB)

    @property
    def status(self) -> Obj:
        """Its status; empty when it is gone."""
        status: Obj = (self.rollout or {}).get("status", {})
        return status

    # Schedules.

    def play(self, schedule: Iterable[Action]) -> None:
        """Let a schedule happen, and say which of it was to blame."""
        for number, action in enumerate(schedule):
            try:
                self.happen(action)
            except AssertionError as error:
                tail = "\n  ".join(self.guard.log[-25:])
                raise AssertionError(f"{error}\nat {number}: {action}\n  {tail}") from error

    def happen(self, action: Action) -> None:  # noqa: C901, PLR0912, PLR0915 - one table
        """Let one action happen."""
        self.guard.log.append(str(action))
        self._as_user()
        match action:
            case do.Step(controller, most_writes):
                self.model.step(controller, most_writes=most_writes)
            case do.Look(crash_after):
                self.tandem.look(crash_after=crash_after if self.crashes else None)
            case do.Quiesce():
                self.quiesce()
            case do.Wait(seconds):
                self.model.advance(seconds)
            case do.Apply(template):
                self._apply(template)
            case do.Label(value):
                self._edit({"metadata": {"labels": {"team": value}}})
            case do.Scale(replicas):
                self._edit({"spec": {"replicas": replicas}})
            case do.Break(pod):
                self._with_pod(pod, self.model.break_pod)
            case do.Mend():
                self.model.kubelet.broken.clear()
            case do.Evict(pod):
                self._with_pod(pod, self.model.kill_pod)
            case do.Fate(image, readiness):
                self.model.set_readiness(image, readiness)
            case do.Approve():
                self.approve()
            case do.ApproveByAnnotation():
                self.approve_by_annotation()
            case do.ApproveBy(ahead, stale):
                self.approve_by(ahead, stale=stale)
            case do.Suspend(paused):
                self._edit_rollout({"spec": {"strategy": {"paused": paused}}})
            case do.EditPlan(plan):
                self.plan = plan
                self._edit_rollout({"spec": {"strategy": {"canary": {"steps": self._steps(plan)}}}})
            case do.AskBack():
                self._ask_back()
            case do.GoBack():
                self._go_back()
            case do.Accept():
                self._wish(keys.ACCEPT)
            case do.Retry():
                self._wish(keys.RETRY)
            case do.Disable(disabled):
                self._edit_rollout({"spec": {"disabled": disabled}})
            case do.DeleteRollout():
                if self.rollout is not None:
                    open_release = self.guard.release is not None
                    self.asked_back |= self._withheld()  # until its owner states it again
                    self.asked_back |= open_release and self.setting.policy is OnDelete.ROLLBACK
                    unseen = self._wish_pending() and not open_release
                    self.model.delete(Kind.ROLLOUT, WEB)
                    if unseen and self.store.find(Kind.ROLLOUT, WEB) is None:
                        self.asked_back = False  # the wish went with it before anybody looked
            case do.ResetRoute():
                if self.setting.routing == "route":
                    self.model.edit(Kind.HTTP_ROUTE, WEB, {"spec": _route()["spec"]})
            case do.ResetService():
                selector = {"pod-template-hash": None}
                self.model.edit(Kind.SERVICE, WEB, {"spec": {"selector": selector}})
            case do.ReapplyKnobs():
                spec = {k: self.wanted["spec"].get(k) for k in ("strategy", "minReadySeconds")}
                self._edit({"spec": {**spec, "progressDeadlineSeconds": 600}})
            case do.Reapply():
                self.reapply()
            case do.Webhook(away):
                self.webhook(away=away)
            case do.EditPolicy(scope, hold, business):
                self._edit_policy(scope, hold, business)
            case do.Name(value):
                self._edit({"metadata": {"labels": {keys.ROLLOUT_ID: value}}})

    def _as_user(self) -> None:
        self.guard.actor = "user"

    def webhook(self, *, away: bool) -> None:
        """Take the webhook away or bring it back."""
        self.watched.product.away = away

    def reapply(self) -> None:
        """State the whole manifest again: template, knobs and paused: false."""
        self._as_user()
        spec = {k: self.wanted["spec"].get(k) for k in ("strategy", "minReadySeconds")}
        self._state(self.manifest, {**spec, "progressDeadlineSeconds": 600, "paused": False})

    def _apply(self, number: int) -> None:
        self.manifest = number
        self._state(number, {})

    def _state(self, number: int, knobs: Obj) -> None:
        image, init = TEMPLATES[number]
        spec = {
            "containers": [{"name": "app", "image": image}],
            "initContainers": [{"name": "init", "image": init}],
        }
        before = facts.fingerprint(self.store.get(Kind.DEPLOYMENT, WEB))
        self._edit({"spec": {**knobs, "template": {"spec": spec}}})
        stated = self.store.get(Kind.DEPLOYMENT, WEB)
        if facts.fingerprint(stated) != before:
            # While parked, the stable template cannot be told apart from no change.
            self.asked_back &= self._wish_pending()
            self.asked_back |= self._rolls_back(facts.fingerprint(stated))
            template = stated["spec"]["template"]
            self.wanted = {**self.wanted, "spec": {**self.wanted["spec"], "template": template}}

    def _rolls_back(self, stated: str) -> bool:
        """Whether this version is being rolled back: that ends, in a disabled Rollout, too."""
        release = self.guard.release
        return release is not None and release.rejected and release.fingerprint == stated

    def _wish_pending(self) -> bool:
        """Whether a rollback is still due that a newer template does not call off.

        Tandem cannot tell which came first, and a deletion under policy Rollback takes
        everything back.
        """
        found = self.rollout
        if found is None:
            return False
        deleting = "deletionTimestamp" in found["metadata"]
        pending = bool(set(keys.WISHES) & found["metadata"].get("annotations", {}).keys())
        return pending or (deleting and self.setting.policy is OnDelete.ROLLBACK)

    def _edit(self, patch: Obj) -> None:
        self.model.edit(Kind.DEPLOYMENT, WEB, patch)
        spec = self.wanted["spec"]
        stated = self.store.get(Kind.DEPLOYMENT, WEB)
        self.wanted = {
            **self.wanted,
            "metadata": {**self.wanted["metadata"], "labels": stated["metadata"]["labels"]},
            "spec": {**spec, "replicas": stated["spec"]["replicas"]},
        }

    def _with_pod(self, number: int, what: Callable[[str], None]) -> None:
        pods = [p for p in self.store.all_of(Kind.POD) if facts.running(p)]
        if pods:
            what(pods[number % len(pods)]["metadata"]["name"])

    def approve(self) -> bool:
        """Approve the step, if it waits for that."""
        if self.status.get("canaryStatus", {}).get("currentStepState") != "StepPaused":
            return False
        self._as_user()
        ready = {"canaryStatus": {"currentStepState": "StepReady"}}
        self.model.edit_status(Kind.ROLLOUT, WEB, ready)
        return True

    def approve_by_annotation(self) -> None:
        """Name the present step in the annotation that approves it."""
        canary = self.status.get("canaryStatus", {})
        named = f"{canary.get('canaryRevision', '')}/{canary.get('currentStepIndex', 0)}"
        self._as_user()
        self._edit_rollout({"metadata": {"annotations": {keys.APPROVE: named}}})

    def approve_by(self, ahead: int = 0, *, stale: bool = False) -> str:
        """Approve by a ReleaseApproval; return its name."""
        self._as_user()
        canary = self.status.get("canaryStatus", {})
        count = len(self.store.all_of(Kind.RELEASE_APPROVAL))
        revision = "0123456789" if stale else canary.get("canaryRevision", "none")
        step = max(1, canary.get("currentStepIndex", 0) + ahead)
        body = release_approval(f"approval-{count}", revision, step)
        self.model.create(Kind.RELEASE_APPROVAL, body)
        return f"approval-{count}"

    def _edit_policy(
        self, scope: RollbackScope, hold: HoldRelease, business: tuple[str, ...]
    ) -> None:
        self.setting = replace(self.setting, scope=scope, hold=hold)
        body = _policy(self.setting, business)
        if self.store.find(Kind.RELEASE_POLICY, WEB) is None:
            self.model.create(Kind.RELEASE_POLICY, body)
        else:
            self.model.edit(Kind.RELEASE_POLICY, WEB, {"spec": body["spec"]})

    def _edit_rollout(self, patch: Obj) -> None:
        if self.rollout is not None:
            self.model.edit(Kind.ROLLOUT, WEB, patch)

    def _ask_back(self) -> None:
        if self.rollout is not None and self.guard.release is not None:
            self._go_back()

    def _go_back(self) -> None:
        if self.rollout is None:
            return
        disabled = self.rollout["spec"].get("disabled")
        self.asked_back |= self.guard.release is not None or not disabled
        self._edit_rollout({"metadata": {"annotations": {keys.ROLLBACK: ""}}})

    def _wish(self, annotation: str) -> None:
        """Ask for something by annotation; what is stated then is what people asked for."""
        self.asked_back |= self._withheld()
        self._edit_rollout({"metadata": {"annotations": {annotation: ""}}})

    # Coming to rest.

    def quiesce(self) -> None:
        """Everybody works until nothing changes; then what holds at rest is checked."""
        self.tandem.settle()
        self._check_quiet()

    def _check_quiet(self) -> None:
        """Nothing is due, exposure is exact, and whoever waits says for what."""
        found = self.model.find(Kind.ROLLOUT, WEB, Rollout)
        if found is None:
            return
        decision = self.tandem.decide(found)
        assert not decision.effects, f"still due: {decision.effects}"
        web = self.store.get(Kind.DEPLOYMENT, WEB)
        release = self.guard.release
        parked = release is not None and release.parked
        canary = self.status.get("canaryStatus", {})
        called = canary.get("observedRolloutID", "")
        # A step of fewer pods than the one before waits for stable ones to be available first.
        growing = canary.get("currentStepState") == "StepUpgrade" and not self._all_available()
        rolling_back = called.startswith(ROLLBACK_PREFIX)
        suspended = found.spec.strategy.paused  # Tandem moves nothing then, corrections included
        returning = (
            parked
            or rolling_back
            or suspended
            or growing
            or facts.fingerprint(web) == self.guard.stable
        )
        count = 0 if returning else facts.new_pods(self.store, self.guard.stable)
        assert count <= self.guard.allowed(), (
            f"at rest {count} new pods, {self.guard.allowed()} are allowed"
        )
        assert self.status.get("message"), "nobody knows what it waits for"

    def _all_available(self) -> bool:
        seconds = self.setting.min_ready_seconds
        pods = [p for p in self.store.all_of(Kind.POD) if facts.running(p)]
        return all(facts.is_available(p, self.store.now, seconds) for p in pods)

    def calm_down(self) -> None:
        """The faults stop and every approval is given; the release must come to its end."""
        self.guard.log.append("calm down")
        self._as_user()
        self.model.kubelet.broken.clear()
        for image in self.model.kubelet.readiness:
            self.model.set_readiness(image, Readiness.INSTANT)
        self._edit_rollout({"spec": {"strategy": {"paused": False}}})
        try:
            self.quiesce()
            if self.wanted["spec"]["replicas"] == 0:
                self._as_user()
                self._edit({"spec": {"replicas": 3}})
            self.run_to_the_end()
            if self.rollout is None and self._frozen():
                self._as_user()
                self._create_rollout()
                self.run_to_the_end()
            self.tandem.settle(60)
            self.check_end()
        except AssertionError as error:
            tail = "\n  ".join(self.guard.log[-40:])
            raise AssertionError(f"{error}\nwhile calming down\n  {tail}") from error

    def _frozen(self) -> bool:
        return keys.IN_PROGRESSING in self.store.get(Kind.DEPLOYMENT, WEB)["metadata"].get(
            "annotations", {}
        )

    def run_to_the_end(self) -> None:
        """Give every approval until the Rollout rests."""
        for _ in range(PATIENCE):
            self.quiesce()
            if self.ended:
                return
            if not self.approve():
                self.model.advance(2)
        raise AssertionError(f"it never ends: {self.status}")

    @property
    def ended(self) -> bool:
        """Whether the Rollout rests: healthy, disabled or gone."""
        return self.rollout is None or self.status.get("phase") in ("Healthy", "Disabled")

    def resting_state(self) -> Obj:
        """Return what must not depend on crashes: all but times, versions and names of pods."""
        canary = self.status.get("canaryStatus", {})
        sizes = {
            facts.fingerprint(rs): rs["spec"]["replicas"]
            for name in (WEB, CANARY)
            for rs in facts.replica_sets(self.store, name)
            if rs["spec"]["replicas"]
        }
        return {
            "users": self._users_objects(),
            "workload": plain(self.store.get(Kind.DEPLOYMENT, WEB)),
            "sizes": sizes,
            "shares": facts.shares(self.store),
            "phase": self.status.get("phase"),
            "message": self.status.get("message"),
            "step": (canary.get("currentStepIndex"), canary.get("currentStepState")),
        }

    def check_end(self) -> None:
        """Everything is as the user stated it, and nothing is left of the release."""
        web = self.store.get(Kind.DEPLOYMENT, WEB)
        wanted = self.wanted
        disabled = self.rollout is not None and self.rollout["spec"].get("disabled")
        if self.asked_back or (self._withheld() and not disabled):
            wanted = {**wanted, "spec": {**wanted["spec"], "template": web["spec"]["template"]}}
            assert self._proven(web), "brought back to a template that never was stable"
        assert plain(web) == plain(wanted)
        assert self._users_objects() == self.before
        for kind in (Kind.SERVICE, Kind.INGRESS, Kind.DEPLOYMENT):
            assert self.store.find(kind, CANARY) is None, f"{kind} {CANARY} is left"
        if self.rollout is not None:
            assert not self.rollout["metadata"].get("finalizers"), "the finalizer is left"
            assert not set(keys.WISHES) & self.rollout["metadata"].get("annotations", {}).keys()
            assert disabled or not self._pending(), "an accepted change was not released"
        running = [
            rs["spec"]["replicas"] * (facts.fingerprint(rs) == facts.fingerprint(web))
            for rs in facts.replica_sets(self.store, WEB)
            if rs["spec"]["replicas"]
        ]
        assert running == [web["spec"]["replicas"]], f"pods at the end: {running}"
        pods = [p for p in self.store.all_of(Kind.POD) if facts.running(p)]
        assert all(is_ready(p) for p in pods)
        assert len(pods) == web["spec"]["replicas"]

    def _pending(self) -> bool:
        """Whether a change was accepted whose release has not begun."""
        found = self.store.all_of(Kind.RELEASE_RECORD)
        return accepted(msgspec.convert(o, ReleaseRecord) for o in found) is not None

    def _withheld(self) -> bool:
        """Whether the user was told that the last template is held or rejected."""
        conditions = self.status.get("conditions", ())
        return any(c["type"] in ("Held", "Rejected") for c in conditions)

    def _proven(self, web: Obj) -> bool:
        return not self.guard.stable or facts.fingerprint(web) == self.guard.stable


def plain(obj: Obj) -> Obj:
    """Return an object as its user sees it: without the API server's and status fields."""
    metadata = {k: v for k, v in obj["metadata"].items() if k not in _SERVER_OWNED}
    annotations = {
        k: v
        for k, v in metadata.pop("annotations", {}).items()
        if not k.startswith("deployment.kubernetes.io/")
        and k not in (keys.REJECTED, keys.UNFINISHED)
    }
    if annotations:
        metadata["annotations"] = annotations
    spec = dict(obj["spec"])
    for key in ("paused", "minReadySeconds"):
        if not spec.get(key):
            spec.pop(key, None)
    if "template" in spec:
        spec["template"] = default_template(spec["template"])
    return {"metadata": metadata, "spec": spec}


def _route() -> Obj:
    """Return a route of several rules, backends and weights."""
    body = http_route()
    ref = {"group": "", "kind": "Service", "port": 80}
    body["spec"] = {
        "parentRefs": [{"name": "gateway"}],
        "rules": [
            {"backendRefs": [{**ref, "name": WEB, "weight": 1}]},
            {
                "matches": [{"path": {"type": "PathPrefix", "value": "/api"}}],
                "backendRefs": [
                    {**ref, "name": WEB, "weight": 3},
                    {**ref, "name": "other", "weight": 2},
                ],
            },
            {
                "matches": [{"path": {"type": "Exact", "value": "/static"}}],
                "backendRefs": [{**ref, "name": "static"}],
            },
        ],
    }
    return body


def _ingress() -> Obj:
    backend = {"service": {"name": WEB, "port": {"number": 80}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": WEB, "annotations": {"example.com/keep": "yes"}},
        "spec": {
            "ingressClassName": "nginx",
            "rules": [{"host": "web.example.com", "http": {"paths": [path]}}],
        },
    }


def _policy(setting: Setting, business: tuple[str, ...] = ()) -> Obj:
    return {
        "apiVersion": "tandem.oam.dev/v1alpha1",
        "kind": "ReleasePolicy",
        "metadata": {"name": WEB},
        "spec": {
            "onDelete": str(setting.policy or OnDelete.COMPLETE),
            "containers": {"business": list(business)},
            "rollbackScope": str(setting.scope),
            "hold": {"release": str(setting.hold)},
        },
    }
