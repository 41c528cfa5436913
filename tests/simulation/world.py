"""A cluster, its users and Tandem, watched at every write; schedules are played on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tandem_controller.api.rollout import Rollout
from tandem_controller.decide.position import ROLLBACK_PREFIX
from tandem_controller.effect import Kind
from tests.simulation import actions as do
from tests.simulation import facts, manifests
from tests.simulation.actions import Action, Setting
from tests.simulation.facts import WEB
from tests.simulation.invariants import Guard
from tests.simulation.objects import service
from tests.simulation.rules import Obj
from tests.simulation.store import Store
from tests.simulation.tandem import Tandem
from tests.simulation.user import User
from tests.simulation.watched import WatchedModel, WatchedStore

PATIENCE = 150


class World:
    """One Deployment with its Service, route and Rollout, its user, and Tandem."""

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
        self.user = User(setting, self.model, self.guard)
        self.crashes = True
        self.before = manifests.traffic_objects(store)
        """What the user's traffic came through before anything happened."""
        store.watch = self.guard.written
        self.user.create_rollout()
        self.tandem.settle()

    def _create_objects(self) -> None:
        self.model.create(Kind.DEPLOYMENT, manifests.deployment(self.setting))
        self.model.create(Kind.SERVICE, service())
        if self.setting.routing == "route":
            self.model.create(Kind.HTTP_ROUTE, manifests.route())
        if self.setting.routing == "ingress":
            self.model.create(Kind.INGRESS, manifests.ingress())
        if self.setting.policy is not None:
            self.model.create(Kind.RELEASE_POLICY, manifests.policy(self.setting))

    @property
    def store(self) -> Store:
        """The API server."""
        return self.model.store

    @property
    def rollout(self) -> Obj | None:
        """The Rollout as stored."""
        return self.user.rollout

    @property
    def status(self) -> Obj:
        """Its status; empty when it is gone."""
        return self.user.status

    # Schedules.

    def play(self, schedule: Iterable[Action]) -> None:
        """Let a schedule happen, and say which of it was to blame."""
        for number, action in enumerate(schedule):
            try:
                self.happen(action)
            except AssertionError as error:
                tail = "\n  ".join(self.guard.log[-25:])
                raise AssertionError(f"{error}\nat {number}: {action}\n  {tail}") from error

    def happen(self, action: Action) -> None:
        """Let one action happen."""
        self.guard.log.append(str(action))
        self.guard.actor = "user"
        if isinstance(action, do.Statement):
            self.user.state(action)
        elif isinstance(action, do.Command):
            self.user.command(action)
        elif isinstance(action, do.Turn):
            self._take_turns(action)
        else:
            self._befall(action)

    def _take_turns(self, turn: do.Turn) -> None:
        match turn:
            case do.Step(controller, most_writes):
                self.model.step(controller, most_writes=most_writes)
            case do.Look(crash_after):
                self.tandem.look(crash_after=crash_after if self.crashes else None)
            case do.Quiesce():
                self.quiesce()
            case do.Wait(seconds):
                self.model.advance(seconds)

    def _befall(self, mishap: do.Mishap) -> None:
        match mishap:
            case do.Break(pod):
                self._with_pod(pod, self.model.break_pod)
            case do.Mend():
                self.model.kubelet.broken.clear()
            case do.Evict(pod):
                self._with_pod(pod, self.model.kill_pod)
            case do.Fate(image, readiness):
                self.model.set_readiness(image, readiness)
            case do.ResetRoute():
                if self.setting.routing == "route":
                    self.model.edit(Kind.HTTP_ROUTE, WEB, {"spec": manifests.route()["spec"]})
            case do.ResetService():
                selector = {"pod-template-hash": None}
                self.model.edit(Kind.SERVICE, WEB, {"spec": {"selector": selector}})
            case do.Webhook(away):
                self.webhook(away=away)

    def webhook(self, *, away: bool) -> None:
        """Take the webhook away or bring it back."""
        self.watched.product.away = away

    def _with_pod(self, number: int, what: Callable[[str], None]) -> None:
        pods = [p for p in self.store.all_of(Kind.POD) if facts.running(p)]
        if pods:
            what(pods[number % len(pods)]["metadata"]["name"])

    # Coming to rest.

    def quiesce(self) -> None:
        """Everybody works until nothing changes; then what holds at rest is checked."""
        self.tandem.settle()
        self._check_quiet()

    def run_to_the_end(self) -> None:
        """Give every approval until the Rollout rests."""
        for _ in range(PATIENCE):
            self.quiesce()
            if self.ended:
                return
            if not self.user.approve():
                self.model.advance(2)
        raise AssertionError(f"it never ends: {self.status}")

    @property
    def ended(self) -> bool:
        """Whether the Rollout rests: healthy, disabled or gone."""
        return self.rollout is None or self.status.get("phase") in ("Healthy", "Disabled")

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
