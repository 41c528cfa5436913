"""The webhook process: its own cache of Rollouts, its server, its certificates.

It is a process of its own so that no long decode of the controller delays admission. Every
replica serves; none needs the Lease.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog

from tandem_controller import names
from tandem_controller.api.crd import ROLLOUT_CRD
from tandem_controller.decide.admission.application import NO_CHECKPOINT, Checkpoint, Mode
from tandem_controller.install import CRD, install_policies
from tandem_controller.kube.client import Client
from tandem_controller.kube.errors import ApiError
from tandem_controller.kube.wait import StillNotSo, wait_for
from tandem_controller.standby import OtherControllerError, until_alone, until_joined
from tandem_controller.webhooks.addon import is_retired, needs_registration, owners, say_farewell
from tandem_controller.webhooks.cache import ReleaseCache
from tandem_controller.webhooks.certificates import Bundle, next_look
from tandem_controller.webhooks.configuration import Endpoint
from tandem_controller.webhooks.keeper import CertificateKeeper, IncompleteSecretError
from tandem_controller.webhooks.registration import own_user, register, step_aside
from tandem_controller.webhooks.server import DRAIN_SECONDS, WebhookServer

LONGEST_LOOK_SECONDS = 3600.0
"""The Secret is read again at least this often: another replica or cert-manager may renew it."""

SHORTEST_LOOK_SECONDS = 60.0
"""cert-manager may renew later than we would look."""

RETRY_SECONDS = 5.0

FAREWELL_SECONDS = 60.0
"""How long the end of the addon may take, which ends this process too."""

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class WebhookSettings:
    """How the webhook process runs.

    `url` is for a process beside its cluster: the base URL that the API server calls, on
    loopback. Otherwise the API server calls the Service.
    """

    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str = "vela-system"
    secret: str = names.WEBHOOK_SECRET
    service: str = "tandem-webhook"
    service_port: int = 443
    url: str = ""
    host: str = "0.0.0.0"
    port: int = 9443
    writers: frozenset[str] = frozenset()
    """Further users that Tandem writes as; its own is asked for."""
    watch_namespaces: frozenset[str] = frozenset()
    """Admission is for these namespaces only; for all where none are named."""
    drain_seconds: float = DRAIN_SECONDS
    checkpoint: Checkpoint = NO_CHECKPOINT
    """What admission does about Applications."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names that the certificate must carry."""
        if self.url:
            return (self.url.split("://")[-1].split("/")[0].rsplit(":", 1)[0].strip("[]"),)
        base = f"{self.service}.{self.namespace}"
        return (f"{base}.svc", base, f"{base}.svc.cluster.local")

    def endpoint(self, ca: bytes, port: int) -> Endpoint:
        """Return where the API server reaches the webhooks; port 0 in the URL is the real one."""
        return Endpoint(
            ca_bundle=ca,
            url=self.url.replace(":0", f":{port}") if self.url.endswith(":0") else self.url,
            service_namespace=self.namespace,
            service_name=self.service,
            service_port=self.service_port,
        )


async def run_webhook(settings: WebhookSettings, stopping: asyncio.Event) -> None:
    """Serve admission and conversion until `stopping` is set, then drain.

    Raises:
        OtherControllerError: when another controller of the Rollout API was started.
    """
    client = await Client.connect(
        kubeconfig=settings.kubeconfig, context=settings.context, user_agent="tandem-webhook"
    )
    try:
        await _Process(settings, client).run(stopping)
    finally:
        await client.close()


