"""`tandem decouple`: make parameters of the images that a definition fixes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer
import yaml

from tandem_generator import cue, decouple, definitionfile, source
from tandem_generator.decouple import ApplicationPatch, Plan
from tandem_generator.definitionfile import Template

REFUSED, UNREADABLE = 1, 2
"""Exit codes besides 0."""


class Result(msgspec.Struct, frozen=True):
    """What is written where, and what is said about it."""

    files: dict[Path, str]
    said: tuple[str, ...]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("decouple", help="Make parameters of the images that a definition fixes.")(command)


def command(
    definition: Annotated[Path, typer.Argument(metavar="DEFINITION", help="CUE or YAML file")],
    to: Annotated[Path, typer.Option("--to", help="Folder for the new definition and the patches")],
    applications: Annotated[
        list[Path] | None,
        typer.Option("--application", "-a", help="File with Applications that use it; repeatable"),
    ] = None,
    name: Annotated[str, typer.Option(help="Which one, where the file holds several")] = "",
) -> None:
    """Exit code 0: written and proved, 1: refused, 2: something could not be read."""
    try:
        template = _read(definition, name)
        documents = [d for file in applications or () for d in source.load(file)]
    except source.SourceError as e:
        raise _failed(str(e), UNREADABLE) from None
    try:
        result = _decoupled(definition, template, documents, to)
    except (source.SourceError, decouple.NotEqualError, cue.CueMissingError) as e:
        raise _failed(f"{e}; nothing was written", REFUSED) from None
    for path, text in result.files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        typer.echo(f"wrote {path}")
    for line in result.said:
        typer.echo(f"tandem: {line}", err=True)


def _failed(message: str, code: int) -> typer.Exit:
    typer.echo(f"tandem: {message}", err=True)
    return typer.Exit(code)


def _read(file: Path, name: str) -> Template:
    found = [t for t in definitionfile.read(file).templates if name in {"", t.name}]
    if not found:
        raise source.SourceError(
            file, 1, "holds no definition with CUE" + (f" named {name}" * bool(name))
        )
    if len(found) > 1:
        names = ", ".join(t.name for t in found)
        raise source.SourceError(file, 1, f"holds several definitions ({names}): give --name")
    return found[0]


def _decoupled(file: Path, old: Template, documents: list[source.Document], to: Path) -> Result:
    target = to / file.name
    if target.resolve() == file.resolve():
        raise source.SourceError(file, 1, "would be overwritten: give another folder with --to")
    planned = decouple.plan(old)
    if not planned.edits:
        return Result({}, (f"{old.kind} {old.name} holds no image: there is nothing to do",))
    text, new = decouple.rewrite(old, file.read_text(encoding="utf-8"), planned)
    patches = decouple.patches(old, new, planned, documents)
    said = [*_about(old, planned), *_proved(patches)]
    if not patches:
        decouple.prove_smallest(old, new, planned)
        said.append("no Application that uses it was given: equal for the smallest one it accepts")
    files = {target: text}
    files |= {to / f"{p.name}.patch.yaml": _patch_text(p) for p in patches if p.operations}
    return Result(files, tuple(said))


def _about(old: Template, planned: Plan) -> Iterator[str]:
    for parameter in planned.added:
        kind = "needed under a condition" if parameter.optional else "required"
        yield f"{old.name}: new parameter {parameter.name} ({kind}) instead of `{parameter.value}`"
    for former in planned.defaults:
        yield f"{old.name}: parameter {former.path} has lost its default `{former.value}`"


def _proved(patches: list[ApplicationPatch]) -> Iterator[str]:
    for patch in patches:
        what = f"{len(patch.operations)} operations" if patch.operations else "needs no patch"
        yield f"Application {patch.name}: renders as before ({', '.join(patch.proved)}), {what}"


def _patch_text(patch: ApplicationPatch) -> str:
    where = f" -n {patch.namespace}" if patch.namespace else ""
    return (
        "# Before the definition: without it, these values change nothing.\n"
        f"# kubectl patch application {patch.name}{where} --type json "
        f"--patch-file {patch.name}.patch.yaml\n"
        + yaml.safe_dump(list(patch.operations), sort_keys=False, allow_unicode=True)
    )
