"""The webhook server: its routes over TLS, each a pure function behind a decoder.

Handlers never call the API server: what they know of Rollouts comes from a cache
(`ReleaseLookup`); only the end of the addon is an exception (`webhooks/addon.py`). They are bare
because latency is the API server's latency, and aiohttp alone answers in about half a millisecond.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import msgspec
import structlog
from aiohttp import web

from tandem_controller.api.rollout import Rollout
from tandem_controller.decide.admission.application import (
    NO_CHECKPOINT,
    Checkpoint,
    Proven,
    admit_application,
    nothing_proven,
)
from tandem_controller.decide.admission.config import admit_config, marked_for
from tandem_controller.decide.admission.disabling import admit_disabling, has_break_glass
from tandem_controller.decide.admission.review import (
    ALLOWED,
    AdmissionRequest,
    Verdict,
    decode_review,
    denied,
    encode_review,
)
from tandem_controller.decide.admission.rollout import admit_rollout, give_back, note_approver
from tandem_controller.decide.admission.status import admit_status
from tandem_controller.decide.admission.traits import admit_traits
from tandem_controller.decide.admission.workload import Guarded, admit_workload
from tandem_controller.kube.errors import ApiError
from tandem_controller.webhooks.certificates import Bundle
from tandem_controller.webhooks.configuration import (
    APPLICATIONS_PATH,
    CONFIG_PATH,
    CONVERT_PATH,
    DISABLING_PATH,
    ROLLOUTS_MUTATE_PATH,
    ROLLOUTS_PATH,
    STATUS_PATH,
    TRAITS_PATH,
    WORKLOADS_PATH,
)
from tandem_controller.webhooks.convert import convert_review

MAX_BODY_BYTES = 32 * 1024 * 1024
"""A ConversionReview carries a whole list; etcd's limit is per object."""

DRAIN_SECONDS = 10.0
"""The API server goes on using open connections to a terminating pod (kubernetes#127335)."""

SETTLE_SECONDS = 0.25
"""How long a new template waits for news of a Rollout where none is known.

Rollout and workload may be applied together, and the cache follows by a watch. Under load
a few changes in a hundred came faster than the watches of the API server's own policies.
"""

log = structlog.get_logger()


class ReleaseLookup(Protocol):
    """What admission may ask of the cache."""

    def guarded(self, namespace: str, kind: str, name: str) -> Iterable[Guarded]:
        """What is known of a workload, for each Rollout that names it."""

    def rollouts_in(self, namespace: str) -> Iterable[Rollout]:
        """All Rollouts of a namespace."""

    def rollouts(self) -> Iterable[Rollout]:
        """All Rollouts."""

    @property
    def has_synced(self) -> bool:
        """Whether the cache is complete."""


Observe = Callable[[str, bool], None]
"""Told of every answered review: the path, and whether it was allowed."""


async def _no_farewell() -> None:
    """Leave everything as it is."""


