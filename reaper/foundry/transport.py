"""The half that sends: one call out, one whole answer or one `ProviderError` back.

Reads are repeated here; changes never are, since only the caller knows what a repetition needs to be
looked at first.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Final, NamedTuple, Self
from urllib.parse import quote, urlencode

import httpx2
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from reaper.clock import Clock
from reaper.core.provider import CallRecord, ObserveTime, Outdated, Retryable, StillRight, Throttled
from reaper.core.settings import Connection
from reaper.core.text import clean
from reaper.foundry import parsing
from reaper.foundry.auth import Tokens
from reaper.foundry.error_mapping import AnswerTooLargeError, judge_exchange, judge_status
from reaper.foundry.http_clients import Bearer, Wire, http_client, reads, tls_context
from reaper.foundry.rate_limiter import RateLimiter
from reaper.foundry.requests import Call
from reaper.foundry.secret import Secret

ANSWER_MAX_BYTES: Final = 2 * 1024 * 1024
ERROR_MAX_BYTES: Final = 64 * 1024
ATTEMPTS_MAX: Final = 5
RETRY_MAX_S: Final = 300.0
CHANGE_WAIT_MAX_S: Final = 60.0
"""A change that waited longer for its turn, or through a pause, is not sent: the session must be looked
at again first."""

_REQUEST_IDS: Final = ("x-ms-request-id", "x-request-id", "apim-request-id")

_BACKOFF: Final = wait_random_exponential(multiplier=0.5, max=30)


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
    sent: float | None = None

    @property
    def date(self) -> float | None:
        """The platform's time in Unix seconds, None when it did not tell."""
        return parsing.parse_date(self.headers.get("date"))

    @property
    def request_id(self) -> str | None:
        """The platform's name for this answer, safe to show; None when it gave none."""
        names = (self.headers.get(header) for header in _REQUEST_IDS)
        return next((clean(name, 80) for name in names if name), None)

    @property
    def now(self) -> float:
        """The platform's time; the local one where it did not tell."""
        date = self.date
        return self.wall if date is None else date


class _QueuedSince(NamedTuple):
    """When a call was asked for, how many refusals had been heard by then, and whether it may still go out."""

    at: float
    signals: int
    still_right: StillRight


def nobody(_date: float | None, _wall: float, _monotonic: float, _sent: float | None) -> None:
    """Heed nothing."""


def always() -> bool:
    """What holds for a call that rests on nothing that grows old."""
    return True


def ignore(_: CallRecord) -> None:
    """Observe nothing."""


