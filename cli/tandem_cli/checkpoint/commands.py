"""`tandem checkpoint`: keeps a component update and a business release apart, in CI."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, NoReturn

import typer

from tandem_cli import render
from tandem_cli.checkpoint import show, sides
from tandem_cli.checkpoint.sources import CLUSTER, Reader, UnjudgeableError
from tandem_cli.session import ContextOption, KubeconfigOption
from tandem_controller.api.policy import Containers
from tandem_controller.decide.checkpoint.judge import check
from tandem_generator import application, cue, source
from tandem_generator.catalog import Catalog

HELP = """Fail when a component update and a business release would go out together.

A component update is another version of a component's definition, or a change of init \
containers and other platform containers. A business release is any other change of the pods.

A SIDE is a file, - (stdin), git:REVISION:PATH, or cluster:NAMESPACE/NAME of an Application. \
It holds Applications, which are rendered, or what was rendered of them (tandem render, vela \
dry-run, helm template): both are compared component by component.

Exit codes: 0 it may go out; 1 it must not go out together; 2 it cannot be judged (a side or a \
definition cannot be read, or an Application cannot be rendered), and the message says why.
"""


class Format(StrEnum):
    """How the outcome is printed."""

    TEXT = "text"
    JSON = "json"


_Definitions = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FOLDER",
        help="Definitions that render this side: a folder, git:REVISION:FOLDER, or "
        "cluster:NAMESPACE/NAME for those that rendered a live Application; repeatable. "
        "Default: of a live Application its own, else the generated ones of the project around "
        "the current folder",
    ),
]
_Patterns = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Name pattern of containers of this part; repeatable"),
]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("checkpoint", help=HELP)(command)


def command(
    old: Annotated[str, typer.Option("--from", metavar="SIDE", help="What runs now")],
    new: Annotated[str, typer.Option("--to", metavar="SIDE", help="What is to run")],
    definitions_from: _Definitions = None,
    definitions_to: _Definitions = None,
    platform: _Patterns = None,
    business: _Patterns = None,
    whole: Annotated[
        bool,
        typer.Option(
            "--whole",
            help="Judge each Application whole: an update of one component counts against a "
            "release of another",
        ),
    ] = False,
    allow_both: Annotated[
        bool, typer.Option("--allow-both", help="Let both go out together, and say so loudly")
    ] = False,
    namespace: render.NamespaceOption = "default",
    output: Annotated[Format, typer.Option("--output", "-o")] = Format.TEXT,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Compare, print, and end with the verdict's exit code."""
    containers = Containers(platform=tuple(platform or ()), business=tuple(business or ()))
    try:
        compared = _sides(
            Reader(kubeconfig, context),
            (old, new),
            (definitions_from, definitions_to),
            namespace,
        )
    except (UnjudgeableError, source.SourceError, cue.CueMissingError, ValueError) as error:
        _unjudged(str(error), output)
    report = check(compared.before, compared.after, containers=containers, whole=whole)
    outcome = show.judge(report, compared.notes, compared.waivers, allow=allow_both)
    typer.echo((show.json if output is Format.JSON else show.text)(outcome), nl=False)
    if output is Format.JSON:
        for sentence in outcome.allowed:
            typer.echo(f"tandem: ALLOWED TO GO OUT TOGETHER: {sentence}", err=True)
    raise typer.Exit(show.EXIT_CODES[outcome.verdict])


def _sides(
    reader: Reader,
    wheres: tuple[str, str],
    folders: tuple[list[str] | None, list[str] | None],
    namespace: str,
) -> sides.Sides:
    if wheres == ("-", "-"):
        raise UnjudgeableError("--from and --to cannot both be -: there is one stdin")
    old, new = (
        _input(reader, where, folder, namespace)
        for where, folder in zip(wheres, folders, strict=True)
    )
    return sides.build(old, new)


def _input(reader: Reader, where: str, folders: list[str] | None, namespace: str) -> sides.Input:
    """Read a side and, where it holds Applications, its definitions.

    A live Application is rendered by the definitions that rendered it, unless others are named.
    """
    documents = reader.documents(where)
    if not any(map(application.is_application, documents)):
        return sides.Input(documents, Catalog(()), namespace)
    if not folders:
        folders = [where if where.startswith(CLUSTER) else str(render.default_definitions())]
    exact = not any(folder.startswith(CLUSTER) for folder in folders)
    return sides.Input(documents, Catalog(reader.definitions(folders)), namespace, exact=exact)


def _unjudged(problem: str, output: Format) -> NoReturn:
    """Say why nothing can be judged, and end."""
    if output is Format.JSON:
        typer.echo(show.unjudged_json(problem), nl=False)
    typer.echo(f"tandem: cannot be judged: {problem}", err=True)
    raise typer.Exit(show.EXIT_CODES[show.Verdict.UNJUDGED])
