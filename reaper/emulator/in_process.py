"""The emulator behind an httpx2 client, in the same process and without sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx2

from reaper.emulator.payloads import Request, WireAnswer

FOREVER_S = 10.0**9


class EmulatorTransport(httpx2.AsyncBaseTransport):
    """Answers every request from the emulator; all waiting goes through `sleep`.

    A request times out after its own read timeout, a dropped connection is a ReadError. `actor` is who the
    emulator's history says did it.
    """

    def __init__(
        self,
        answer: Callable[[Request], WireAnswer],
        sleep: Callable[[float], Awaitable[None]],
        latency_s: float = 0.0,
        actor: str = "api",
    ) -> None:
        self._answer = answer
        self._sleep = sleep
        self.actor = actor
        self.latency_s = latency_s

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        body = await request.aread()
        leaving = request.extensions.get("trace")
        if leaving is not None:
            await leaving("emulator.send_request_headers.started", {})
        path, _, query = request.url.raw_path.decode("ascii").partition("?")
        headers = {name.lower(): value for name, value in request.headers.items()}
        patience = request.extensions.get("timeout", {}).get("read")
        answer = await self.exchange(Request(request.method, path, query, headers, body, self.actor), patience)
        if answer.stream is None:
            return httpx2.Response(answer.status, headers=list(answer.headers), content=answer.body)
        return httpx2.Response(answer.status, headers=list(answer.headers), stream=_Stream(answer.stream()))

    async def exchange(self, request: Request, patience: float | None) -> WireAnswer:
        """The answer to a request, waited for at most so many seconds; ReadError and ReadTimeout as from a socket."""
        if self.latency_s > 0:
            await self._wait(self.latency_s, patience)
        answer = self._answer(request)
        await self._wait(FOREVER_S if answer.hangs else answer.delay_s, patience)
        if answer.dropped:
            raise httpx2.ReadError("the connection broke")
        return answer

    async def _wait(self, seconds: float, patience: float | None) -> None:
        if patience is not None and seconds > patience:
            await self._sleep(patience)
            raise httpx2.ReadTimeout("no answer in time")
        if seconds > 0:
            await self._sleep(seconds)


class _Stream(httpx2.AsyncByteStream):
    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._chunks:
            if chunk:
                yield chunk
