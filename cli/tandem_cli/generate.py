"""`tandem generate`: blueprints to CUE definitions and the addon package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tandem_generator import cue, older, project, source


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
        Path | None, typer.Option(help="The folder for what is made of --blueprints or --kubevela")
    ] = None,
    kubevela: Annotated[
        str, typer.Option(help="Make the addon's package for an older KubeVela: 1.9")
    ] = "",
) -> None:
    """Generate, or say what is stale."""
    if (blueprints is not None or kubevela != "") != (to is not None):
        raise typer.BadParameter("--to belongs to --blueprints or --kubevela, and they need it")
    if kubevela not in ("", older.KUBEVELA) or (kubevela and blueprints):
        raise typer.BadParameter(f"--kubevela {older.KUBEVELA} alone is another package")
    try:
        plan = _plan(root, blueprints, to, old=kubevela != "")
    except (source.SourceError, cue.CueMissingError, ValueError) as e:
        typer.echo(f"tandem: {e}", err=True)
        raise typer.Exit(1) from None
    changed = plan.stale() if check else plan.write()
    for path in changed:
        typer.echo(f"{'stale' if check else 'wrote'} {path}", err=check)
    if check and changed:
        typer.echo("tandem: run `tandem generate` and commit what it writes", err=True)
        raise typer.Exit(1)


def _plan(root: Path, blueprints: Path | None, to: Path | None, *, old: bool) -> project.Plan:
    if to is None:
        return project.whole(root)
    if old:
        return project.for_kubevela_1_9(root, to)
    return project.definitions_only(blueprints or root / "definitions", to)
