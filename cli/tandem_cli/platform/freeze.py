"""`tandem platform freeze` and `unfreeze`: keep waves out of a namespace, with a reason."""

from __future__ import annotations

from tandem_cli.platform.fleet import NAMESPACES
from tandem_cli.session import Refusal
from tandem_controller import keys
from tandem_controller.kube.client import Client, PatchType
from tandem_controller.kube.errors import NotFound


async def freeze(client: Client, namespace: str, reason: str | None) -> None:
    """Annotate a Namespace with the reason; None lifts the freeze.

    Raises:
        Refusal: when there is no such namespace.
    """
    try:
        await client.patch(
            NAMESPACES,
            namespace,
            {"metadata": {"annotations": {keys.FREEZE: reason}}},
            patch_type=PatchType.MERGE,
            field_manager="tandem",
        )
    except NotFound:
        raise Refusal(f"there is no namespace {namespace!r}") from None
