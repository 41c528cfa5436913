"""`tandem generate`: blueprints to CUE definitions and the addon package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tandem_generator import cue, project, source


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("generate", help="Make the definitions and the addon from blueprints.")(command)


def command(
    root: Annotated[Path, typer.Option("--root", help="The project's folder")] = Path(),
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail when a file is stale")
    ] = False,
    blueprints: Annotated[
        Path | None, typer.Option(help="Make only definitions, from the blueprints in this folder")
    ] = None,
    to: Annotated[
        Path | None, typer.Option(help="With --blueprints: the folder for the definitions")
    ] = None,
) -> None:
    """Generate, or say what is stale."""
    if (blueprints is None) != (to is None):
        raise typer.BadParameter("--blueprints and --to belong together")
    try:
        plan = (
            project.definitions_only(blueprints, to) if blueprints and to else project.whole(root)
        )
    except (source.SourceError, cue.CueMissingError, ValueError) as e:
        typer.echo(f"tandem: {e}", err=True)
        raise typer.Exit(1) from None
    changed = plan.stale() if check else plan.write()
    for path in changed:
        typer.echo(f"{'stale' if check else 'wrote'} {path}", err=check)
    if check and changed:
        typer.echo("tandem: run `tandem generate` and commit what it writes", err=True)
        raise typer.Exit(1)
