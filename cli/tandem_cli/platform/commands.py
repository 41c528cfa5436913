"""`tandem platform plan|roll|status|freeze|unfreeze`: a platform version over all its workloads.

Exit codes of `roll`: 0 every workload has the version; 1 stopped by a regression, or by an error
in the middle; 2 it cannot begin; 3 nothing regressed, but some workloads were left out.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from enum import StrEnum
from typing import Annotated

import msgspec
import typer

from tandem_cli import show
from tandem_cli.platform import fleet as fleets
from tandem_cli.platform import freeze as freezing
from tandem_cli.platform import overview, roll
from tandem_cli.platform import plan as plans
from tandem_cli.platform.course import OnRegression, Options
from tandem_cli.platform.fleet import Fleet, Scope
from tandem_cli.platform.plan import BadWavesError, Plan
from tandem_cli.platform.report import ExitCode, Report, report
from tandem_cli.platform.standing import Workload
from tandem_cli.platform.target import BadTargetError, Target, parse
from tandem_cli.session import Access, ContextOption, KubeconfigOption, Refusal
from tandem_controller.kube.client import Client
from tandem_controller.kube.errors import ApiError


class Format(StrEnum):
    """How it is printed."""

    TABLE = "table"
    JSON = "json"


ComponentArgument = Annotated[
    str,
    typer.Argument(metavar="COMPONENT[@VERSION]", help="Component definition, and its version"),
]
ImageOption = Annotated[
    list[str] | None,
    typer.Option(
        "--image",
        metavar="CONTAINER=IMAGE",
        help="Only a change that brings this image; for definitions without a version",
    ),
]
NamespacesOption = Annotated[
    list[str] | None,
    typer.Option("--namespace", "-n", help="Only this namespace; may be repeated. Default: all"),
]
SelectorOption = Annotated[
    str, typer.Option("--selector", "-l", help="Only Rollouts with these labels")
]
WavesOption = Annotated[
    str,
    typer.Option(
        help="How many have the version after each wave: numbers, or percentages of those that "
        "have it or can get it"
    ),
]
OutputOption = Annotated[
    Format, typer.Option("--output", "-o", show_default=False, help="Default: a table")
]
NamespaceArgument = Annotated[str, typer.Argument(metavar="NAMESPACE", help="A namespace")]


def register(app: typer.Typer) -> None:
    """Add the verb family."""
    family = typer.Typer(no_args_is_help=True, help="Roll a platform version out in waves.")
    family.callback()(lambda: None)
    family.command("plan", help="Show the waves, and who is left out and why.")(plan)
    family.command("roll", help="Release a platform version in waves.")(roll_out)
    family.command("status", help="Show what all workloads run and hold.")(status)
    family.command("freeze", help="Keep waves out of a namespace.")(freeze)
    family.command("unfreeze", help="Let waves into a namespace again.")(unfreeze)
    app.add_typer(family, name="platform")


def plan(
    component: ComponentArgument,
    *,
    image: ImageOption = None,
    waves: WavesOption = "1,10%,100%",
    namespace: NamespacesOption = None,
    selector: SelectorOption = "",
    output: OutputOption = Format.TABLE,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Show what `roll` with the same words would do now. Nothing is written."""
    target, sizes = _target(component, image), _sizes(waves)

    async def work(client: Client) -> None:
        async with fleets.watching(client, target, _scope(namespace, selector)) as fleet:
            found = _plan(fleet, sizes)
            if output is Format.JSON:
                _print_data(found)
            else:
                overview.print_view(overview.plan_view(found))

    _access("plan", kubeconfig, context).run(work)


