"""The composition root of the webhook process: admission and conversion.

A process of its own, so that decoding a large list never delays an answer that the API
server waits for. Every replica serves; none needs to lead.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import structlog

from tandem_controller.api.crd import ROLLOUT_CRD, crds, with_conversion
from tandem_controller.api.rollout import Rollout
from tandem_controller.caches import Caches
from tandem_controller.effect import Kind
from tandem_controller.install import CRD, apply, guard_resource
from tandem_controller.kinds import WATCHED
from tandem_controller.kube.client import Client, PatchType
from tandem_controller.kube.errors import AlreadyExists, ApiError, Conflict, NotFound
from tandem_controller.kube.reflector import Reflector
from tandem_controller.kube.resource import Resource
from tandem_controller.signals import on_stop_signal
from tandem_controller.webhooks.certificates import (
    CERT_MANAGER_ANNOTATION,
    Bundle,
    Due,
    next_look,
    renewed,
    what_is_due,
)
from tandem_controller.webhooks.configuration import (
    CONVERT_PATH,
    Endpoint,
    mutating_configuration,
    validating_configuration,
)
from tandem_controller.webhooks.server import WebhookServer

COMPONENT = "tandem-webhook"
SECRET_NAME = "tandem-webhook-tls"
RETRY_SECONDS = 5.0
SECRET = Resource("", "v1", "secrets", "Secret")
SELF_REVIEW = "/apis/authentication.k8s.io/v1/selfsubjectreviews"

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class WebhookSettings:
    """How the webhooks are reached: by a Service, or by URL where `service` is empty."""

    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str = "vela-system"
    host: str = "0.0.0.0"
    port: int = 9443
    service: str = ""
    writers: tuple[str, ...] = field(default=())
    """Users that Tandem writes as besides the one of this process."""
    drain_seconds: float = 10.0


class Lookup:
    """What admission may know: the Rollouts, from a watch."""

    def __init__(self, caches: Caches, reflector: Reflector[Rollout]) -> None:
        self._caches = caches
        self._reflector = reflector

    def rollouts_for(self, namespace: str, kind: str, name: str) -> Iterable[Rollout]:
        """Return the Rollouts that name a workload."""
        return self._caches.rollouts_for(namespace, kind, name)

    def rollouts_in(self, namespace: str) -> Iterable[Rollout]:
        """Return all Rollouts of a namespace."""
        return self._caches.stores[Kind.ROLLOUT].list(namespace)

    @property
    def has_synced(self) -> bool:
        """Whether the cache is complete."""
        return self._reflector.has_synced.is_set()


async def run_webhook(settings: WebhookSettings) -> None:
    """Serve until SIGTERM or SIGINT, then drain."""
    client = await Client.connect(
        kubeconfig=settings.kubeconfig, context=settings.context, user_agent=COMPONENT
    )
    try:
        await _serve(settings, client)
    finally:
        await client.close()


async def _serve(settings: WebhookSettings, client: Client) -> None:
    stopping = on_stop_signal()
    caches = Caches()
    watched = WATCHED[Kind.ROLLOUT]
    reflector: Reflector[Rollout] = Reflector(
        client,
        watched.resource,
        decode=watched.decode,
        store=caches.stores[Kind.ROLLOUT],
        on_change=lambda _old, _new: None,
    )
    writers = {*settings.writers, await _own_name(client)}
    server = WebhookServer(
        lookup=Lookup(caches, reflector), writers=writers, host=settings.host, port=settings.port
    )
    keeper = _CertificateKeeper(settings, client, server, writers)
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(reflector.run())]
        await reflector.has_synced.wait()
        await keeper.begin()
        running.append(tasks.create_task(keeper.keep()))
        await stopping.wait()
        await server.stop(drain_seconds=settings.drain_seconds)
        for task in running:
            task.cancel()


async def _own_name(client: Client) -> str:
    """Return the user that this process writes as (SelfSubjectReview, GA since 1.28)."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    raw = await client.request("POST", SELF_REVIEW, body)
    return str(msgspec.json.decode(raw)["status"]["userInfo"]["username"])