class _Process:
    def __init__(self, settings: WebhookSettings, client: Client) -> None:
        self._settings = settings
        self._client = client
        self._cache = ReleaseCache(client, settings.watch_namespaces)
        self._keeper = CertificateKeeper(
            client=client,
            namespace=settings.namespace,
            name=settings.secret,
            names=settings.names,
            clock=lambda: datetime.now(tz=UTC),
        )

    async def run(self, stopping: asyncio.Event) -> None:
        writers = self._settings.writers | {await own_user(self._client)}
        server = WebhookServer(
            lookup=self._cache,
            writers=writers,
            host=self._settings.host,
            port=self._settings.port,
            checkpoint=self._settings.checkpoint,
            proven=self._cache.proven,
            farewell=lambda: say_farewell(self._client),
        )
        bundle = await self._first_bundle(stopping)
        if bundle is None:
            return
        server.use(bundle)
        await server.start()
        if not await self._is_alone(stopping):
            await server.stop(drain_seconds=0)
            return
        by = await owners(self._client)
        mutating = await install_policies(
            self._client, writers, by, self._settings.watch_namespaces
        )
        log.info("Admission policies are installed.", mutating=mutating or "not served")
        try:
            await self._serve(server, writers, stopping)
        except* OtherControllerError as joined:
            await server.stop(drain_seconds=0)
            raise joined.exceptions[0] from None

    async def _serve(
        self, server: WebhookServer, writers: frozenset[str], stopping: asyncio.Event
    ) -> None:
        async with asyncio.TaskGroup() as tasks:
            running = [
                *(tasks.create_task(r.run()) for r in self._cache.reflectors),
                tasks.create_task(self._keep(server, writers)),
                tasks.create_task(self._step_aside()),
            ]
            await stopping.wait()
            await server.stop(drain_seconds=self._settings.drain_seconds)
            for task in running:
                task.cancel()

    async def _step_aside(self) -> None:
        """End when another controller is started, and leave nothing in its way."""
        await until_joined(self._client)
        await step_aside(self._client)
        raise OtherControllerError("another controller of the Rollout API was started")

    async def _is_alone(self, stopping: asyncio.Event) -> bool:
        """Wait until no other controller is alive; False when this process is to end first.

        Policies and webhooks that take over would be in the other's way. Readiness is not
        reached meanwhile.
        """
        alone = asyncio.create_task(
            until_alone(self._client, lambda why: log.warning("Standing by.", reason=why))
        )
        stopped = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait((alone, stopped), return_when=asyncio.FIRST_COMPLETED)
            return not stopping.is_set()
        finally:
            for task in (alone, stopped):
                task.cancel()

    async def _first_bundle(self, stopping: asyncio.Event) -> Bundle | None:
        while not stopping.is_set():
            try:
                return await self._keeper.bundle()
            except (ApiError, IncompleteSecretError) as error:
                log.warning("The certificate is not there yet.", error=str(error))
                with suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), RETRY_SECONDS)
        return None

    async def _keep(self, server: WebhookServer, writers: frozenset[str]) -> None:
        """Register once the cache is complete, then renew and register for ever.

        A new CA is trusted by the API server before the server shows a leaf of it. An upgrade
        of the addon applies the CRD without conversion, which is then registered again at once.
        """
        await self._cache.synced()
        while True:
            try:
                bundle = await self._keeper.bundle()
                endpoint = self._settings.endpoint(bundle.ca, server.port)
                judging = self._settings.checkpoint.mode is not Mode.OFF
                await register(
                    self._client,
                    endpoint,
                    writers,
                    applications=judging,
                    namespaces=self._settings.watch_namespaces,
                )
                server.use(bundle)
                seconds = _seconds_until(next_look(bundle, datetime.now(tz=UTC)))
            except (ApiError, IncompleteSecretError) as error:
                log.warning("The webhooks could not be registered.", error=str(error))
                await asyncio.sleep(RETRY_SECONDS)
            else:
                await self._until_due(min(seconds, LONGEST_LOOK_SECONDS))

    async def _until_due(self, seconds: float) -> None:
        """Wait so long, or until another took the conversion out of the CRD.

        Where the addon's end took it out, it comes back only if that end did not come: another
        webhook may have refused it, and the addon's ClusterRole is there still.
        """
        try:
            crd = await wait_for(
                self._client, CRD, ROLLOUT_CRD, None, needs_registration, seconds=seconds
            )
            while is_retired(crd):
                await asyncio.sleep(FAREWELL_SECONDS)
                if await owners(self._client):
                    return
        except StillNotSo:
            return
        except ApiError as error:
            log.warning("The CustomResourceDefinition cannot be watched.", error=str(error))
            await asyncio.sleep(min(seconds, SHORTEST_LOOK_SECONDS))


def _seconds_until(when: datetime) -> float:
    return max(SHORTEST_LOOK_SECONDS, (when - datetime.now(tz=UTC)).total_seconds())
