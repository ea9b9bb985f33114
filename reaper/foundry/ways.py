"""The ways to a project: how its requests are dressed, and through what they go."""

from __future__ import annotations

import ssl
from importlib.metadata import PackageNotFoundError, version
from typing import Final
from urllib.request import getproxies

import httpx2

from reaper.foundry.reading import CONNECT_SHARE, Reads
from reaper.settings import Connection

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_PROXIED: Final = frozenset({"http", "https", "all"})


def _usual(connection: Connection) -> dict[str, str]:
    """The headers of every request. A GET before a delete must not be answered by a cache on the way."""
    return {"Cache-Control": "no-cache", "User-Agent": _user_agent(), **connection.headers}


def _is_near(connection: Connection) -> bool:
    """Whether the platform is on the loopback, for which no proxy of the environment is meant."""
    return httpx2.URL(connection.endpoint).host in _LOOPBACK


def tls_context(connection: Connection) -> ssl.SSLContext:
    """What is trusted. Nobody, where nothing is encrypted: to read all authorities takes longer than to connect."""
    if connection.endpoint.startswith("http://"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx2.create_ssl_context()


def http_client(
    connection: Connection, transport: httpx2.AsyncBaseTransport | None, context: ssl.SSLContext
) -> httpx2.AsyncClient:
    """The client for changes, for streams, and for reads where there is no cheaper way."""
    timeout_s = connection.requests.timeout_s
    early_s = timeout_s * CONNECT_SHARE
    return httpx2.AsyncClient(
        headers=_usual(connection),
        timeout=httpx2.Timeout(timeout_s, connect=early_s, pool=early_s),
        # The slots bound what is open; streams come on top.
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=connection.requests.concurrency),
        follow_redirects=False,
        trust_env=not _is_near(connection),
        verify=context,
        transport=transport,
    )


def reads(connection: Connection, context: ssl.SSLContext) -> Reads | None:
    """The cheaper way for reads, where no proxy has to be gone through."""
    if not _is_near(connection) and _PROXIED & getproxies().keys():
        return None
    return Reads(_usual(connection), connection.requests.timeout_s, context)


def _user_agent() -> str:
    try:
        return f"session-reaper/{version('session-reaper')}"
    except PackageNotFoundError:
        return "session-reaper/unknown"
