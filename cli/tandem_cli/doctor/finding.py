"""What the doctor finds, and what it looked at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from tandem_cli.cluster_objects import Obj
from tandem_controller.api.meta import Model
from tandem_controller.caches import Caches


class Severity(StrEnum):
    """Whether something is to be done, or only to be known."""

    PROBLEM = "problem"
    INFO = "info"


class Finding(Model, frozen=True, omit_defaults=False):
    """One finding. `what` is a sentence, `remedy` a command or a sentence that says what to do."""

    check: str
    severity: Severity
    object: str
    what: str
    remedy: str


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Everything that the checks look at. What may not be read is empty, and said in `unread`.

    `objects` holds plain objects by kind; `caches` what the controller itself would see.
    """

    now: datetime
    namespace: str
    cli_version: str = ""
    objects: dict[str, tuple[Obj, ...]] = field(default_factory=dict)
    unserved: frozenset[str] = frozenset()
    """Kinds that this API server does not have."""
    unread: dict[str, str] = field(default_factory=dict)
    """Kinds that may not be read, and what the API server said."""
    caches: Caches = field(default_factory=Caches)

    def of(self, kind: str) -> tuple[Obj, ...]:
        """Return all objects of a kind."""
        return self.objects.get(kind, ())

    def one(self, kind: str, name: str, namespace: str | None = None) -> Obj | None:
        """Return an object by name."""
        return next(
            (
                o
                for o in self.of(kind)
                if o["metadata"]["name"] == name
                and (namespace is None or o["metadata"].get("namespace") == namespace)
            ),
            None,
        )

    def known(self, *kinds: str) -> bool:
        """Whether all of these kinds could be read: else their absence means nothing."""
        return not any(kind in self.unread for kind in kinds)


def problems(findings: Iterable[Finding]) -> list[Finding]:
    """Return those that something is to be done about."""
    return [f for f in findings if f.severity is Severity.PROBLEM]
