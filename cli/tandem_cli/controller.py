"""`tandem controller run` and `webhook`: the controller's own command, beside the others."""

from __future__ import annotations

import typer

from tandem_controller import command

AS_GIVEN = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
"""The arguments are the other command's to understand, also `--help`."""


def register(app: typer.Typer) -> None:
    """Add the verb family."""
    app.command("controller", help="Run the controller.", context_settings=AS_GIVEN)(controller)


def controller(context: typer.Context) -> None:
    """Hand everything to the command that the controller's image has."""
    raise typer.Exit(command.main(context.args, program="tandem controller"))
