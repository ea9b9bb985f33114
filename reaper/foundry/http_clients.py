"""The HTTP clients of a project: their headers, TLS, proxy and bounds."""

from __future__ import annotations

import ssl
from collections.abc import Generator

import httpx2

from reaper import __version__
from reaper.core.provider import Refused
from reaper.core.settings import Connection
from reaper.foundry.aiohttp_reads import CONNECT_SHARE, AiohttpReads
from reaper.foundry.proxies import proxy_of
from reaper.foundry.secret import Secret

Wire = httpx2.AsyncBaseTransport
"""What requests go through; another one stands in for the network."""


def load_http() -> None:
    """Load what the library loads with its first client, which would keep waiting whoever else has begun by then."""
    httpx2.AsyncHTTPTransport(verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


class Bearer(httpx2.Auth):
    """Puts a token on a request at the last moment, so that nothing on the way there holds it as text."""

    def __init__(self, token: Secret) -> None:
        self._token = token

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._token.reveal()}"
        yield request


def _usual(connection: Connection) -> dict[str, str]:
    """The headers of every request. A GET before a delete must not be answered by a cache on the way."""
    return {"Cache-Control": "no-cache", "User-Agent": f"session-reaper/{__version__}", **connection.headers}


def tls_context(connection: Connection) -> ssl.SSLContext:
    """What is trusted. Nobody, where nothing is encrypted: to read all authorities takes longer than to connect."""
    if connection.endpoint.startswith("http://"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx2.create_ssl_context()


def http_client(connection: Connection, transport: Wire | None, context: ssl.SSLContext) -> httpx2.AsyncClient:
    """The client for changes, for streams, and for reads where there is no cheaper way.

    Refused when the proxy it should go through is none that can be used. What the environment says of proxies is
    read here and not by the library, which would send a token in clear to one.
    """
    timeout_s = connection.requests.timeout_s
    early_s = timeout_s * CONNECT_SHARE
    try:
        return httpx2.AsyncClient(
            headers=_usual(connection),
            timeout=httpx2.Timeout(timeout_s, connect=early_s, pool=early_s),
            # The slots bound what is open; streams come on top.
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=connection.requests.concurrency),
            follow_redirects=False,
            trust_env=False,
            proxy=None if transport else proxy_of(connection.endpoint, connection.proxy),
            verify=context,
            transport=transport,
        )
    except (ValueError, ImportError, httpx2.InvalidURL):
        # Its text may hold the proxy's password.
        why = "the proxy cannot be used: write http://HOST:PORT, in `proxy` of the project or in HTTPS_PROXY"
        raise Refused(why, operation="connect") from None


def reads(connection: Connection, context: ssl.SSLContext) -> AiohttpReads | None:
    """The cheaper way for reads, where no proxy has to be gone through."""
    if proxy_of(connection.endpoint, connection.proxy):
        return None
    return AiohttpReads(_usual(connection), connection.requests.timeout_s, context)
