"""Kubernetes Events about Rollouts."""

from __future__ import annotations

from tandem_controller.api.rollout import GROUP, Rollout
from tandem_controller.effect import Note
from tandem_controller.kube.events import EventRecorder, EventType, ObjectReference
from tandem_controller.ownership import STORAGE_VERSION


class RolloutEvents:
    """Tells a decision's notes as Events on the Rollout."""

    def __init__(self, recorder: EventRecorder) -> None:
        self._recorder = recorder

    def tell(self, rollout: Rollout, note: Note) -> None:
        """Queue an Event; never blocks."""
        meta = rollout.metadata
        self._recorder.record(
            ObjectReference(
                api_version=f"{GROUP}/{STORAGE_VERSION}",
                kind="Rollout",
                name=meta.name,
                namespace=meta.namespace,
                uid=meta.uid,
            ),
            type=EventType.WARNING if note.warning else EventType.NORMAL,
            reason=note.reason,
            action=note.reason,
            note=note.message,
        )
