"""`tandem doctor`: look, say what is wrong, print the way out; on request un-pause left-overs.

Exit codes: 0 all well; 1 something is to be done; 2 it could not look.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

import msgspec
import typer

from tandem_cli import show
from tandem_cli.doctor.checks import examine
from tandem_cli.doctor.finding import Cluster, Finding, problems
from tandem_cli.doctor.look import look
from tandem_cli.session import Access, ContextOption, KubeconfigOption, Refusal
from tandem_controller.api.meta import Model
from tandem_controller.effect import Kind
from tandem_controller.keys import FROZEN, IN_PROGRESSING
from tandem_controller.kinds import WATCHED
from tandem_controller.kube.client import Client, PatchType
from tandem_controller.workloads.deployment import frozen_fields

COULD_NOT_LOOK = 2
LEFT_PAUSED = "left-paused"


class Format(StrEnum):
    """How findings are printed."""

    TEXT = "text"
    JSON = "json"


class Report(Model, frozen=True, omit_defaults=False):
    """Everything that was found, and what could not be read."""

    findings: list[Finding]
    unread: dict[str, str]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("doctor", help="Find what is wrong around releases, and the way out.")(command)


def command(
    *,
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Tandem's own namespace")
    ] = "vela-system",
    fix: Annotated[
        bool, typer.Option("--fix", help="Un-pause Deployments that a gone Rollout left paused")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="With --fix: do not ask")] = False,
    output: Annotated[
        Format, typer.Option("--output", "-o", show_default=False, help="Default: text")
    ] = Format.TEXT,
    kubeconfig: KubeconfigOption = None,
    context: ContextOption = None,
) -> None:
    """Look at the cluster as far as your rights go; no Tandem process is needed for it.

    Exit code 0: all well; 1: something is to be done; 2: it could not look.
    """

    async def work(client: Client) -> Report:
        cluster = await _looked(client, namespace)
        found = examine(cluster)
        if fix and (left := [f for f in found if f.check == LEFT_PAUSED]):
            await _fix(client, cluster, left, yes=yes)
            cluster = await _looked(client, namespace)
            found = examine(cluster)
        return Report(findings=found, unread=cluster.unread)

    report = Access("doctor", kubeconfig, context, error_code=COULD_NOT_LOOK).run(work)
    if output is Format.JSON:
        typer.echo(msgspec.json.format(msgspec.json.encode(report)).decode())
    else:
        for line in lines(report):
            typer.echo(line)
    raise typer.Exit(1 if problems(report.findings) else 0)


async def _looked(client: Client, namespace: str) -> Cluster:
    cluster = await look(client, namespace)
    if not any(cluster.objects.values()) and cluster.unread:
        reason = next(iter(cluster.unread.values()))
        raise Refusal(f"nothing could be read: {reason}", code=COULD_NOT_LOOK)
    return cluster


def lines(report: Report) -> list[str]:
    """Return a report for people."""
    table = show.plain_table("", "CHECK", "OBJECT", "WHAT", "WHAT TO DO")
    for one in report.findings:
        table.add_row(one.severity, one.check, one.object, one.what, one.remedy)
    unread = [f"could not be read: {kind}: {why}" for kind, why in report.unread.items()]
    found = show.lines(table) if report.findings else []
    ended = [] if problems(report.findings) else ["all well"]
    return [*found, *unread, *ended]


async def _fix(client: Client, cluster: Cluster, left: Iterable[Finding], *, yes: bool) -> None:
    """Un-pause what was left behind, with its user's strategy; each rolls out what it states."""
    for finding in left:
        namespace, _, name = finding.object.removeprefix("Deployment ").partition("/")
        question = f"Un-pause {finding.object}? It rolls out the template that it states."
        if not yes and not _agreed(question):
            continue
        seen = cluster.caches.stores[Kind.DEPLOYMENT].get(namespace, name)
        if seen is None:
            continue
        meta = seen.metadata
        precondition = {"uid": meta.uid, "resourceVersion": meta.resource_version}
        body = {
            "metadata": {**precondition, "annotations": {IN_PROGRESSING: None, FROZEN: None}},
            "spec": {**frozen_fields(seen), "paused": None},
        }
        await client.patch(
            WATCHED[Kind.DEPLOYMENT].resource,
            name,
            body,
            namespace,
            patch_type=PatchType.MERGE,
            field_manager="tandem-doctor",
        )
        typer.echo(f"un-paused {finding.object}", err=True)


def _agreed(question: str) -> bool:
    if not sys.stdin.isatty():
        raise Refusal("nobody can be asked here: see the findings, then --fix --yes", code=2)
    return typer.confirm(question, err=True)
