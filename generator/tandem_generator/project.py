"""Everything that is generated, as one plan: files and their content.

Making a plan reads and computes; only `Plan.write` writes. So `--check`, the tests and
the command cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from tandem_generator import addon, definitions, older, released, versions


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
    """Plan the project: the addon package, and lock and released texts beside the blueprints."""
    blueprints, api = root / "definitions", root / "controller" / "tandem_controller" / "api"
    made = definitions.generate(blueprints)
    inputs = _inputs(root, made, api)
    folder = root / "addon" / inputs.metadata.name
    files = {folder / path: text for path, text in addon.package(inputs).items()}
    return Plan({**files, **_lock(blueprints, made)}, (folder,))


def for_kubevela_1_9(root: Path, to: Path) -> Plan:
    """Plan the package that KubeVela 1.9 takes, in a folder of the addon's name below `to`."""
    api = root / "controller" / "tandem_controller" / "api"
    made = definitions.generate(root / "definitions")
    inputs = older.for_kubevela_1_9(_inputs(root, made, api))
    folder = to / inputs.metadata.name
    return Plan({folder / path: text for path, text in addon.package(inputs).items()}, (folder,))


def definitions_only(blueprints: Path, to: Path) -> Plan:
    """Plan the definitions of a folder of blueprints, and their lock and texts beside them."""
    made = definitions.generate(blueprints)
    files = {to / f"{d.name}.cue": d.text for d in made}
    return Plan({**files, **_lock(blueprints, made)}, (to,))


def _inputs(root: Path, made: tuple[definitions.Generated, ...], api: Path) -> addon.Inputs:
    return addon.Inputs(
        metadata=addon.load_metadata(root / "metadata.yaml"),
        metadata_text=(root / "metadata.yaml").read_text(encoding="utf-8"),
        definitions=made,
        crds=addon.load_manifests(api / "crds"),
        admission=addon.load_manifests(api / "admission"),
        monitoring=addon.load_monitoring(root / "monitoring"),
        example=(root / "examples" / "shop-v1.yaml").read_text(encoding="utf-8"),
    )


def _lock(blueprints: Path, made: tuple[definitions.Generated, ...]) -> dict[Path, str]:
    """Plan the lock and the texts that it knows; refuse a version that steps too little."""
    file = blueprints / versions.FILE
    known = versions.load(file)
    lock = versions.extend(known, made)
    released.check_steps(blueprints, known, made)
    return {file: versions.dump(lock), **released.files(blueprints, made)}


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _files(folder: Path) -> Iterator[Path]:
    return (p for p in folder.rglob("*") if p.is_file())
