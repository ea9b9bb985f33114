"""One exchange: a call out, once and at once, and its answer back as it came, or the error that says why none did."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlencode

import httpx2

from reaper.clock import Clock
from reaper.core.provider import CallRecord, Outdated, StillRight
from reaper.core.settings import Connection
from reaper.core.text import clean
from reaper.foundry import parsing
from reaper.foundry.error_mapping import AnswerTooLargeError, judge_exchange, judge_status
from reaper.foundry.http_clients import Bearer, Wire, http_client, reads, tls_context
from reaper.foundry.requests import Call
from reaper.foundry.secret import Secret

ANSWER_MAX_BYTES: Final = 2 * 1024 * 1024
ERROR_MAX_BYTES: Final = 64 * 1024

T = TypeVar("T")
_REQUEST_IDS: Final = ("x-ms-request-id", "x-request-id", "apim-request-id")


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """An answer as it came: its body whole, and when its first byte was here on both local clocks.

    `sent` is when the request went out, on the monotonic clock.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    wall: float
    monotonic: float
    sent: float

    @property
    def date(self) -> float | None:
        """The platform's time in Unix seconds, None when it gave none."""
        return parsing.parse_date(self.headers.get("date"))

    @property
    def request_id(self) -> str | None:
        """The platform's name for this answer, safe to show; None when it gave none."""
        names = (self.headers.get(header) for header in _REQUEST_IDS)
        return next((clean(name, 80) for name in names if name), None)

    @property
    def now(self) -> float:
        """The platform's time; the local one where it gave none."""
        date = self.date
        return self.wall if date is None else date

    @property
    def retry_after(self) -> float | None:
        """The seconds after which the platform wants to be asked again, None when it gave none."""
        return parsing.retry_after(self.headers.get("retry-after"), self.now)


def ignore(*_: object) -> None:
    """Observe nothing."""


class Exchange:
    """The connections to one project, each exchange with a deadline; real sockets need the event loop's time."""

    def __init__(
        self,
        connection: Connection,
        clock: Clock,
        transport: Wire | None = None,
        observe: Callable[[CallRecord], None] = ignore,
    ) -> None:
        self._clock, self._observe = clock, observe
        self._timeout_s = connection.requests.timeout_s
        self._endpoint = connection.endpoint.rstrip("/")
        context = tls_context(connection)
        self._http = http_client(connection, transport, context)
        self._reads = reads(connection, context) if transport is None else None
        self._host = httpx2.URL(self._endpoint).host

    async def open(self) -> None:
        """Make it ready to send."""
        await self._http.__aenter__()

    async def close(self) -> None:
        """End all connections."""
        if self._reads is not None:
            await self._reads.close()
        await self._http.__aexit__()

    async def send(self, call: Call, token: Secret | None, max_bytes: int, still_right: StillRight) -> RawAnswer:
        """Any answer, whatever its status; Outdated when a change is not `still_right` as its first byte leaves."""
        return await self._observed(call, self._receive(call, token, max_bytes, still_right))

    async def open_stream(self, call: Call, token: Secret | None) -> httpx2.Response:
        """An answer that does not end by itself: a deadline until its headers, none between its parts."""
        response, body = await self._observed(call, self._begin_stream(call, token))
        if response.is_success:
            return response
        raise judge_status(call, response.status_code, body, None)

    async def _observed(self, call: Call, answering: Coroutine[Any, Any, tuple[int, T]]) -> T:
        """What comes within the deadline, or the error that it stands for; either way whoever measures sees it."""
        started = self._clock.monotonic()
        code = "error"
        try:
            async with asyncio.timeout(self._timeout_s):
                status, answer = await answering
            code = str(status)
        except Outdated:
            code = "outdated"
            raise
        except (httpx2.HTTPError, httpx2.StreamError, AnswerTooLargeError, TimeoutError) as error:
            code = "timeout" if isinstance(error, TimeoutError | httpx2.TimeoutException) else "error"
            raise judge_exchange(call, error, self._host) from None
        finally:
            self._observe(CallRecord(call.operation, code, self._clock.monotonic() - started, code == "429"))
        return answer

    async def _begin_stream(self, call: Call, token: Secret | None) -> tuple[int, tuple[httpx2.Response, bytes]]:
        """The status, and the answer with its body when it is an error."""
        request = self._request(call, httpx2.Timeout(self._timeout_s, read=None))
        response = await self._http.send(request, stream=True, auth=_auth(token))
        if response.is_success:
            return response.status_code, (response, b"")
        try:
            body = await _whole(response.aiter_bytes(), ERROR_MAX_BYTES, is_wanted=False)
        finally:
            await response.aclose()
        return response.status_code, (response, body)

    async def _receive(
        self, call: Call, token: Secret | None, max_bytes: int, still_right: StillRight
    ) -> tuple[int, RawAnswer]:
        sent = self._clock.monotonic()
        if call.safe and self._reads is not None:
            async with self._reads.get(self._url(call), _headers(call), token) as response:
                return await self._read(
                    response.status, response.headers, response.content.iter_any(), sent, max_bytes
                )
        request = self._request(call)
        if not call.safe:
            request.extensions["trace"] = _Leaving(call, still_right)
        answer = await self._http.send(request, stream=True, auth=_auth(token))
        try:
            return await self._read(answer.status_code, answer.headers, answer.aiter_bytes(), sent, max_bytes)
        finally:
            await answer.aclose()

    async def _read(
        self, status: int, headers: Mapping[str, str], parts: AsyncIterator[bytes], sent: float, max_bytes: int
    ) -> tuple[int, RawAnswer]:
        """A whole answer, out of one that has begun."""
        wall, monotonic = self._clock.wall(), self._clock.monotonic()
        is_wanted = 200 <= status < 300
        body = await _whole(parts, max_bytes if is_wanted else ERROR_MAX_BYTES, is_wanted=is_wanted)
        return status, RawAnswer(status, headers, body, wall, monotonic, sent)

    def _url(self, call: Call) -> str:
        return f"{self._endpoint}{call.path}?{urlencode(call.params, quote_via=quote)}"

    def _request(self, call: Call, timeout: httpx2.Timeout | None = None) -> httpx2.Request:
        return self._http.build_request(
            call.method,
            self._url(call),
            content=call.body,
            headers=_headers(call),
            timeout=timeout if timeout is not None else httpx2.USE_CLIENT_DEFAULT,
        )


@dataclass(frozen=True, slots=True)
class _Leaving:
    """Stops a change in the instant before its first byte leaves: a connection may have taken long to be made."""

    call: Call
    still_right: StillRight

    async def __call__(self, event: str, _: Mapping[str, object]) -> None:
        if event.endswith("send_request_headers.started") and not self.still_right():
            raise outdated(self.call)


def outdated(call: Call) -> Outdated:
    """What a call meets that is no longer right."""
    return Outdated("not sent: what it was decided on had grown too old", operation=call.operation)


def _headers(call: Call) -> dict[str, str]:
    kind = {} if call.content_type is None else {"Content-Type": call.content_type}
    return {"Accept": call.accept, **kind}


def _auth(token: Secret | None) -> Bearer | None:
    return None if token is None else Bearer(token)


async def _whole(parts: AsyncIterator[bytes], max_bytes: int, *, is_wanted: bool) -> bytes:
    """The parts together; of an answer that is not wanted, no more than is worth reading."""
    chunks: list[bytes] = []
    size = 0
    async for part in parts:
        chunks.append(part)
        size += len(part)
        if size > max_bytes:
            if is_wanted:
                raise AnswerTooLargeError(max_bytes)
            break
    return b"".join(chunks)