def roll_out(
    component: ComponentArgument,
    *,
    image: ImageOption = None,
    waves: WavesOption = "1,10%,100%",
    max_concurrent: Annotated[
        int, typer.Option(min=1, help="So many releases run at once, at most")
    ] = 10,
    timeout: Annotated[
        float,
        typer.Option(min=0, help="Seconds that one workload may take; longer is a regression"),
    ] = 1800,
    approve_steps: Annotated[
        bool,
        typer.Option(
            "--approve-steps/--no-approve-steps",
            help="Approve the steps of the releases that the waves begin; otherwise people do",
        ),
    ] = True,
    on_regression: Annotated[
        OnRegression,
        typer.Option(help="What becomes of the other releases that run when one regresses"),
    ] = OnRegression.FINISH,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask")] = False,
    namespace: NamespacesOption = None,
    selector: SelectorOption = "",
    output: OutputOption = Format.TABLE,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Show the plan, ask, and release the held version wave by wave, on its own.

    Stops at the first regression: rolled back, rejected, or not through in time. The state is
    in the cluster alone: the same command goes on with those that are left.

    Exit code 0: every workload has it; 1: stopped; 2: it cannot begin; 3: some were left out.
    """
    target, sizes = _target(component, image, definite=True), _sizes(waves)
    options = Options(
        max_concurrent=max_concurrent,
        timeout=timedelta(seconds=timeout),
        approve_steps=approve_steps,
        on_regression=on_regression,
    )
    as_data = output is Format.JSON

    async def work(client: Client) -> Report:
        async with fleets.watching(client, target, _scope(namespace, selector)) as fleet:
            found = _plan(fleet, sizes)
            if not as_data:
                overview.print_view(overview.plan_view(found))
            if found.members and not yes:
                await _confirm(found, options)
            return await _roll(client, fleet, found, options, as_data=as_data)

    ended = _access("roll", kubeconfig, context).run(work)
    if as_data:
        _print_data(ended)
    else:
        overview.end_lines(ended, typer.echo)
    raise typer.Exit(ended.exit_code)


def status(
    component: ComponentArgument,
    *,
    image: ImageOption = None,
    namespace: NamespacesOption = None,
    selector: SelectorOption = "",
    output: OutputOption = Format.TABLE,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Show where the workloads of a definition stand; without a version, with whatever is held."""
    target = _target(component, image)

    async def work(client: Client) -> None:
        async with fleets.watching(client, target, _scope(namespace, selector)) as fleet:
            workloads = _some(fleet)
            if output is Format.JSON:
                _print_data({"frozen": fleet.frozen(), "workloads": workloads})
            else:
                named = str(target) if target.definite else f"{target} as it is now"
                overview.print_view(overview.status_view(named, workloads, fleet.frozen()))

    _access("status", kubeconfig, context).run(work)


def freeze(
    namespace: NamespaceArgument,
    *,
    reason: Annotated[str, typer.Option(help="Why; it is shown to whoever rolls")],
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Keep waves out of a namespace: nothing begins there, what runs goes on."""
    _access("freeze", kubeconfig, context).run(
        lambda client: freezing.freeze(client, namespace, reason)
    )
    typer.echo(f"waves stay out of namespace {namespace}: {reason}")


def unfreeze(
    namespace: NamespaceArgument,
    *,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Let waves into a namespace again."""
    _access("unfreeze", kubeconfig, context).run(
        lambda client: freezing.freeze(client, namespace, None)
    )
    typer.echo(f"waves may enter namespace {namespace}")


def _access(verb: str, kubeconfig: KubeconfigOption, context: str | None) -> Access:
    return Access(f"platform-{verb}", kubeconfig, context, error_code=ExitCode.CANNOT_BEGIN)


def _target(component: str, images: list[str] | None, *, definite: bool = False) -> Target:
    try:
        target = parse(component, images or ())
    except BadTargetError as error:
        raise typer.BadParameter(str(error)) from None
    if definite and not target.definite:
        raise typer.BadParameter(
            f"say which version: {component}@VERSION, or --image CONTAINER=IMAGE; for what is "
            f"held: tandem platform status {component}"
        )
    return target


def _sizes(waves: str) -> tuple[plans.Size, ...]:
    try:
        return plans.sizes(waves)
    except BadWavesError as error:
        raise typer.BadParameter(str(error)) from None


def _scope(namespaces: list[str] | None, selector: str) -> Scope:
    return Scope(namespaces=tuple(namespaces or ()), selector=selector)


def _some(fleet: Fleet) -> list[Workload]:
    found = list(fleet.workloads().values())
    if not found:
        raise Refusal(
            f"no Rollout's workload is of component definition {fleet.target.component!r} here; "
            "see -n and -l",
            code=ExitCode.CANNOT_BEGIN,
        )
    return sorted(found, key=lambda workload: workload.key)


def _plan(fleet: Fleet, sizes: tuple[plans.Size, ...]) -> Plan:
    return plans.make(fleet.target, _some(fleet), fleet.frozen(), sizes)


async def _confirm(found: Plan, options: Options) -> None:
    steps = "approving their steps" if options.approve_steps else "their steps wait for approvals"
    question = f"Release {found.target} for {len(found.members)} workloads, {steps}?"
    if not sys.stdin.isatty():
        raise Refusal("nobody can be asked here: see the plan, then --yes", code=2)
    if not await asyncio.to_thread(typer.confirm, question):
        raise Refusal("nothing was begun", code=ExitCode.CANNOT_BEGIN)


async def _roll(
    client: Client, fleet: Fleet, found: Plan, options: Options, *, as_data: bool
) -> Report:
    try:
        with overview.Screen(show.console(), quiet=as_data) as screen:
            course = await roll.roll(client, fleet, found, options, screen.show)
    except ApiError as error:
        raise Refusal(
            f"{error.message}; what runs waits at its step, the same command goes on",
            code=ExitCode.STOPPED,
        ) from None
    return report(course, fleet.workloads(), fleet.frozen())


def _print_data(data: object) -> None:
    typer.echo(msgspec.json.format(msgspec.json.encode(data)).decode())