class _CertificateKeeper:
    """Keeps the certificate valid, in the Secret, in the server and in what points to it."""

    def __init__(
        self, settings: WebhookSettings, client: Client, server: WebhookServer, writers: set[str]
    ) -> None:
        self._settings = settings
        self._client = client
        self._server = server
        self._writers = writers

    async def begin(self) -> None:
        """Have a certificate, listen, then tell the API server."""
        bundle = await self._bundle()
        self._server.use(bundle)
        await self._server.start()
        await self._point_to_us(bundle)

    async def keep(self) -> None:
        """Renew in time; a failure is tried again soon."""
        while True:
            try:
                bundle = await self._bundle()
                self._server.use(bundle)
                await self._point_to_us(bundle)
                seconds = (next_look(bundle, _now()) - _now()).total_seconds()
            except ApiError as error:
                log.warning(
                    "The certificate could not be kept; it is tried again.", error=str(error)
                )
                seconds = 0.0
            await asyncio.sleep(max(RETRY_SECONDS, seconds))

    async def _bundle(self) -> Bundle:
        """Return a bundle in which nothing is due, made and stored where there is none."""
        while True:
            secret = await self._read()
            bundle = Bundle.from_secret(_data(secret)) if secret else None
            theirs = CERT_MANAGER_ANNOTATION in _annotations(secret)
            due = what_is_due(bundle, self._names(), _now())
            if bundle and (theirs or due is Due.NOTHING):
                return bundle
            fresh = renewed(bundle, self._names(), _now())
            try:
                await self._write(secret, fresh)
            except (AlreadyExists, Conflict):
                continue  # another replica was faster: its certificate is ours
            return fresh

    async def _read(self) -> dict[str, object] | None:
        try:
            raw = await self._client.get(SECRET, SECRET_NAME, self._settings.namespace)
        except NotFound:
            return None
        secret: dict[str, object] = msgspec.json.decode(raw)
        return secret

    async def _write(self, secret: dict[str, object] | None, bundle: Bundle) -> None:
        data = {k: base64.b64encode(v).decode() for k, v in bundle.to_secret().items()}
        namespace = self._settings.namespace
        if secret is None:
            body = {"metadata": {"name": SECRET_NAME}, "type": "kubernetes.io/tls", "data": data}
            await self._client.create(SECRET, body, namespace, field_manager=COMPONENT)
            return
        version = msgspec.convert(secret["metadata"], dict[str, object])["resourceVersion"]
        patch = {"metadata": {"resourceVersion": version}, "data": data}
        await self._client.patch(SECRET, SECRET_NAME, patch, namespace, patch_type=PatchType.MERGE)

    async def _point_to_us(self, bundle: Bundle) -> None:
        endpoint = self._endpoint(bundle.ca)
        for body in (
            mutating_configuration(endpoint, self._writers),
            validating_configuration(endpoint, self._writers),
        ):
            await apply(self._client, guard_resource(body), body)
        converted = with_conversion(crds()[ROLLOUT_CRD], endpoint.client_config(CONVERT_PATH))
        await apply(self._client, CRD, converted)

    def _names(self) -> list[str]:
        if not self._settings.service:
            return [self._settings.host]
        full = f"{self._settings.service}.{self._settings.namespace}.svc"
        return [full, f"{full}.cluster.local"]

    def _endpoint(self, ca: bytes) -> Endpoint:
        if not self._settings.service:
            url = f"https://{self._settings.host}:{self._server.port}"
            return Endpoint(ca_bundle=ca, url=url)
        return Endpoint(
            ca_bundle=ca,
            service_namespace=self._settings.namespace,
            service_name=self._settings.service,
        )


def _data(secret: dict[str, object]) -> dict[str, bytes]:
    encoded = msgspec.convert(secret.get("data") or {}, dict[str, str])
    return {key: base64.b64decode(value) for key, value in encoded.items()}


def _annotations(secret: dict[str, object] | None) -> dict[str, object]:
    metadata = msgspec.convert((secret or {}).get("metadata") or {}, dict[str, object])
    return msgspec.convert(metadata.get("annotations") or {}, dict[str, object])


def _now() -> datetime:
    return datetime.now(tz=UTC)
