"""Reads over aiohttp, at a third of the cost; changes over httpx2's own transport, which sends each one once.

aiohttp repeats a DELETE on its own when a kept connection breaks, and has no switch for it: only what may be
repeated anyway goes through it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

import aiohttp
import httpx2
from yarl import URL


class Reading(httpx2.AsyncBaseTransport):
    """A transport for a direct connection, without a proxy; the caller bounds how many requests are open."""

    def __init__(self, limits: httpx2.Limits) -> None:
        self._context = httpx2.create_ssl_context()
        self._changes = httpx2.AsyncHTTPTransport(verify=self._context, limits=limits)

    async def __aenter__(self) -> Self:
        await self._changes.__aenter__()
        jar = aiohttp.DummyCookieJar()
        connector = aiohttp.TCPConnector(ssl=self._context, limit=0)
        self._reads = aiohttp.ClientSession(connector=connector, cookie_jar=jar, auto_decompress=False)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        await self._reads.close()
        await self._changes.__aexit__(kind, error, trace)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method != "GET":
            return await self._changes.handle_async_request(request)
        waits = request.extensions["timeout"]
        timeout = aiohttp.ClientTimeout(total=None, connect=waits["connect"], sock_read=waits["read"])
        url = URL(str(request.url), encoded=True)
        try:
            response = await self._reads.get(
                url, headers=request.headers.multi_items(), allow_redirects=False, timeout=timeout
            )
        except (aiohttp.ClientError, OSError) as error:
            raise _as_httpx(error) from error
        return httpx2.Response(response.status, headers=list(response.raw_headers), stream=_Body(response))


class _Body(httpx2.AsyncByteStream):
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._response.content.iter_any():
                yield part
        except (aiohttp.ClientError, OSError) as error:
            raise _as_httpx(error) from error

    async def aclose(self) -> None:
        if self._response.content.at_eof():
            self._response.release()
        else:
            # Not read to its end: nobody can use the connection for another answer.
            self._response.close()


def _as_httpx(error: Exception) -> httpx2.TransportError:
    """The same in the words of httpx2; what is said of a read need not tell whether it was sent."""
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return httpx2.ConnectTimeout(str(error))
    if isinstance(error, TimeoutError):
        return httpx2.ReadTimeout(str(error))
    if isinstance(error, aiohttp.ClientConnectorError):
        return httpx2.ConnectError(str(error.os_error))
    return httpx2.ReadError(str(error) or type(error).__name__)
