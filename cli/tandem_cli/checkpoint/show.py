"""What the checkpoint prints: sentences for people, one object for programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from tandem_controller.api.record import Change
from tandem_controller.decide.checkpoint.difference import Difference, Part
from tandem_controller.decide.checkpoint.judge import (
    Conflict,
    Definition,
    Finding,
    Presence,
    Report,
)
from tandem_controller.keys import TOGETHER


class Verdict(StrEnum):
    """What becomes of the change."""

    PASS = "Pass"
    ALLOWED = "Allowed"
    """Both would go out together, and somebody said that they may."""
    FAIL = "Fail"
    UNJUDGED = "Unjudged"


EXIT_CODES = {Verdict.PASS: 0, Verdict.ALLOWED: 0, Verdict.FAIL: 1, Verdict.UNJUDGED: 2}

_CLASSES = {
    Change.BUSINESS: "a business release",
    Change.PLATFORM: "a component update",
    Change.BOTH: "a component update and a business release",
    Change.NEITHER: "neither a component update nor a business release",
}


@dataclass(frozen=True)
class Outcome:
    """A report, judged."""

    report: Report
    notes: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    """Who said that both may go out together, and why, one sentence each."""
    refused: tuple[Conflict, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Pass, Allowed or Fail."""
        if self.refused:
            return Verdict.FAIL
        return Verdict.ALLOWED if self.allowed else Verdict.PASS


def judge(
    report: Report, notes: tuple[str, ...], waivers: Mapping[tuple[str, str], str], *, allow: bool
) -> Outcome:
    """Return what becomes of a report, with the waivers of Applications and the command's."""
    refused, allowed = [], []
    for conflict in report.conflicts:
        reason = waivers.get(conflict.application)
        if allow:
            allowed.append(f"{conflict.what}: allowed by --allow-both")
        elif reason:
            allowed.append(f"{conflict.what}: allowed by annotation {TOGETHER}: {reason}")
        else:
            refused.append(conflict)
    return Outcome(report, notes, tuple(allowed), tuple(refused))


def text(outcome: Outcome) -> str:
    """Return the outcome for people."""
    changed = [f for f in outcome.report.findings if f.differences]
    lines = [line for finding in changed for line in _finding(finding)]
    lines += [] if changed else ["nothing changes"]
    lines += [f"note: {note}" for note in outcome.notes]
    lines += [f"!! ALLOWED TO GO OUT TOGETHER !! {sentence}" for sentence in outcome.allowed]
    lines += [_refusal(conflict) for conflict in outcome.refused]
    lines.append({Verdict.FAIL: "FAIL"}.get(outcome.verdict, "PASS"))
    return "\n".join(lines) + "\n"


def json(outcome: Outcome) -> str:
    """Return the outcome for programs; the fields are documented in docs/checkpoint.md."""
    return _encoded(
        {
            "verdict": outcome.verdict,
            "components": [_component(f) for f in outcome.report.findings],
            "conflicts": [_conflict(c) for c in outcome.refused],
            "allowed": list(outcome.allowed),
            "notes": list(outcome.notes),
        }
    )


def unjudged_json(problem: str) -> str:
    """Return what a program reads where nothing could be judged."""
    return _encoded({"verdict": Verdict.UNJUDGED, "problem": problem})


def _finding(finding: Finding) -> Iterator[str]:
    came = {Presence.ADDED: " (new)", Presence.REMOVED: " (taken away)"}
    yield f"{finding.subject}{came.get(finding.presence, '')}: {_CLASSES[finding.change]}"
    for part in Part:
        for difference in finding.differences:
            if difference.part is part:
                yield f"  {part.lower():<10} {difference}"


def _refusal(conflict: Conflict) -> str:
    return (
        f"{conflict.what}: {_CLASSES[Change.BOTH]} would go out together "
        f"({_listed(conflict.update)}; {_listed(conflict.release)}). Release one of the two "
        "first, then the other. Where both belong together, give the Application the annotation "
        f"{TOGETHER} with the reason, or run with --allow-both."
    )


def _listed(differences: Iterable[Difference]) -> str:
    return ", ".join(dict.fromkeys(d.what for d in differences))


def _component(finding: Finding) -> dict[str, Any]:
    subject = finding.subject
    return {
        "namespace": subject.namespace,
        "application": subject.application,
        "component": subject.name,
        "presence": finding.presence,
        "change": finding.change,
        "definition": {"before": _version(finding.before), "after": _version(finding.after)},
        "differences": [_difference(d) for d in finding.differences],
    }


def _conflict(conflict: Conflict) -> dict[str, Any]:
    return {
        "what": conflict.what,
        "update": [_difference(d) for d in conflict.update],
        "release": [_difference(d) for d in conflict.release],
    }


def _difference(found: Difference) -> dict[str, str]:
    return {
        "part": found.part,
        "what": found.what,
        "before": found.before,
        "after": found.after,
    }


def _version(definition: Definition | None) -> dict[str, str] | None:
    return {"name": definition.name, "version": definition.version} if definition else None


def _encoded(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value)).decode() + "\n"
