"""`tandem semver`: which version step a change of a definition needs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tandem_cli.lint import Format
from tandem_generator import cue, definitionfile, semver, source
from tandem_generator.definitionfile import Template
from tandem_generator.semver import Change, Step, Version, step

TOO_SMALL, UNREADABLE = 1, 2
"""Exit codes besides 0."""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("semver", help="Say which version step a definition's change needs.")(command)


def command(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The definition as it was released")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The definition as it is to be")],
    name: Annotated[str, typer.Option(help="Which one, where a file holds several")] = "",
    check: Annotated[
        bool, typer.Option("--check", help="Fail where the stated versions step too little")
    ] = False,
    form: Annotated[Format, typer.Option("--format", help="How it is printed")] = Format.TEXT,
) -> None:
    """Exit code 0: said or enough, 1: --check and the step is too small, 2: unreadable."""
    try:
        before, after = _read(old, name), _read(new, name)
        change = semver.compare(before, after)
        declared = _declared(before, after) if check or before.version else None
    except (source.SourceError, ValueError, cue.CueMissingError) as e:
        typer.echo(f"tandem: {e}", err=True)
        raise typer.Exit(UNREADABLE) from None
    typer.echo(_json(change) if form is Format.JSON else _text(change, declared))
    for note in change.notes:
        typer.echo(f"tandem: note: {note}", err=True)
    if check and declared and step.between(*declared) < change.step:
        typer.echo(f"tandem: {_refusal(change, *declared)}", err=True)
        raise typer.Exit(TOO_SMALL)


def _read(file: Path, name: str) -> Template:
    found = [t for t in definitionfile.read(file).templates if name in {"", t.name}]
    if len(found) != 1:
        names = ", ".join(t.name for t in found)
        said = f"holds several definitions ({names}): give --name" if found else "holds no CUE"
        raise source.SourceError(file, 1, said if found else f"{said} definition{_called(name)}")
    return found[0]


def _called(name: str) -> str:
    return f" named {name}" if name else ""


def _declared(before: Template, after: Template) -> tuple[Version, Version] | None:
    for template in (before, after):
        if not template.version:
            message = "states no version (attributes.version, spec.version or the annotation)"
            raise source.SourceError(template.file, 1, message)
    return Version.parse(before.version), Version.parse(after.version)


def _text(change: Change, declared: tuple[Version, Version] | None) -> str:
    lines = [r.sentence() for r in change.reasons]
    if change.step is Step.NONE:
        return "none: nothing changed"
    to = f": {declared[0]} -> {declared[0].raised(change.step)}" if declared else ""
    return "\n".join([*lines, f"{change.step}{to}"])


def _refusal(change: Change, old: Version, new: Version) -> str:
    return (
        f"the version went from {old} to {new}, and the change is {change.step}: "
        f"raise it to {old.raised(change.step)} or more"
    )


def _json(change: Change) -> str:
    reasons = [{**msgspec.to_builtins(r), "step": str(r.step)} for r in change.reasons]
    everything = {"step": str(change.step), "reasons": reasons, "notes": change.notes}
    return msgspec.json.format(msgspec.json.encode(everything)).decode()
