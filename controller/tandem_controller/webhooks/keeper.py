"""Keeps the certificates in their Secret: read, renew what is due, write, for all replicas.

Replicas race without harm: a write states the version it read, and who loses reads again.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import structlog

from tandem_controller.kube.client import Client
from tandem_controller.kube.errors import AlreadyExists, Conflict, NotFound
from tandem_controller.kube.resource import Resource
from tandem_controller.webhooks.certificates import (
    CERT_MANAGER_ANNOTATION,
    Bundle,
    renewed,
)

SECRETS = Resource("", "v1", "secrets", "Secret")
FIELD_MANAGER = "tandem-webhook"
SECRET_TYPE = "kubernetes.io/tls"

log = structlog.get_logger()


class IncompleteSecretError(Exception):
    """cert-manager has not filled the Secret yet."""


@dataclass(frozen=True, kw_only=True)
class CertificateKeeper:
    """The Secret of the webhook's certificates. `names` are the DNS names or addresses."""

    client: Client
    namespace: str
    name: str
    names: Sequence[str]
    clock: Callable[[], datetime]

    async def bundle(self) -> Bundle:
        """Return certificates that are good now, renewed and stored if they were not.

        Raises:
            IncompleteSecretError: when the Secret is cert-manager's and still empty.
        """
        while True:
            try:
                return await self._try()
            except (Conflict, AlreadyExists):
                log.info("Another replica renewed the webhook's certificate; it is read again.")

    async def _try(self) -> Bundle:
        secret = await self._read()
        stored = _bundle(secret) if secret else None
        if secret and _is_cert_managers(secret):
            if stored is None:
                raise IncompleteSecretError(
                    f"Secret {self.namespace}/{self.name} belongs to cert-manager and lacks "
                    "ca.crt, tls.crt or tls.key; look at its Certificate"
                )
            return stored
        wanted = renewed(stored, self.names, self.clock())
        if wanted != stored:
            await self._write(secret, wanted)
            log.info("The webhook's certificate was renewed.", secret=self.name)
        return wanted

    async def _read(self) -> dict[str, Any] | None:
        try:
            raw = await self.client.get(SECRETS, self.name, self.namespace)
        except NotFound:
            return None
        secret: dict[str, Any] = msgspec.json.decode(raw)
        return secret

    async def _write(self, stored: dict[str, Any] | None, wanted: Bundle) -> None:
        data = {k: base64.b64encode(v).decode() for k, v in wanted.to_secret().items()}
        if stored is not None:
            body = stored | {"data": data}
            await self.client.replace(
                SECRETS, self.name, body, self.namespace, field_manager=FIELD_MANAGER
            )
            return
        metadata = {"name": self.name, "namespace": self.namespace}
        body = {"apiVersion": "v1", "kind": "Secret", "type": SECRET_TYPE, "metadata": metadata}
        await self.client.create(
            SECRETS, body | {"data": data}, self.namespace, field_manager=FIELD_MANAGER
        )


def _bundle(secret: dict[str, Any]) -> Bundle | None:
    data = secret.get("data") or {}
    return Bundle.from_secret({key: base64.b64decode(value) for key, value in data.items()})


def _is_cert_managers(secret: dict[str, Any]) -> bool:
    return CERT_MANAGER_ANNOTATION in (secret["metadata"].get("annotations") or {})
