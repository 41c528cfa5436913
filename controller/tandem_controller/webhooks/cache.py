"""What admission knows: all Rollouts, their policies and their records, by watches."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from tandem_controller.api.policy import DEFAULT_POLICY, ReleasePolicy
from tandem_controller.api.record import ReleaseRecord
from tandem_controller.api.rollout import Rollout
from tandem_controller.decide.admission.application import proven_images
from tandem_controller.decide.admission.workload import Guarded
from tandem_controller.effect import Kind
from tandem_controller.keys import RECORD_ROLLOUT
from tandem_controller.kinds import WATCHED
from tandem_controller.kube.client import Client
from tandem_controller.kube.reflector import Reflector
from tandem_controller.kube.store import Store


class ReleaseCache:
    """Implements `server.ReleaseLookup`."""

    def __init__(self, client: Client, namespaces: Collection[str] = ()) -> None:
        self._only = frozenset(namespaces)
        self._rollouts: Store[Rollout] = Store({"workload": _workload})
        self._policies: Store[ReleasePolicy] = Store()
        self._records: Store[ReleaseRecord] = Store({"rollout": _rollout})
        stores: dict[Kind, Store[Any]] = {
            Kind.ROLLOUT: self._rollouts,
            Kind.RELEASE_POLICY: self._policies,
            Kind.RELEASE_RECORD: self._records,
        }
        self.reflectors = tuple(_reflector(client, kind, store) for kind, store in stores.items())

    def guarded(self, namespace: str, kind: str, name: str) -> Iterable[Guarded]:
        """What is known of a workload, for each Rollout that names it."""
        for rollout in self._rollouts.by_index("workload", (namespace, kind, name)):
            policy = self._policies.get(namespace, rollout.metadata.name)
            place = (namespace, rollout.metadata.name)
            yield Guarded(
                rollout=rollout,
                policy=policy.spec if policy else DEFAULT_POLICY,
                records=self._records.by_index("rollout", place),
            )

    def rollouts_in(self, namespace: str) -> Iterable[Rollout]:
        """All Rollouts of a namespace."""
        return self._rollouts.list(namespace)

    def rollouts(self) -> Iterable[Rollout]:
        """All Rollouts that are Tandem's: those of the namespaces it is for."""
        return (
            rollout
            for rollout in self._rollouts.list()
            if not self._only or rollout.metadata.namespace in self._only
        )

    def proven(self, namespace: str, component: str) -> Iterable[Collection[str]]:
        """The images of each version that a component's Rollout has released whole."""
        return proven_images(self._records.by_index("rollout", (namespace, component)))

    async def synced(self) -> None:
        """Wait until everything is known."""
        for reflector in self.reflectors:
            await reflector.has_synced.wait()

    @property
    def has_synced(self) -> bool:
        """Whether everything is known."""
        return all(reflector.has_synced.is_set() for reflector in self.reflectors)


def _reflector(client: Client, kind: Kind, store: Store[Any]) -> Reflector[Any]:
    watched = WATCHED[kind]
    return Reflector(
        client,
        watched.resource,
        decode=watched.decode,
        store=store,
        on_change=lambda _old, _new: None,
    )


def _workload(rollout: Rollout) -> Iterable[tuple[str, str, str]]:
    ref = rollout.spec.workload_ref
    yield (rollout.metadata.namespace, ref.kind, ref.name)


def _rollout(record: ReleaseRecord) -> Iterable[tuple[str, str]]:
    yield (record.metadata.namespace, record.metadata.labels.get(RECORD_ROLLOUT, ""))
