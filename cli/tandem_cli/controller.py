"""`tandem controller run` and `webhook`: the two processes, in a cluster or beside one."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from tandem_controller.decide.admission.application import Checkpoint, Mode
from tandem_controller.decide.checkpoint.properties import PLATFORM_PROPERTIES


def register(app: typer.Typer) -> None:
    """Add the verb family."""
    family = typer.Typer(no_args_is_help=True, help="Run the controller.")
    family.callback()(lambda: None)
    family.command("run", help="Run one replica until it is stopped.")(run)
    family.command("webhook", help="Serve admission and conversion until it is stopped.")(webhook)
    app.add_typer(family, name="controller")


def run(
    kubeconfig: Annotated[
        Path | None, typer.Option(help="Where the cluster is; default: KUBECONFIG, then the pod's")
    ] = None,
    context: Annotated[str | None, typer.Option(help="Context of the kubeconfig")] = None,
    namespace: Annotated[
        str, typer.Option(help="Where Lease and certificates are kept")
    ] = "vela-system",
    watch_namespace: Annotated[
        list[str] | None, typer.Option(help="Only this namespace; repeatable; default: all")
    ] = None,
    health_address: Annotated[str, typer.Option(help="Address of probes and metrics")] = "0.0.0.0",
    health_port: Annotated[
        int, typer.Option(help="Port of probes and metrics; 0: any free one")
    ] = 8080,
    log_format: Annotated[str, typer.Option(help="json or text")] = "json",
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error")] = "info",
) -> None:
    """Run one replica; exit code 1 when leadership was lost, so that it is restarted."""
    from tandem_controller.app import Settings  # noqa: PLC0415 - keeps `tandem --help` fast
    from tandem_controller.app import run as run_replica  # noqa: PLC0415
    from tandem_controller.kube.lease import LeadershipLost  # noqa: PLC0415
    from tandem_controller.telemetry import configure_logging  # noqa: PLC0415

    configure_logging(as_json=log_format == "json", level=log_level)
    settings = Settings(
        kubeconfig=kubeconfig,
        context=context,
        namespace=namespace,
        watch_namespaces=frozenset(watch_namespace or ()),
        health_address=health_address,
        health_port=health_port,
    )
    try:
        asyncio.run(run_replica(settings))
    except LeadershipLost as lost:
        typer.echo(f"tandem: leadership was lost: {lost}", err=True)
        sys.exit(1)


def webhook(
    kubeconfig: Annotated[
        Path | None, typer.Option(help="Where the cluster is; default: KUBECONFIG, then the pod's")
    ] = None,
    context: Annotated[str | None, typer.Option(help="Context of the kubeconfig")] = None,
    namespace: Annotated[str, typer.Option(help="Where the certificate is kept")] = "vela-system",
    service: Annotated[
        str, typer.Option(help="Service by which the API server reaches this")
    ] = "tandem-webhook",
    url: Annotated[
        str, typer.Option(help="Base URL instead of a Service; a port of 0 stands for the real one")
    ] = "",
    host: Annotated[str, typer.Option(help="Address to listen on")] = "0.0.0.0",
    port: Annotated[int, typer.Option(help="Port to listen on; 0: any free one")] = 9443,
    writer: Annotated[
        list[str] | None, typer.Option(help="Another user that Tandem writes as; repeatable")
    ] = None,
    checkpoint: Annotated[
        Mode,
        typer.Option(
            help="What becomes of an Application in which a component update and a business "
            "release come together",
        ),
    ] = Mode.OFF,
    checkpoint_platform: Annotated[
        list[str] | None,
        typer.Option(help="Name pattern of properties of the platform part; repeatable"),
    ] = None,
    watch_namespace: Annotated[
        list[str] | None, typer.Option(help="Only this namespace; repeatable; default: all")
    ] = None,
    drain_seconds: Annotated[
        float, typer.Option(help="How long to go on answering after SIGTERM")
    ] = 10.0,
    log_format: Annotated[str, typer.Option(help="json or text")] = "json",
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error")] = "info",
) -> None:
    """Serve admission and conversion, and keep their certificate."""
    from tandem_controller.signals import on_stop_signal  # noqa: PLC0415
    from tandem_controller.telemetry import configure_logging  # noqa: PLC0415
    from tandem_controller.webhooks.run import WebhookSettings, run_webhook  # noqa: PLC0415

    configure_logging(as_json=log_format == "json", level=log_level)
    settings = WebhookSettings(
        kubeconfig=kubeconfig,
        context=context,
        namespace=namespace,
        service=service,
        url=url,
        host=host,
        port=port,
        writers=frozenset(writer or ()),
        watch_namespaces=frozenset(watch_namespace or ()),
        drain_seconds=drain_seconds,
        checkpoint=Checkpoint(
            mode=checkpoint,
            platform=tuple(checkpoint_platform or PLATFORM_PROPERTIES),
        ),
    )

    async def serve() -> None:
        await run_webhook(settings, on_stop_signal())

    asyncio.run(serve())
