"""The way of a simulated process to the platform, with and without a real HTTP client at its near end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import httpx2

from reaper.emulator import EmulatorTransport, Request, WireAnswer
from tests.sim.steps import Steps


@dataclass(frozen=True, slots=True)
class Asked:
    """A request in the words of the HTTP client."""

    request: Request
    extensions: dict[str, Any]


class Wire(httpx2.AsyncBaseTransport):
    """Each request is a step before, and one after its effect."""

    def __init__(self, transport: EmulatorTransport, steps: Steps) -> None:
        self._transport, self._steps = transport, steps

    @property
    def actor(self) -> str:
        """Who the platform's record says did it."""
        return self._transport.actor

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self._steps.take()
        response = await self._transport.handle_async_request(request)
        self._steps.take()
        return response

    async def exchange(self, asked: Asked, patience_s: float) -> WireAnswer:
        """The same for whoever has no client: the connection is made, then it is said that the request leaves."""
        self._steps.take()
        leaving = asked.extensions.get("trace")
        if leaving is not None:
            await leaving("simulated.send_request_headers.started", {})
        answer = await self._transport.exchange(asked.request, patience_s)
        self._steps.take()
        return answer


@dataclass(frozen=True, slots=True)
class _Reply:
    """An answer in the words of the HTTP client."""

    status_code: int
    headers: Mapping[str, str]
    body: bytes

    async def aiter_bytes(self) -> AsyncIterator[bytes]:
        yield self.body

    async def aclose(self) -> None:
        """Nothing is held open."""


class Direct:
    """Stands where the product has its HTTP client, and is none: requests are not built and parsed again.

    A third of a history's time went there. What a real client does on the same wire the scenarios show.
    """

    def __init__(self, wire: Wire, timeout_s: float) -> None:
        self._wire, self._timeout_s = wire, timeout_s

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing is held open."""

    def build_request(
        self, method: str, url: str, *, content: bytes | None, headers: Mapping[str, str], timeout: object
    ) -> Asked:
        path, _, query = url.partition("://")[2].partition("?")
        small = {name.lower(): value for name, value in headers.items()}
        asked = Request(method, path[path.index("/") :], query, small, content or b"", self._wire.actor)
        return Asked(asked, {})

    async def send(self, request: Asked, *, stream: bool, auth: object = None) -> _Reply:
        answer = await self._wire.exchange(request, self._timeout_s)
        return _Reply(answer.status, dict(answer.headers), answer.body)
