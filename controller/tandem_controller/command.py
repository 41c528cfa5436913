"""The command of the controller's image: `tandem-controller run` and `webhook`.

It stands in this distribution, and needs nothing but Python's own argument parser, so that the
image carries neither the generator nor libraries of a terminal. `tandem controller` is the same
command where the whole workspace is installed.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from tandem_controller.app import Settings
from tandem_controller.app import run as run_replica
from tandem_controller.decide.admission.application import Checkpoint, Mode
from tandem_controller.decide.checkpoint.properties import PLATFORM_PROPERTIES
from tandem_controller.kube.lease import LeadershipLost
from tandem_controller.signals import on_stop_signal
from tandem_controller.standby import OtherControllerError
from tandem_controller.telemetry import configure_logging
from tandem_controller.webhooks.run import WebhookSettings, run_webhook


def main(arguments: Sequence[str] | None = None, *, program: str = "tandem-controller") -> int:
    """Run one of the two processes until it is stopped; the exit code.

    `arguments` are those of the process where none are given. Code 1 means that the replica
    is to be started again, because leadership was lost or another controller was started; 2 that
    the arguments are wrong.
    """
    given = parser(program).parse_args(arguments)
    configure_logging(as_json=given.log_format == "json", level=given.log_level)
    return _webhook(given) if given.verb == "webhook" else _run(given)


def parser(program: str) -> argparse.ArgumentParser:
    """Return what the command understands; `program` is its name in help and errors."""
    made = argparse.ArgumentParser(
        prog=program, description="Run Tandem in, or beside, a cluster.", allow_abbrev=False
    )
    verbs = made.add_subparsers(dest="verb", required=True, metavar="VERB")
    _run_options(verbs.add_parser("run", help="run one replica until it is stopped"))
    _webhook_options(
        verbs.add_parser("webhook", help="serve admission and conversion until it is stopped")
    )
    for verb in verbs.choices.values():
        _common_options(verb)
    return made


def _run(given: argparse.Namespace) -> int:
    settings = Settings(
        kubeconfig=given.kubeconfig,
        context=given.context,
        namespace=given.namespace,
        watch_namespaces=frozenset(given.watch_namespace),
        health_address=given.health_address,
        health_port=given.health_port,
    )
    try:
        asyncio.run(run_replica(settings))
    except LeadershipLost as lost:
        sys.stderr.write(f"tandem: leadership was lost: {lost}\n")
        return 1
    except OtherControllerError as joined:
        return _stepped_aside(joined)
    return 0


def _webhook(given: argparse.Namespace) -> int:
    settings = WebhookSettings(
        kubeconfig=given.kubeconfig,
        context=given.context,
        namespace=given.namespace,
        service=given.service,
        url=given.url,
        host=given.host,
        port=given.port,
        writers=frozenset(given.writer),
        watch_namespaces=frozenset(given.watch_namespace),
        drain_seconds=given.drain_seconds,
        checkpoint=Checkpoint(
            mode=Mode(given.checkpoint),
            platform=tuple(given.checkpoint_platform or PLATFORM_PROPERTIES),
        ),
    )

    async def serve() -> None:
        await run_webhook(settings, on_stop_signal())

    try:
        asyncio.run(serve())
    except OtherControllerError as joined:
        return _stepped_aside(joined)
    return 0


def _stepped_aside(joined: OtherControllerError) -> int:
    sys.stderr.write(f"tandem: {joined}; the next start stands by\n")
    return 1


def _common_options(verb: argparse.ArgumentParser) -> None:
    add = verb.add_argument
    where = "where the cluster is; default: KUBECONFIG, then the pod's"
    add("--kubeconfig", type=Path, metavar="FILE", help=where)
    add("--context", metavar="NAME", help="context of the kubeconfig")
    add("--namespace", default="vela-system", help="where Lease and certificate are kept")
    watched = "only this namespace; repeatable; default: all"
    add("--watch-namespace", action="append", default=[], metavar="NAME", help=watched)
    add("--log-format", choices=("json", "text"), default="json")
    add("--log-level", choices=("debug", "info", "warning", "error"), default="info")


def _run_options(verb: argparse.ArgumentParser) -> None:
    add = verb.add_argument
    add("--health-address", default="0.0.0.0", help="address of probes and metrics")
    port = "port of probes and metrics; 0: any free one"
    add("--health-port", type=int, default=8080, metavar="PORT", help=port)


def _webhook_options(verb: argparse.ArgumentParser) -> None:
    add = verb.add_argument
    service = "Service by which the API server reaches this"
    add("--service", default="tandem-webhook", help=service)
    url = "base URL instead of a Service; a port of 0 stands for the real one"
    add("--url", default="", help=url)
    add("--host", default="0.0.0.0", help="address to listen on")
    add("--port", type=int, default=9443, help="port to listen on; 0: any free one")
    writer = "another user that Tandem writes as; repeatable"
    add("--writer", action="append", default=[], metavar="USER", help=writer)
    judged = "what becomes of an Application in which a component update and a release meet"
    add("--checkpoint", choices=[mode.value for mode in Mode], default=Mode.OFF.value, help=judged)
    platform = "name pattern of properties of the platform part; repeatable"
    add("--checkpoint-platform", action="append", metavar="PATTERN", help=platform)
    drain = "how long to go on answering after SIGTERM"
    add("--drain-seconds", type=float, default=10.0, metavar="SECONDS", help=drain)


if __name__ == "__main__":
    sys.exit(main())
