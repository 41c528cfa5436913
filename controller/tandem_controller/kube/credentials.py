"""What a connection to an API server needs, whoever supplied it.

This module holds data only; ``client.py`` fills it from a kubeconfig or from
the pod's service account.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

RELOAD_AT_MOST_EVERY_SECONDS = 10.0


@dataclass(frozen=True)
class Access:
    """One way in: where the server is and who we are."""

    host: str
    authorization: Callable[[], Awaitable[str | None]]
    """The ``Authorization`` header now; asked at each request, since tokens are renewed on disk."""
    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None
    verify: bool = True
    server_name: str | None = None
    proxy: str | None = None


class Credentials:
    """The current ``Access``, loaded anew when the server calls it expired.

    Loading again from the source covers every kind of expiry in one way: an
    exec plugin's token, an OIDC token, a kubeconfig rewritten on disk, a
    client certificate that was renewed.
    """

    def __init__(self, load: Callable[[], Awaitable[Access]], first: Access) -> None:
        self._load = load
        self._lock = asyncio.Lock()
        self._loaded_at = asyncio.get_running_loop().time()
        self.access = first
        self.tls = tls_context(first)

    async def reload(self) -> None:
        """Load again, at most every ten seconds: a plugin may open a browser."""
        async with self._lock:
            now = asyncio.get_running_loop().time()
            if now - self._loaded_at < RELOAD_AT_MOST_EVERY_SECONDS:
                return
            self._loaded_at = now
            self.access = await self._load()
            if self.tls is not None:
                _load_certificate(self.tls, self.access)


def tls_context(access: Access) -> ssl.SSLContext | None:
    """TLS as Go's client does it; None for plain HTTP (tests, ``kubectl proxy``).

    Python 3.13 turned on ``VERIFY_X509_STRICT``, which refuses the CAs that
    older cluster installers made (no Authority Key Identifier); Go and with
    it kubectl accept them.
    """
    if not access.host.startswith("https"):
        return None
    context = ssl.create_default_context(cafile=access.ca_file)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not access.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    _load_certificate(context, access)
    return context


def _load_certificate(context: ssl.SSLContext, access: Access) -> None:
    """Connections opened from now on present this certificate; open ones keep theirs."""
    if access.certificate_file:
        context.load_cert_chain(access.certificate_file, access.key_file)
