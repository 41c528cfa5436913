"""`tandem apply`: render, then server-side apply in the order that KubeVela keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from tandem_cli import render
from tandem_controller.kube.client import Client, PatchType
from tandem_controller.kube.errors import ApiError, NotFound
from tandem_controller.kube.resource import Resource, group_path

FIELD_MANAGER = "tandem"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("apply", help="Render an Application and apply its objects.")(command)


def command(
    files: render.FilesArgument,
    definitions: render.DefinitionsOption = None,
    namespace: render.NamespaceOption = "default",
    kubeconfig: Annotated[Path | None, typer.Option(help="Where the cluster is")] = None,
    context: Annotated[str | None, typer.Option(help="Context of the kubeconfig")] = None,
) -> None:
    """Render and apply; the first refusal ends it."""
    objects = render.objects_or_exit(files, definitions, namespace)
    try:
        asyncio.run(_apply(objects, kubeconfig, context))
    except ApiError as e:
        typer.echo(f"tandem: {e.message}", err=True)
        raise typer.Exit(1) from None


async def _apply(
    objects: Iterable[Mapping[str, Any]], kubeconfig: Path | None, context: str | None
) -> None:
    client = await Client.connect(
        kubeconfig=kubeconfig, context=context, user_agent="tandem-cli/apply"
    )
    try:
        await apply(client, objects)
    finally:
        await client.close()


async def apply(client: Client, objects: Iterable[Mapping[str, Any]]) -> None:
    """Apply objects in order, taking over fields that others own."""
    served = _Served(client)
    for item in objects:
        path = await served.path(item)
        await client.request(
            "PATCH",
            path,
            item,
            {"fieldManager": FIELD_MANAGER, "force": "true"},
            PatchType.APPLY,
        )
        typer.echo(f"applied {item['kind']} {_name(item)}")


class _ServedKind(msgspec.Struct):
    name: str
    kind: str
    namespaced: bool


class _ServedKinds(msgspec.Struct):
    resources: list[_ServedKind]


class _Served:
    """Where kinds live on the API server, asked once for each group and version."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._kinds: dict[str, dict[str, _ServedKind]] = {}

    async def path(self, item: Mapping[str, Any]) -> str:
        """Return the URL path of an object."""
        api_version, kind = str(item["apiVersion"]), str(item["kind"])
        served = (await self._group(api_version)).get(kind)
        if served is None:
            typer.echo(f"tandem: the cluster does not serve {kind} of {api_version}", err=True)
            raise typer.Exit(1)
        group, _, version = api_version.rpartition("/")
        metadata = item["metadata"]
        resource = Resource(group, version, served.name, kind, served.namespaced)
        namespace = metadata.get("namespace", "default") if served.namespaced else None
        return resource.path(namespace, metadata["name"])

    async def _group(self, api_version: str) -> dict[str, _ServedKind]:
        if api_version not in self._kinds:
            group, _, version = api_version.rpartition("/")
            try:
                answer = await self._client.request("GET", group_path(group, version))
                kinds = msgspec.json.decode(answer, type=_ServedKinds).resources
            except NotFound:
                kinds = []
            found = {k.kind: k for k in kinds if "/" not in k.name}
            self._kinds[api_version] = found
        return self._kinds[api_version]


def _name(item: Mapping[str, Any]) -> str:
    metadata = item["metadata"]
    return "/".join(filter(None, (metadata.get("namespace"), metadata["name"])))