@dataclass(kw_only=True)
class WebhookServer:
    """Serves admission and conversion until stopped."""

    lookup: ReleaseLookup
    writers: Collection[str]
    host: str = "0.0.0.0"
    port: int = 9443
    settle_seconds: float = SETTLE_SECONDS
    checkpoint: Checkpoint = NO_CHECKPOINT
    proven: Proven = nothing_proven
    farewell: Callable[[], Awaitable[None]] = _no_farewell
    """What is to happen before the addon's deletion is admitted."""
    observe: Observe = lambda _path, _allowed: None
    _context: ssl.SSLContext = field(
        default_factory=lambda: ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), init=False
    )
    _runner: web.AppRunner | None = field(default=None, init=False)
    _draining: bool = field(default=False, init=False)

    def use(self, bundle: Bundle) -> None:
        """Serve new connections with this certificate; open ones go on.

        OpenSSL reads certificates from files only; these live for the call alone.
        """
        with TemporaryDirectory(prefix="tandem-tls-") as folder:
            cert, key = Path(folder, "tls.crt"), Path(folder, "tls.key")
            cert.write_bytes(bundle.cert)
            key.touch(mode=0o600)
            key.write_bytes(bundle.key)
            self._context.load_cert_chain(cert, key)

    async def start(self) -> None:
        """Listen; the certificate must be in use already."""
        self._runner = web.AppRunner(self.app(), access_log=None, shutdown_timeout=DRAIN_SECONDS)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port, ssl_context=self._context)
        await site.start()
        self.port = self._runner.addresses[0][1]
        log.info("Webhooks are served.", host=self.host, port=self.port)

    async def stop(self, *, drain_seconds: float = DRAIN_SECONDS) -> None:
        """Answer what still comes, closing each connection, then stop."""
        self._draining = True
        await asyncio.sleep(drain_seconds)
        if self._runner:
            await self._runner.cleanup()

    def app(self) -> web.Application:
        """Return the routes."""
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        admissions = {
            WORKLOADS_PATH: self._workload,
            ROLLOUTS_MUTATE_PATH: self._rollout_mutated,
            ROLLOUTS_PATH: self._rollout,
            STATUS_PATH: self._status,
            CONFIG_PATH: self._config,
            APPLICATIONS_PATH: self._application,
            DISABLING_PATH: self._disabling,
            TRAITS_PATH: self._traits,
        }
        for path, decide in admissions.items():
            app.router.add_post(path, self._admission(path, decide))
        app.router.add_post(CONVERT_PATH, self._convert)
        app.router.add_get("/healthz", self._alive)
        app.router.add_get("/readyz", self._ready)
        return app

    def _admission(
        self, path: str, decide: Callable[[AdmissionRequest], Awaitable[Verdict]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            try:
                review = decode_review(await request.read())
            except msgspec.MsgspecError as error:
                return web.Response(status=400, text=f"not an AdmissionReview: {error}")
            verdict = await decide(review)
            self.observe(path, verdict.allowed)
            return self._answer(encode_review(review.uid, verdict))

        return handle

    async def _workload(self, review: AdmissionRequest) -> Verdict:
        place = (review.namespace, "Deployment", review.name)
        if not (known := tuple(self.lookup.guarded(*place))):
            await asyncio.sleep(self.settle_seconds)
            known = tuple(self.lookup.guarded(*place))
        return admit_workload(review, known, self.writers)

    async def _rollout(self, review: AdmissionRequest) -> Verdict:
        name = review.name or (review.new.get("metadata") or {}).get("name", "")
        others = (r for r in self.lookup.rollouts_in(review.namespace) if r.metadata.name != name)
        return admit_rollout(review, others, self.writers)

    async def _rollout_mutated(self, review: AdmissionRequest) -> Verdict:
        given_back = give_back(review, self.writers)
        noted = note_approver(review, self.writers)
        return Verdict(patch=(*given_back.patch, *noted.patch))

    async def _status(self, review: AdmissionRequest) -> Verdict:
        return admit_status(review, self.writers)

    async def _config(self, review: AdmissionRequest) -> Verdict:
        if not self.lookup.has_synced:
            # As if no webhook answered: the mark stays, whatever is written.
            return ALLOWED
        named = marked_for(review.old)
        return admit_config(review, self._known(review.namespace, named), self.writers)

    def _known(self, namespace: str, name: str) -> Guarded | None:
        """Return what the cache knows of a Rollout."""
        for rollout in self.lookup.rollouts_in(namespace):
            if rollout.metadata.name == name:
                workload = rollout.spec.workload_ref
                guarded = self.lookup.guarded(namespace, workload.kind, workload.name)
                return next((each for each in guarded if each.rollout.metadata.name == name), None)
        return None

    async def _application(self, review: AdmissionRequest) -> Verdict:
        return admit_application(review, self.checkpoint, self.proven)

    async def _traits(self, review: AdmissionRequest) -> Verdict:
        return admit_traits(review)

    async def _disabling(self, review: AdmissionRequest) -> Verdict:
        known = self.lookup.rollouts() if self.lookup.has_synced else None
        verdict = admit_disabling(review, known)
        if not verdict.allowed or review.dry_run:
            return verdict
        try:
            await self.farewell()
        except ApiError as error:
            log.warning("The conversion webhook could not be taken out.", error=str(error))
            if not has_break_glass(review):
                return denied(f"metadata: the conversion webhook could not be taken out: {error}")
        return verdict

    async def _convert(self, request: web.Request) -> web.Response:
        try:
            return self._answer(convert_review(await request.read()))
        except msgspec.MsgspecError as error:
            return web.Response(status=400, text=f"not a ConversionReview: {error}")

    async def _alive(self, _request: web.Request) -> web.Response:
        """Answer as long as the event loop turns; also while draining, which ends by itself."""
        return web.Response(text="ok\n")

    async def _ready(self, _request: web.Request) -> web.Response:
        ready = self.lookup.has_synced and not self._draining
        return web.Response(status=200 if ready else 503)

    def _answer(self, body: bytes) -> web.Response:
        response = web.Response(body=body, content_type="application/json")
        if self._draining:
            response.force_close()
        return response
