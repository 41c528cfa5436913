"""The texts of released definitions, and the version step that a new one needs.

The lock knows only digests. What changed is told by the texts, so each version's text is kept
beside the blueprints, in `released/<name>/<version>.cue`; the lock says whether a text is the
one that was released (docs/decisions/0010).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tandem_generator import definitionfile, semver, source, versions
from tandem_generator.definitions import Generated
from tandem_generator.semver import Change, Version, step
from tandem_generator.source import SourceError

FOLDER = "released"


def files(blueprints: Path, made: Iterable[Generated]) -> dict[Path, str]:
    """Return the texts to keep: those of the versions that are generated now."""
    return {_file(blueprints, d.name, d.version): d.text for d in made}


def check_steps(blueprints: Path, lock: versions.Lock, made: Iterable[Generated]) -> None:
    """Refuse a new version that steps too little from the one before it; raise SourceError."""
    for definition in made:
        known = lock.get(definition.name, {})
        before = [v for v in map(Version.parse, known) if v < Version.parse(definition.version)]
        if before and definition.version not in known:
            last = max(before)
            old = _released(blueprints, definition, str(last), known[str(last)])
            _check(definition, last, _change(old, definition))


def _check(definition: Generated, last: Version, change: Change) -> None:
    if step.between(last, Version.parse(definition.version)) >= change.step:
        return
    strongest = change.reasons[0]
    document = source.load_one(definition.blueprint)
    raise document.error(
        ["version"],
        f"{definition.name} {definition.version} steps too little from {last}: the change is "
        f"{change.step} ({strongest.message}), raise `version` to {last.raised(change.step)}; "
        f"`tandem semver` lists all reasons",
    )


def _released(blueprints: Path, definition: Generated, version: str, digest: str) -> str:
    """Return the text of a released version, which has to be what the lock knows."""
    file = _file(blueprints, definition.name, version)
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        message = (
            f"the text of {definition.name} {version} is needed to compare and is not here: "
            "bring the file back from the project's history"
        )
        raise SourceError(file, 1, message) from None
    if versions.digest(text) != digest:
        message = (
            f"is not the {definition.name} {version} that was released ({versions.FILE} has its "
            "digest): bring the file back from the project's history"
        )
        raise SourceError(file, 1, message)
    return text


def _change(old: str, definition: Generated) -> Change:
    name = f"{definition.name}.cue"
    (before,) = definitionfile.parse(old, name).templates
    (after,) = definitionfile.parse(definition.text, name).templates
    return semver.compare(before, after)


def _file(blueprints: Path, name: str, version: str) -> Path:
    return blueprints / FOLDER / name / f"{version}.cue"
