"""The product's admission in front of the model's API server (DESIGN §6)."""

from __future__ import annotations

import msgspec

from tandem_controller.api.policy import DEFAULT_POLICY, ReleasePolicy
from tandem_controller.api.record import ReleaseRecord
from tandem_controller.api.rollout import Rollout
from tandem_controller.decide.admission.config import admit_config, marked_for
from tandem_controller.decide.admission.review import AdmissionRequest, Operation, UserInfo, Verdict
from tandem_controller.decide.admission.status import admit_status
from tandem_controller.decide.admission.workload import Guarded, admit_workload
from tandem_controller.effect import Kind
from tests.simulation import policies
from tests.simulation.errors import InvalidError
from tests.simulation.model import TANDEM
from tests.simulation.rules import Obj, defaulted
from tests.simulation.store import Request, Store

USER = "user"


class ProductAdmission:
    """Sends users' writes of workloads and statuses through `decide.admission_*`.

    The cluster's controllers are sent past it only to save time: they change no template.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.away = False
        """Whether the webhook does not answer, so that only the API server's policies judge."""

    def __call__(self, request: Request) -> Obj:
        """Return the object to store."""
        if request.user != USER or request.old is None:
            return request.new
        if self.away:
            return self._by_policies(request)
        verdict = self._verdict(request)
        if not verdict.allowed:
            raise InvalidError(verdict.message)
        new = defaulted(request.kind, request.new)
        for operation in verdict.patch:
            new = _patched(new, operation)
        return new

    def _verdict(self, request: Request) -> Verdict:
        asked = AdmissionRequest(
            uid="1",
            operation="UPDATE",
            name=request.new["metadata"]["name"],
            sub_resource=request.subresource,
            user_info=UserInfo(username=request.user),
            object=defaulted(request.kind, request.new),
            old_object=request.old,
        )
        if request.kind in (Kind.CONFIG_MAP, Kind.SECRET) and marked_for(asked.old):
            named = marked_for(asked.old)
            known = (g for g in self._guarded() if g.rollout.metadata.name == named)
            return admit_config(asked, next(known, None), {TANDEM})
        if request.kind is Kind.DEPLOYMENT and not request.subresource:
            return admit_workload(asked, self._guarded(asked.name), {TANDEM})
        if request.kind is Kind.ROLLOUT and request.subresource:
            return admit_status(asked, {TANDEM})
        return Verdict()

    def _by_policies(self, request: Request) -> Obj:
        if request.kind is not Kind.DEPLOYMENT or request.subresource or request.old is None:
            return request.new
        rollouts = [msgspec.convert(o, Rollout) for o in self._store.all_of(Kind.ROLLOUT)]
        return policies.admitted(request.old, defaulted(request.kind, request.new), rollouts)

    def _guarded(self, workload: str = "") -> list[Guarded]:
        rollouts = [msgspec.convert(o, Rollout) for o in self._store.all_of(Kind.ROLLOUT)]
        found = [msgspec.convert(o, ReleaseRecord) for o in self._store.all_of(Kind.RELEASE_RECORD)]
        policies = [
            msgspec.convert(o, ReleasePolicy) for o in self._store.all_of(Kind.RELEASE_POLICY)
        ]
        policy = policies[0].spec if policies else DEFAULT_POLICY
        return [
            Guarded(rollout=r, policy=policy, records=tuple(found))
            for r in rollouts
            if workload in ("", r.spec.workload_ref.name)
        ]


def _patched(obj: Obj, operation: Operation) -> Obj:
    """Apply an operation of a JSON Patch to a field of an object, without changing the old."""
    path = [p.replace("~1", "/").replace("~0", "~") for p in operation["path"].split("/")[1:]]
    return _with(obj, path, operation)


def _with(obj: Obj, path: list[str], operation: Operation) -> Obj:
    head, rest = path[0], path[1:]
    if rest:
        return {**obj, head: _with(obj[head], rest, operation)}
    without = {key: value for key, value in obj.items() if key != head}
    return without if operation["op"] == "remove" else {**without, head: operation["value"]}
