"""`tandem render`: what KubeVela would apply, without KubeVela and without a cluster."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
import yaml

from tandem_generator import application, cue, source
from tandem_generator.catalog import Catalog

DEFAULT_DEFINITIONS = Path("addon/tandem/definitions")


class Format(StrEnum):
    """How objects are printed."""

    YAML = "yaml"
    JSON = "json"


FilesArgument = Annotated[
    list[Path], typer.Argument(metavar="FILE...", help="YAML files; other objects pass as they are")
]
DefinitionsOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--definitions",
        help="Folder of CUE definitions; may be repeated, the first that knows a type wins",
    ),
]
NamespaceOption = Annotated[
    str, typer.Option("--namespace", "-n", help="Namespace where the file states none")
]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("render", help="Print the objects that an Application becomes.")(command)


def command(
    files: FilesArgument,
    definitions: DefinitionsOption = None,
    namespace: NamespaceOption = "default",
    output: Annotated[Format, typer.Option("--output", "-o")] = Format.YAML,
) -> None:
    """Render and print."""
    typer.echo(show(objects_or_exit(files, definitions, namespace), output), nl=False)


def objects_or_exit(
    files: list[Path], definitions: list[Path] | None, namespace: str
) -> list[dict[str, Any]]:
    """Render files; a fault of the user's is one line and exit code 1."""
    try:
        return render(files, definitions or [default_definitions()], namespace)
    except (source.SourceError, cue.CueMissingError, ValueError, OSError) as e:
        typer.echo(f"tandem: {e}", err=True)
        raise typer.Exit(1) from None


def render(files: list[Path], definitions: list[Path], namespace: str) -> list[dict[str, Any]]:
    """Return the objects of all files, in order."""
    catalog = Catalog.read(definitions)
    objects: list[dict[str, Any]] = []
    for document in (d for file in files for d in source.load(file)):
        if application.is_application(document):
            for note in application.left_out(document):
                typer.echo(f"tandem: note: {note}", err=True)
            objects.extend(application.render(document, catalog, namespace))
        else:
            objects.append(source.plain(document.node))
    return objects


def show(objects: list[dict[str, Any]], output: Format) -> str:
    """Return objects as a stream of YAML documents, or as a JSON List; keys are sorted."""
    if output is Format.YAML:
        return yaml.safe_dump_all(objects, sort_keys=True, allow_unicode=True)
    items = {"apiVersion": "v1", "kind": "List", "items": objects}
    return msgspec.json.format(msgspec.json.encode(items, order="sorted")).decode() + "\n"


def default_definitions() -> Path:
    """Return the generated definitions of the project around the current folder."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / DEFAULT_DEFINITIONS).is_dir():
            return folder / DEFAULT_DEFINITIONS
    raise ValueError(f"no {DEFAULT_DEFINITIONS} here or above: give --definitions FOLDER")