class Transport:
    """Sends calls to one project: in turn, as one identity, each with a deadline.

    Real sockets need real deadlines, so those run on the event loop's time; every wait between
    requests is a sleep of the given clock.
    """

    def __init__(
        self,
        connection: Connection,
        clock: Clock,
        tokens: Tokens,
        pace: RateLimiter,
        *,
        transport: Wire | None = None,
        observe: Callable[[CallRecord], None] = ignore,
    ) -> None:
        self._clock, self._tokens, self._pace, self._observe = clock, tokens, pace, observe
        self._timeout_s = connection.requests.timeout_s
        self._slots = asyncio.Semaphore(connection.requests.concurrency)
        self._gates = {True: asyncio.Lock(), False: asyncio.Lock()}
        self._endpoint = connection.endpoint.rstrip("/")
        context = tls_context(connection)
        self._http = http_client(connection, transport, context)
        self._reads = reads(connection, context) if transport is None else None
        self.host = httpx2.URL(self._endpoint).host
        self.observe_time: ObserveTime = nobody

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        if self._reads is not None:
            await self._reads.close()
        await self._http.__aexit__(kind, error, trace)

    @property
    def identity(self) -> Mapping[str, str]:
        """Whom the present token names."""
        return self._tokens.identity

    @property
    def spare(self) -> bool:
        """Whether a slot is free."""
        return not self._slots.locked()

    async def step_aside(self) -> None:
        """Let whoever waits for the slot just freed send first: to read a page takes longer than to ask for one."""
        # One wakes in the first turn, and sends in the second.
        await self._clock.sleep(0)
        await self._clock.sleep(0)

    async def send(
        self, call: Call, max_bytes: int = ANSWER_MAX_BYTES, still_right: StillRight = always
    ) -> RawAnswer:
        """Give the 2xx answer to a call, or raise the ProviderError that says what to do next.

        Reads are tried up to 5 times within 5 minutes. A change is sent at most once, except that a
        request rejected for its token (401), which did nothing, is sent again with a new one. Nothing is sent
        that is not `still_right` when its first byte would leave: that is Outdated.
        """
        started = self._clock.monotonic()
        try:
            return await self._attempt(call, max_bytes, still_right)
        except Retryable as error:
            if not call.safe:
                raise
            return await self._again(call, max_bytes, started, error)

    async def _again(self, call: Call, max_bytes: int, started: float, first: Retryable) -> RawAnswer:
        """Repeat a read whose first attempt, at monotonic `started`, has failed."""

        def is_over(state: RetryCallState) -> bool:
            now = self._clock.monotonic()
            left = max(state.upcoming_sleep, self._pace.pause_left(now))
            return state.attempt_number >= ATTEMPTS_MAX or now - started + left > RETRY_MAX_S

        async def attempt() -> RawAnswer:
            if failed:
                raise failed.pop()
            return await self._attempt(call, max_bytes, always)

        failed = [first]
        retrying = AsyncRetrying(
            sleep=self._clock.sleep,
            retry=retry_if_exception_type(Retryable),
            wait=_wait,
            stop=is_over,
            reraise=True,
        )
        answer: RawAnswer = await retrying(attempt)
        return answer

    @asynccontextmanager
    async def stream(self, call: Call) -> AsyncIterator[httpx2.Response]:
        """Open an answer that does not end by itself: a deadline until its headers, none between its parts.

        Takes no slot among the requests, since it may stay for hours.
        """
        token = await self._tokens.token()
        await self._turn(call, _QueuedSince(self._clock.monotonic(), self._pace.signals, always))
        endless = httpx2.Timeout(self._timeout_s, read=None)
        response = await self._open_stream(self._request(call, endless), call, token)
        try:
            yield response
        finally:
            await response.aclose()

    async def _open_stream(self, request: httpx2.Request, call: Call, token: Secret | None) -> httpx2.Response:
        started = self._clock.monotonic()
        code = "error"
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await self._http.send(request, stream=True, auth=_auth(token))
                code = str(response.status_code)
                if response.is_success:
                    return response
                try:
                    body = await _whole(response.aiter_bytes(), ERROR_MAX_BYTES, is_wanted=False)
                finally:
                    await response.aclose()
        except (httpx2.HTTPError, TimeoutError) as error:
            code = _code(error)
            raise judge_exchange(call, error, self.host) from None
        finally:
            self._observe(CallRecord(call.operation, code, self._clock.monotonic() - started, code == "429"))
        raise judge_status(call, response.status_code, body, None)

    async def _attempt(self, call: Call, max_bytes: int, still_right: StillRight) -> RawAnswer:
        asked = _QueuedSince(self._clock.monotonic(), self._pace.signals, still_right)
        async with self._slots:
            token = await self._tokens.token()
            await self._turn(call, asked)
            raw = await self._exchange(call, token, max_bytes, still_right)
            if raw.status == 401:
                await self._tokens.renew(token)
                token = await self._tokens.token()
                await self._turn(call, asked)
                raw = await self._exchange(call, token, max_bytes, still_right)
        if 200 <= raw.status < 300 or _was_done(call, raw):
            return raw
        raise judge_status(call, raw.status, raw.body, self._retry_after(raw))

    async def _turn(self, call: Call, asked: _QueuedSince) -> None:
        """Wait until the pace lets this call go; Throttled when that would be too long to still be right.

        One waiter of a kind at a time sleeps, the others queue behind it in order; changes do not queue
        behind reads, since what they were decided on grows old.
        """
        async with self._gates[call.safe]:
            while True:
                now = self._clock.monotonic()
                pause = self._pace.pause_left(now)
                if pause > RETRY_MAX_S or (not call.safe and self._is_stale(asked, now, pause)):
                    said = f"not sent: it would have had to wait too long; {pause:.0f} s of a pause are left"
                    raise Throttled(said, operation=call.operation, retry_after=pause)
                if not asked.still_right():
                    raise _outdated(call)
                wait = self._pace.reserve(now)
                if not wait:
                    return
                await self._clock.sleep(wait)

    def _is_stale(self, asked: _QueuedSince, now: float, pause: float) -> bool:
        return pause > 0 or self._pace.signals != asked.signals or now - asked.at > CHANGE_WAIT_MAX_S

    async def _exchange(self, call: Call, token: Secret | None, max_bytes: int, still_right: StillRight) -> RawAnswer:
        sent = self._clock.monotonic()
        code = "error"
        try:
            async with asyncio.timeout(self._timeout_s):
                raw = await self._receive(call, token, max_bytes, still_right)
            code = str(raw.status)
        except Outdated:
            code = "outdated"
            raise
        except (httpx2.HTTPError, httpx2.StreamError, AnswerTooLargeError, TimeoutError) as error:
            code = _code(error)
            raise judge_exchange(call, error, self.host) from None
        finally:
            took = self._clock.monotonic() - sent
            self._observe(CallRecord(call.operation, code, took, code == "429"))
        self.observe_time(raw.date, raw.wall, raw.monotonic, raw.sent)
        if raw.status == 429:
            self._pace.throttled(self._clock.monotonic(), self._retry_after(raw), sent)
        else:
            self._pace.answered(self._clock.monotonic())
        return raw

    async def _receive(self, call: Call, token: Secret | None, max_bytes: int, still_right: StillRight) -> RawAnswer:
        sent = self._clock.monotonic()
        if call.safe and self._reads is not None:
            async with self._reads.get(self._url(call), _headers(call), token) as response:
                return await self._raw(
                    response.status, response.headers, response.content.iter_any(), sent, max_bytes
                )
        request = self._request(call)
        if not call.safe:
            request.extensions["trace"] = _Leaving(call, still_right)
        answer = await self._http.send(request, stream=True, auth=_auth(token))
        try:
            return await self._raw(answer.status_code, answer.headers, answer.aiter_bytes(), sent, max_bytes)
        finally:
            await answer.aclose()

    async def _raw(
        self, status: int, headers: Mapping[str, str], parts: AsyncIterator[bytes], sent: float, max_bytes: int
    ) -> RawAnswer:
        """A whole answer, out of one that has begun."""
        wall, monotonic = self._clock.wall(), self._clock.monotonic()
        is_wanted = 200 <= status < 300
        body = await _whole(parts, max_bytes if is_wanted else ERROR_MAX_BYTES, is_wanted=is_wanted)
        return RawAnswer(status, headers, body, wall, monotonic, sent)

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

    def _retry_after(self, raw: RawAnswer) -> float | None:
        return parsing.retry_after(raw.headers.get("retry-after"), raw.now)


