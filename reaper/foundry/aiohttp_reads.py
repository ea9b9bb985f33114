"""Reads over aiohttp, at a third of the cost.

Changes never go this way: aiohttp repeats a DELETE by itself when a kept connection breaks, and has no switch for it.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
import httpx2
from yarl import URL

from reaper.foundry.secret import Secret

CONNECT_SHARE: Final = 0.8
"""Of a request's deadline: so that a connection never made is known as one."""


class AiohttpReads:
    """Connections for reads, without a proxy; the caller bounds how many are open, and how long one may take."""

    def __init__(self, headers: Mapping[str, str], timeout_s: float, context: ssl.SSLContext) -> None:
        self._headers, self._context = headers, context
        self._timeout = aiohttp.ClientTimeout(total=None, connect=timeout_s * CONNECT_SHARE, sock_read=timeout_s)
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> aiohttp.ClientSession:
        """Made at the first read: it needs a running loop."""
        connector = aiohttp.TCPConnector(ssl=self._context, limit=0)
        jar = aiohttp.DummyCookieJar()
        return aiohttp.ClientSession(
            connector=connector, cookie_jar=jar, headers=self._headers, timeout=self._timeout
        )

    async def close(self) -> None:
        """End all connections."""
        if self._session is not None:
            await self._session.close()

    @asynccontextmanager
    async def get(
        self, url: str, headers: Mapping[str, str], token: Secret | None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer from its headers on; `url` is quoted already. What breaks raises the errors of httpx2.

        The cause of what breaks is not kept: it may hold the request, and that the token.
        """
        self._session = self._session or self._open()
        request = self._session.get(
            URL(url, encoded=True),
            headers=headers,
            allow_redirects=False,
            middlewares=() if token is None else (_Bearer(token),),
        )
        try:
            async with request as response:
                yield response
        except (aiohttp.ClientError, OSError) as error:
            raise _as_httpx(error) from None


class _Bearer:
    """Puts a token on a request at the last moment, so that nothing on the way there holds it as text."""

    def __init__(self, token: Secret) -> None:
        self._token = token

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        request.headers["Authorization"] = f"Bearer {self._token.reveal()}"
        return await handler(request)


def _as_httpx(error: Exception) -> httpx2.TransportError:
    """The same as an error of httpx2; for a read it does not matter whether it was sent."""
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return httpx2.ConnectTimeout(str(error))
    if isinstance(error, TimeoutError):
        return httpx2.ReadTimeout(str(error))
    if isinstance(error, aiohttp.ClientConnectorError):
        return httpx2.ConnectError(str(error.os_error))
    return httpx2.ReadError(str(error) or type(error).__name__)
