"""What every verb that talks to a cluster shares: its options, its client, its way to fail."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from tandem_controller.kube.client import Client
from tandem_controller.kube.errors import ApiError, NoCredentials
from tandem_controller.telemetry import configure_logging

T = TypeVar("T")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the Rollout")]
TimeoutOption = Annotated[
    float, typer.Option(min=0, help="With --wait: seconds after which to end, with code 3")
]
NamespaceOption = Annotated[str, typer.Option("--namespace", "-n", help="Namespace of the Rollout")]
KubeconfigOption = Annotated[
    Path | None, typer.Option(help="Where the cluster is; default: KUBECONFIG, then ~/.kube/config")
]
ContextOption = Annotated[str | None, typer.Option(help="Context of the kubeconfig")]


class Refusal(Exception):  # noqa: N818 - it is the answer, not an accident
    """The command cannot do what it was asked; the message is one sentence for the user."""

    def __init__(self, message: str, *, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Access:
    """How a verb reaches the cluster."""

    verb: str
    kubeconfig: Path | None = None
    context: str | None = None
    error_code: int = 1
    """Exit code where the cluster refuses or cannot be asked."""

    def run(self, work: Callable[[Client], Awaitable[T]]) -> T:
        """Do some work with a client; what goes wrong is one line and an exit code."""
        configure_logging(as_json=False, level="warning")
        try:
            return asyncio.run(self._work(work))
        except (Refusal, ApiError, NoCredentials) as error:
            message = error.message if isinstance(error, ApiError) else str(error)
            typer.echo(f"tandem: {message}", err=True)
            raise typer.Exit(
                error.code if isinstance(error, Refusal) else self.error_code
            ) from None
        except KeyboardInterrupt:
            raise typer.Exit(130) from None

    async def _work(self, work: Callable[[Client], Awaitable[T]]) -> T:
        client = await Client.connect(
            kubeconfig=self.kubeconfig,
            context=self.context,
            user_agent=f"tandem-cli/{self.verb}",
        )
        try:
            return await work(client)
        finally:
            await client.close()
