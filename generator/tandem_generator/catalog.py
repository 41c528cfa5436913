"""The definitions at hand: folders of CUE files, the first that has a name wins."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

from tandem_generator import evaluate
from tandem_generator.evaluate import Definition


class Catalog:
    """Definitions by kind and name; several versions of one name may lie side by side."""

    def __init__(self, definitions: Iterable[Definition]) -> None:
        self._all = tuple(definitions)

    @classmethod
    def read(cls, folders: Iterable[Path]) -> Catalog:
        """Read every CUE file of the folders; raise ValueError where one holds none."""
        return cls(d for folder in folders for d in _read_folder(folder))

    def find(self, kind: str, reference: str) -> Definition:
        """Find `name` or `name@vX.Y.Z`; raise LookupError with a sentence."""
        name, _, version = reference.partition("@")
        named = [d for d in self._all if d.kind == kind and d.name == name]
        if not named:
            raise LookupError(self._unknown(kind, name))
        wanted = version.removeprefix("v")
        for definition in named:
            if wanted in ("", definition.version):
                return definition
        at_hand = ", ".join(d.version for d in named)
        raise LookupError(f"{kind} type `{name}` has no version {wanted} here, only {at_hand}")

    def _unknown(self, kind: str, name: str) -> str:
        known = sorted({d.name for d in self._all if d.kind == kind})
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
        hint = f"did you mean `{close[0]}`?" if close else f"known are {', '.join(known) or 'none'}"
        return f"unknown {kind} type `{name}`; {hint}"


def _read_folder(folder: Path) -> Iterable[Definition]:
    files = sorted(folder.glob("*.cue"))
    if not files:
        raise ValueError(f"{folder} holds no definitions (*.cue)")
    return [evaluate.read(f) for f in files]
