"""The user of one Deployment: what they state, what they ask for, and what they then want."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from tandem_controller import keys
from tandem_controller.api.policy import HoldRelease, OnDelete, RollbackScope
from tandem_controller.api.record import ReleaseRecord
from tandem_controller.decide.hold.withheld import accepted
from tandem_controller.effect import Kind
from tests.simulation import actions as do
from tests.simulation import facts, manifests
from tests.simulation.actions import Setting
from tests.simulation.facts import WEB
from tests.simulation.invariants import Guard
from tests.simulation.model import Model
from tests.simulation.objects import release_approval
from tests.simulation.rules import Obj
from tests.simulation.store import Store


class User:
    """Edits objects, and keeps in mind what the Deployment must be in the end."""

    def __init__(self, setting: Setting, model: Model, guard: Guard) -> None:
        self.setting = setting
        self._model = model
        self._guard = guard
        self.plan = setting.plan
        self.wanted: Obj = self.store.get(Kind.DEPLOYMENT, WEB)
        """The Deployment as last stated."""
        self.manifest = 1
        """The template that the manifest states, whatever became of it."""
        self.asked_back = False
        """Tandem was told to state another template than the last one."""

    @property
    def store(self) -> Store:
        """The API server."""
        return self._model.store

    @property
    def rollout(self) -> Obj | None:
        """The Rollout as stored."""
        return self.store.find(Kind.ROLLOUT, WEB)

    @property
    def status(self) -> Obj:
        """Its status; empty when it is gone."""
        status: Obj = (self.rollout or {}).get("status", {})
        return status

    @property
    def pending(self) -> bool:
        """Whether a change was accepted whose release has not begun."""
        found = self.store.all_of(Kind.RELEASE_RECORD)
        return accepted(msgspec.convert(o, ReleaseRecord) for o in found) is not None

    @property
    def withheld(self) -> bool:
        """Whether the user was told that the last template is held or rejected."""
        conditions = self.status.get("conditions", ())
        return any(c["type"] in ("Held", "Rejected") for c in conditions)

    # The workload.

    def state(self, what: do.Statement) -> None:
        """Change the Deployment."""
        match what:
            case do.Apply(template):
                self._apply(template)
            case do.Label(value):
                self.edit({"metadata": {"labels": {"team": value}}})
            case do.Scale(replicas):
                self.edit({"spec": {"replicas": replicas}})
            case do.Name(value):
                self.edit({"metadata": {"labels": {keys.ROLLOUT_ID: value}}})
            case do.ReapplyKnobs():
                self.edit({"spec": manifests.knobs(self.wanted["spec"])})
            case do.Reapply():
                self.reapply()

    def reapply(self) -> None:
        """State the whole manifest again: template, knobs and paused: false."""
        self._state(self.manifest, {**manifests.knobs(self.wanted["spec"]), "paused": False})

    def edit(self, patch: Obj) -> None:
        """Patch the Deployment; its replicas and labels are what the user wants since."""
        self._guard.actor = "user"
        self._model.edit(Kind.DEPLOYMENT, WEB, patch)
        spec = self.wanted["spec"]
        stated = self.store.get(Kind.DEPLOYMENT, WEB)
        self.wanted = {
            **self.wanted,
            "metadata": {**self.wanted["metadata"], "labels": stated["metadata"]["labels"]},
            "spec": {**spec, "replicas": stated["spec"]["replicas"]},
        }

    def _apply(self, number: int) -> None:
        self.manifest = number
        self._state(number, {})

    def _state(self, number: int, knobs: Obj) -> None:
        before = facts.fingerprint(self.store.get(Kind.DEPLOYMENT, WEB))
        self.edit({"spec": {**knobs, "template": {"spec": manifests.pod_spec(number)}}})
        stated = self.store.get(Kind.DEPLOYMENT, WEB)
        if facts.fingerprint(stated) != before:
            # While parked, the stable template cannot be told apart from no change.
            self.asked_back &= self._wish_pending()
            self.asked_back |= self._rolls_back(facts.fingerprint(stated))
            template = stated["spec"]["template"]
            self.wanted = {**self.wanted, "spec": {**self.wanted["spec"], "template": template}}

    def _rolls_back(self, stated: str) -> bool:
        """Whether this version is being rolled back: that ends, in a disabled Rollout, too."""
        release = self._guard.release
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

    # The release.

    def command(self, what: do.Command) -> None:
        """Approve, suspend, edit or end the release."""
        match what:
            case do.Approve():
                self.approve()
            case do.ApproveByAnnotation():
                self.approve_by_annotation()
            case do.ApproveBy(ahead, stale):
                self.approve_by(ahead, stale=stale)
            case do.Suspend(paused):
                self.edit_rollout({"spec": {"strategy": {"paused": paused}}})
            case do.Disable(disabled):
                self.edit_rollout({"spec": {"disabled": disabled}})
            case do.EditPlan(plan):
                self._edit_plan(plan)
            case do.EditPolicy(scope, hold, business):
                self._edit_policy(scope, hold, business)
            case _:
                self._turn_back(what)

    def _turn_back(self, what: do.Return) -> None:
        match what:
            case do.AskBack():
                if self._guard.release is not None:
                    self._go_back()
            case do.GoBack():
                self._go_back()
            case do.Accept():
                self._wish(keys.ACCEPT)
            case do.Retry():
                self._wish(keys.RETRY)
            case do.DeleteRollout():
                self._delete_rollout()

    def approve(self) -> bool:
        """Approve the step, if it waits for that."""
        if self.status.get("canaryStatus", {}).get("currentStepState") != "StepPaused":
            return False
        self._guard.actor = "user"
        ready = {"canaryStatus": {"currentStepState": "StepReady"}}
        self._model.edit_status(Kind.ROLLOUT, WEB, ready)
        return True

    def approve_by_annotation(self) -> None:
        """Name the present step in the annotation that approves it."""
        canary = self.status.get("canaryStatus", {})
        named = f"{canary.get('canaryRevision', '')}/{canary.get('currentStepIndex', 0)}"
        self.annotate(keys.APPROVE, named)

    def approve_by(self, ahead: int = 0, *, stale: bool = False) -> str:
        """Approve by a ReleaseApproval; return its name."""
        self._guard.actor = "user"
        canary = self.status.get("canaryStatus", {})
        count = len(self.store.all_of(Kind.RELEASE_APPROVAL))
        revision = "0123456789" if stale else canary.get("canaryRevision", "none")
        step = max(1, canary.get("currentStepIndex", 0) + ahead)
        body = release_approval(f"approval-{count}", revision, step)
        self._model.create(Kind.RELEASE_APPROVAL, body)
        return f"approval-{count}"

    def annotate(self, key: str, value: str = "") -> None:
        """Set an annotation of the Rollout."""
        self.edit_rollout({"metadata": {"annotations": {key: value}}})

    def edit_rollout(self, patch: Obj) -> None:
        """Patch the Rollout, if there is one."""
        self._guard.actor = "user"
        if self.rollout is not None:
            self._model.edit(Kind.ROLLOUT, WEB, patch)

    def create_rollout(self) -> None:
        """Create the Rollout with the plan last stated."""
        self._guard.actor = "user"
        self._model.create(Kind.ROLLOUT, manifests.rollout(self.setting, self.plan))

    def _edit_plan(self, plan: int) -> None:
        self.plan = plan
        steps = manifests.steps(self.setting, plan)
        self.edit_rollout({"spec": {"strategy": {"canary": {"steps": steps}}}})

    def _edit_policy(
        self, scope: RollbackScope, hold: HoldRelease, business: tuple[str, ...]
    ) -> None:
        self.setting = replace(self.setting, scope=scope, hold=hold)
        body = manifests.policy(self.setting, business)
        if self.store.find(Kind.RELEASE_POLICY, WEB) is None:
            self._model.create(Kind.RELEASE_POLICY, body)
        else:
            self._model.edit(Kind.RELEASE_POLICY, WEB, {"spec": body["spec"]})

    def _go_back(self) -> None:
        if self.rollout is None:
            return
        disabled = self.rollout["spec"].get("disabled")
        self.asked_back |= self._guard.release is not None or not disabled
        self.annotate(keys.ROLLBACK)

    def _wish(self, annotation: str) -> None:
        """Ask for something by annotation; what is stated then is what people asked for."""
        self.asked_back |= self.withheld
        self.annotate(annotation)

    def _delete_rollout(self) -> None:
        if self.rollout is None:
            return
        open_release = self._guard.release is not None
        self.asked_back |= self.withheld  # until its owner states it again
        self.asked_back |= open_release and self.setting.policy is OnDelete.ROLLBACK
        unseen = self._wish_pending() and not open_release
        self._model.delete(Kind.ROLLOUT, WEB)
        if unseen and self.store.find(Kind.ROLLOUT, WEB) is None:
            self.asked_back = False  # the wish went with it before anybody looked
