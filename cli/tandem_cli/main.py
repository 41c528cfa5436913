"""The `tandem` command.

A verb is a module with `register(app)`; `VERBS` names it. Only the module of the verb
that was called is imported: `tandem --help` does not wait for what it does not need.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

import typer

VERBS = {
    "render": ("tandem_cli.render", "Print the objects that an Application becomes."),
    "apply": ("tandem_cli.apply", "Render an Application and apply its objects."),
    "checkpoint": (
        "tandem_cli.checkpoint.commands",
        "Keep component updates and business releases apart.",
    ),
    "get": ("tandem_cli.get", "Show releases, or everything about one."),
    "watch": ("tandem_cli.watch", "Follow releases live, or wait for them."),
    "approve": ("tandem_cli.approve", "Let the step at which a release waits pass."),
    "rollback": ("tandem_cli.rollback", "Bring an earlier version back, init image included."),
    "accept": ("tandem_cli.accept", "Release a platform change that is held."),
    "retry": ("tandem_cli.retry", "Release a version again that was rolled back."),
    "platform": ("tandem_cli.platform.commands", "Roll a platform version out in waves."),
    "doctor": (
        "tandem_cli.doctor.commands",
        "Find what is wrong around releases, and the way out.",
    ),
    "migrate": ("tandem_cli.migration.commands", "Move a cluster from Kruise Rollouts to Tandem."),
    "generate": ("tandem_cli.generate", "Make the definitions and the addon from blueprints."),
    "lint": ("tandem_cli.lint", "Find images and containers that definitions fix."),
    "decouple": ("tandem_cli.decouple", "Make parameters of the images that a definition fixes."),
    "semver": ("tandem_cli.semver", "Say which version step a definition's change needs."),
    "controller": ("tandem_cli.controller", "Run the controller."),
}
"""Verb, its module, its line in `tandem --help`."""


def main() -> None:
    """Run the command."""
    build(sys.argv[1:])()


def build(arguments: Sequence[str]) -> typer.Typer:
    """Return the command with the verb that the arguments name; others only have a line."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        help="Progressive delivery in which init image and business image move together or apart.",
    )
    app.callback()(_root)
    called = next((a for a in arguments if not a.startswith("-")), "")
    for verb, (module, line) in VERBS.items():
        if verb == called:
            importlib.import_module(module).register(app)
        else:
            app.command(verb, help=line)(_root)
    return app


def _root() -> None:
    """Stand in for a verb that is not called."""
