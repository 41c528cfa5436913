"""`tandem lint`: where definitions fix an image, a sidecar or an init container."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tandem_generator import definitionfile, lint, source
from tandem_generator.definitionfile import Contents

CLEAN, FOUND, UNREADABLE = 0, 1, 2
"""Exit codes."""
STDIN = Path("-")


class Format(StrEnum):
    """For people or for programs."""

    TEXT = "text"
    JSON = "json"


class Report(msgspec.Struct, frozen=True):
    """What was looked at and found."""

    definitions: int
    findings: tuple[lint.Finding, ...]
    unreadable: tuple[str, ...]

    def exit_code(self, *, strict: bool) -> int:
        """Return 2 where something could not be read, else 1 where something was found."""
        if self.unreadable:
            return UNREADABLE
        counted = [f for f in self.findings if strict or f.severity is lint.Severity.ERROR]
        return FOUND if counted else CLEAN


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("lint", help="Find images and containers that definitions fix.")(command)


def command(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="CUE or YAML files, folders, or - for stdin"),
    ],
    form: Annotated[
        Format, typer.Option("--format", help="How findings are printed")
    ] = Format.TEXT,
    strict: Annotated[
        bool, typer.Option("--strict", help="Warnings count as well for the exit code")
    ] = False,
) -> None:
    """Exit code 0: clean, 1: findings, 2: something could not be read."""
    report = _check(paths)
    if form is Format.JSON:
        typer.echo(_json(report))
    else:
        for finding in report.findings:
            typer.echo(finding.sentence())
    for fault in report.unreadable:
        typer.echo(f"tandem: {fault}", err=True)
    typer.echo(f"tandem: {_summary(report)}", err=True)
    raise typer.Exit(report.exit_code(strict=strict))


def _check(paths: list[Path]) -> Report:
    definitions, findings, faults = 0, list[lint.Finding](), list[str]()
    for path in paths:
        for file in definitionfile.below(path) if path.is_dir() else [path]:
            try:
                contents = _read(file)
                definitions += len(contents.templates) + len(contents.others)
                findings.extend(_findings(file, contents))
                if file == path and contents == Contents():
                    faults.append(f"{file}:1: holds no definition")
            except source.SourceError as e:
                faults.append(str(e))
    return Report(definitions, tuple(findings), tuple(faults))


def _read(file: Path) -> Contents:
    if file == STDIN:
        return definitionfile.parse(sys.stdin.read(), "<stdin>")
    return definitionfile.read(file)


def _findings(file: Path, contents: Contents) -> Iterator[lint.Finding]:
    for template in contents.templates:
        if template.kind in definitionfile.LINTED:
            yield from lint.check(template)
    for other in contents.others:
        if other.kind in definitionfile.LINTED:
            yield from lint.check_other(str(file), other)


def _json(report: Report) -> str:
    findings = [{**msgspec.to_builtins(f), "why": f.why} for f in report.findings]
    for finding in findings:
        del finding["start"], finding["end"]
    everything = {
        "definitions": report.definitions,
        "findings": findings,
        "unreadable": report.unreadable,
    }
    return msgspec.json.format(msgspec.json.encode(everything)).decode()


def _summary(report: Report) -> str:
    errors = sum(f.severity is lint.Severity.ERROR for f in report.findings)
    parts = (
        _count(report.definitions, "definition"),
        _count(errors, "error"),
        _count(len(report.findings) - errors, "warning"),
    )
    return ", ".join(parts)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
