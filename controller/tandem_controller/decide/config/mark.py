"""The mark on config in which a rollback put the old content back.

The owner goes on stating the content of the rejected version, and admission has to know that
content again: the mark holds hashes of it. They lie on the object itself, so whoever reads
them may read the content, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from tandem_controller import keys
from tandem_controller.api.config import ConfigObject
from tandem_controller.api.fingerprint import canonical, digest
from tandem_controller.api.meta import Model

Content = Mapping[str, Mapping[str, str]]


class Mark(Model, frozen=True):
    """What is kept from a ConfigMap or Secret, and for whom."""

    record: str
    """ReleaseRecord of the rejected version."""
    content: str
    """SHA-256 of the content that the rejected version came with."""
    overlaid: str
    """SHA-256 of the same written over the old content, by an owner that removes no keys."""
    instead: str
    """SHA-256 of the content that was put, or let stand, in its place."""
    stated: bool = True
    """Whether the owner states that content, as far as can be seen."""

    def names(self, content: Content) -> bool:
        """Whether a content is what is kept away."""
        return digest(content) in (self.content, self.overlaid)

    def metadata(self, rollout: str) -> dict[str, Any]:
        """Return label and annotation, as a merge patch of the metadata."""
        return {
            "labels": {keys.WITHHELD_CONFIG: rollout},
            "annotations": {keys.WITHHELD_CONFIG: self.text()},
        }

    def text(self) -> str:
        """Return the annotation's value."""
        return canonical(msgspec.to_builtins(self)).decode()

    def is_stated_over(self, content: Content) -> Mark:
        """Return the mark after the owner stated what is kept away, over this content."""
        return replace(self, instead=digest(content), stated=True)

    def is_not_stated(self) -> Mark:
        """Return the mark after the owner went back to the content that is there."""
        return replace(self, stated=False)

    def is_due(self, content: Content) -> bool:
        """Whether the owner states what is kept away, and nobody wrote another content since."""
        return self.stated and digest(content) == self.instead


NO_MARK = {
    "labels": {keys.WITHHELD_CONFIG: None},
    "annotations": {keys.WITHHELD_CONFIG: None},
}
"""The merge patch of the metadata that takes a mark away."""


def mark_in(annotations: Mapping[str, str]) -> Mark | None:
    """Return the mark among an object's annotations; None where there is none that can be read."""
    try:
        return msgspec.json.decode(annotations.get(keys.WITHHELD_CONFIG, ""), type=Mark)
    except msgspec.MsgspecError:
        return None


def new_mark(record: str, live: ConfigObject, old: ConfigObject) -> Mark:
    """Return the mark for the content that `live` has and `old` replaces."""
    return Mark(
        record=record,
        content=live.fingerprint,
        overlaid=digest(_overlaid(old.content, live.content)),
        instead=old.fingerprint,
    )


def _overlaid(below: Content, above: Content) -> Content:
    parts = {name: {**below.get(name, {}), **above.get(name, {})} for name in {*below, *above}}
    return {name: part for name, part in parts.items() if part}
