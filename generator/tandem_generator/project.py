"""Everything that is generated, as one plan: files and their content.

Making a plan reads and computes; only `Plan.write` writes. So `--check`, the tests and
the command cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from tandem_generator import definitions, versions


class Plan(msgspec.Struct, frozen=True):
    """Files with their content, and the folders in which nothing else may lie."""

    files: Mapping[Path, str]
    owned: tuple[Path, ...]

    def stale(self) -> list[Path]:
        """Return the files that differ, are missing, or should not be there."""
        return sorted([p for p, text in self.files.items() if _read(p) != text] + self._surplus())

    def write(self) -> list[Path]:
        """Write what is stale, remove what should not be there, return both."""
        changed = self.stale()
        for path in self._surplus():
            path.unlink()
        for path in changed:
            if path in self.files:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(self.files[path], encoding="utf-8")
        return changed

    def _surplus(self) -> list[Path]:
        return [p for folder in self.owned for p in _files(folder) if p not in self.files]


def whole(root: Path) -> Plan:
    """Plan the project's definitions and lock."""
    folder = root / "addon" / "tandem" / "definitions"
    return definitions_only(root / "definitions", folder)


def definitions_only(blueprints: Path, to: Path) -> Plan:
    """Plan the definitions of a folder of blueprints, and the lock beside them."""
    made = definitions.generate(blueprints)
    lock = blueprints / versions.FILE
    files = {to / f"{d.name}.cue": d.text for d in made}
    files[lock] = versions.dump(versions.extend(versions.load(lock), made))
    return Plan(files, (to,))


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _files(folder: Path) -> Iterator[Path]:
    return (p for p in folder.rglob("*") if p.is_file())