@dataclass(frozen=True, slots=True)
class _Leaving:
    """Stops a change in the instant before its first byte leaves: a connection may have taken long to be made."""

    call: Call
    still_right: StillRight

    async def __call__(self, event: str, _: Mapping[str, object]) -> None:
        if event.endswith("send_request_headers.started") and not self.still_right():
            raise _outdated(self.call)


def _outdated(call: Call) -> Outdated:
    return Outdated("not sent: what it was decided on had grown too old", operation=call.operation)


def _headers(call: Call) -> dict[str, str]:
    kind = {} if call.content_type is None else {"Content-Type": call.content_type}
    return {"Accept": call.accept, **kind}


def _auth(token: Secret | None) -> Bearer | None:
    return None if token is None else Bearer(token)


async def _whole(parts: AsyncIterator[bytes], max_bytes: int, *, is_wanted: bool) -> bytes:
    """The parts together; of an answer that is not wanted, no more than is worth reading."""
    found: list[bytes] = []
    size = 0
    async for part in parts:
        found.append(part)
        size += len(part)
        if size > max_bytes:
            if is_wanted:
                raise AnswerTooLargeError(max_bytes)
            break
    return b"".join(found)


def _was_done(call: Call, raw: RawAnswer) -> bool:
    if call.done_code is None or raw.status != 409:
        return False
    return parsing.parse_error(raw.status, raw.body)[0] == call.done_code


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome is not None else None
    if isinstance(error, Throttled):
        return 0.0  # the pace knows how long
    asked = error.retry_after if isinstance(error, Retryable) else None
    return max(_BACKOFF(state), asked or 0.0)


def _code(error: Exception) -> str:
    return "timeout" if isinstance(error, TimeoutError | httpx2.TimeoutException) else "error"
