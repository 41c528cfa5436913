"""Applications whose component has two traits that each make the component's Rollout.

`conflictsWith` of a TraitDefinition is shown by KubeVela and enforced nowhere (kubevela 1.11:
nothing but its Go builder reads it). Two such traits write one object by turns: the steps of
one replace those of the other with every look of KubeVela.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tandem_controller.decide.admission.review import ALLOWED, AdmissionRequest, Verdict, denied

MAKING_A_ROLLOUT = ("rollout", "kruise-rollout", "rolling-release")
"""Ours, and those of KubeVela's catalog (addon kruise-rollout); each names it as the component."""

HAS_TWO = (
    "has(object.spec.components) && object.spec.components.exists(c, has(c.traits) && "
    "c.traits.filter(t, t.type.split('@')[0] in "
    f"{list(MAKING_A_ROLLOUT)}).size() > 1)"
)
"""The same in CEL, so that the API server asks about no other Application."""

Obj = Mapping[str, Any]


def admit_traits(request: AdmissionRequest) -> Verdict:
    """Answer a CREATE or UPDATE of an Application: refuse what clashes newly, warn of the rest."""
    if (request.new.get("metadata") or {}).get("deletionTimestamp"):
        return ALLOWED
    before, now = (dict(_clashes(side)) for side in (request.old, request.new))
    new = {name: types for name, types in now.items() if set(types) - set(before.get(name, ()))}
    if new:
        return denied("; ".join(_told(name, types) for name, types in new.items()))
    return Verdict(warnings=tuple(_told(name, types) for name, types in now.items()))


def _clashes(application: Obj) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield components with several traits that make its Rollout, and which traits these are."""
    for component in (application.get("spec") or {}).get("components") or ():
        types = (str(trait.get("type")) for trait in component.get("traits") or ())
        making = tuple(t for t in types if t.partition("@")[0] in MAKING_A_ROLLOUT)
        if len(making) > 1:
            yield str(component.get("name")), making


def _told(name: str, types: tuple[str, ...]) -> str:
    return (
        f"spec.components[{name}].traits: {' and '.join(types)} each make the Rollout {name} and "
        "would overwrite each other: keep one of them; rollout takes the properties of "
        "kruise-rollout as they are"
    )
