"""One Event object, and how often the same thing was said."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from tandem_controller.kube.resource import Resource
from tandem_controller.kube.timestamps import micro_time

EVENT = Resource("events.k8s.io", "v1", "events", "Event")
NOTE_BYTES = 1024
WORD_BYTES = 128
"""Limits of the API: pkg/apis/core/validation/events.go in kubernetes/kubernetes."""


class EventType(StrEnum):
    """Whether someone should look."""

    NORMAL = "Normal"
    WARNING = "Warning"


class ObjectReference(NamedTuple):
    """The object that an Event is about."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str = ""
    resource_version: str = ""

    def to_json(self) -> dict[str, str]:
        """As ``core/v1.ObjectReference``, without what is empty."""
        fields = {
            "apiVersion": self.api_version,
            "kind": self.kind,
            "namespace": self.namespace,
            "name": self.name,
            "uid": self.uid,
            "resourceVersion": self.resource_version,
        }
        return {key: value for key, value in fields.items() if value}


class Said(NamedTuple):
    """What makes two Events the same thing said twice."""

    regarding: ObjectReference
    related: ObjectReference | None
    type: EventType
    reason: str
    action: str
    note: str


@dataclass
class Series:
    """One Event object and how often it was said."""

    said: Said
    name: str
    first_at: datetime
    last_at: datetime
    last_said: float
    count: int = 1
    written_count: int = 0
    next_write: float = field(default=float("-inf"))

    @property
    def namespace(self) -> str:
        """Events about cluster-scoped objects live in ``default``, by convention."""
        return self.said.regarding.namespace or "default"

    @property
    def is_behind(self) -> bool:
        """Whether it was said again since it was written."""
        return 0 < self.written_count < self.count

    def to_json(self, controller: str, instance: str) -> dict[str, Any]:
        """The whole Event."""
        said = self.said
        body: dict[str, Any] = {
            "apiVersion": EVENT.api_version,
            "kind": EVENT.kind,
            "metadata": {"name": self.name, "namespace": self.namespace},
            "eventTime": micro_time(self.first_at),
            "type": said.type.value,
            "reason": said.reason,
            "action": said.action,
            "note": said.note,
            "regarding": said.regarding.to_json(),
            "reportingController": controller,
            "reportingInstance": instance,
        }
        if said.related:
            body["related"] = said.related.to_json()
        if self.count > 1:
            body["series"] = self.count_json(self.count)
        return body

    def count_json(self, count: int) -> dict[str, Any]:
        """The part that a repeat changes."""
        return {"count": count, "lastObservedTime": micro_time(self.last_at)}


def cut(text: str, length_bytes: int) -> str:
    """At most so many bytes, and no half character at the end."""
    return text.encode()[:length_bytes].decode(errors="ignore")
