"""The emulator as an ASGI application, as bare as the protocol allows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from reaper.emulator.home import UPLOAD_LIMIT_BYTES
from reaper.emulator.payloads import Request, WireAnswer

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

# A little more than an upload may hold, so that the platform itself refuses the first byte too many.
BODY_LIMIT_BYTES = UPLOAD_LIMIT_BYTES + 1


class ConnectionDroppedError(Exception):
    """The answer is a broken connection; only a server can give it."""


@dataclass(eq=False, repr=False)
class Asgi:
    """Turns ASGI's messages into requests and answers back into messages."""

    answer: Callable[[Request], WireAnswer]
    sleep: Callable[[float], Awaitable[None]]
    latency_s: float

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = await _read(scope, receive)
        if self.latency_s <= 0:
            await self._give(self.answer(request), receive, send)
            return
        # Half of it is the way there. What the answer itself takes is no more of it.
        time = asyncio.get_running_loop().time
        due = time() + self.latency_s
        await self.sleep(self.latency_s / 2)
        answer = self.answer(request)
        await self.sleep(max(due - time(), 0))
        await self._give(answer, receive, send)

    async def _give(self, answer: WireAnswer, receive: Receive, send: Send) -> None:
        if answer.delay_s > 0:
            await self.sleep(answer.delay_s)
        if answer.dropped:
            raise ConnectionDroppedError
        if answer.hangs:
            await _disconnected(receive)
        elif answer.stream is not None:
            await _stream(answer, answer.stream(), receive, send)
        else:
            await send(_start(answer, len(answer.body)))
            await send({"type": "http.response.body", "body": answer.body})


async def _read(scope: Scope, receive: Receive) -> Request:
    parts: list[bytes] = []
    size, more = 0, True
    while more and size < BODY_LIMIT_BYTES:
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        more = message.get("more_body", False)
    return Request(
        scope["method"],
        scope["raw_path"].decode("ascii", "replace"),
        scope["query_string"].decode("ascii", "replace"),
        {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
        b"".join(parts),
    )


def _start(answer: WireAnswer, length: int | None) -> Message:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    if length is not None and answer.status != 204:
        headers.append((b"content-length", str(length).encode()))
    return {"type": "http.response.start", "status": answer.status, "headers": headers}


async def _stream(answer: WireAnswer, frames: AsyncIterator[bytes], receive: Receive, send: Send) -> None:
    """Send frames until they end or the client leaves."""
    await send(_start(answer, None))
    left = asyncio.ensure_future(_disconnected(receive))
    try:
        async for chunk in frames:
            if left.done():
                return
            if chunk:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        left.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
