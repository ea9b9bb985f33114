"""Sends calls to one project: in turn, as one identity, within the rate.

Reads are repeated here; changes never are, since only the caller knows what must be looked at first.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

import httpx2
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from reaper.clock import Clock
from reaper.core.provider import ObserveTime, Retryable, StillRight, Throttled, always
from reaper.foundry import parsing
from reaper.foundry.auth import Tokens
from reaper.foundry.error_mapping import judge_status
from reaper.foundry.exchange import ANSWER_MAX_BYTES, Exchange, RawAnswer, ignore, outdated
from reaper.foundry.rate_limiter import RateLimiter
from reaper.foundry.requests import Call
from reaper.foundry.secret import Secret

ATTEMPTS_MAX: Final = 5
RETRY_MAX_S: Final = 300.0
CHANGE_WAIT_MAX_S: Final = 60.0
"""A change that waited longer for its turn, or through a pause, is not sent: the session must be looked
at again first."""

CHANGE_PATIENCE_S: Final = 0.5
"""At a rate so low that a change would wait longer for its turn, what it was decided on would grow too old: it
follows its look at once, and the next look waits for both."""

_BACKOFF: Final = wait_random_exponential(multiplier=0.5, max=30)


class _QueuedSince(NamedTuple):
    """When a call was asked for, how many refusals had been heard by then, and whether it may still go out."""

    at: float
    signals: int
    still_right: StillRight


class Transport:
    """Sends calls; every wait between requests is a sleep of the given clock."""

    def __init__(
        self, exchange: Exchange, clock: Clock, tokens: Tokens, limiter: RateLimiter, *, concurrency: int
    ) -> None:
        self._exchange, self._clock, self._tokens, self._limiter = exchange, clock, tokens, limiter
        self._slots = asyncio.Semaphore(concurrency)
        self._queues = {True: asyncio.Lock(), False: asyncio.Lock()}
        self.observe_time: ObserveTime = ignore

    @property
    def spare(self) -> bool:
        """Whether a slot is free."""
        return not self._slots.locked()

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
            left = max(state.upcoming_sleep, self._limiter.pause_left(now))
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
        await self._wait_in_turn(call, _QueuedSince(self._clock.monotonic(), self._limiter.signals, always))
        response = await self._exchange.open_stream(call, token)
        try:
            yield response
        finally:
            await response.aclose()

    async def _attempt(self, call: Call, max_bytes: int, still_right: StillRight) -> RawAnswer:
        queued = _QueuedSince(self._clock.monotonic(), self._limiter.signals, still_right)
        async with self._slots:
            token = await self._tokens.token()
            await self._wait_in_turn(call, queued)
            raw = await self._once(call, token, max_bytes, still_right)
            if raw.status == 401:
                await self._tokens.renew(token)
                token = await self._tokens.token()
                await self._wait_in_turn(call, queued)
                raw = await self._once(call, token, max_bytes, still_right)
        if 200 <= raw.status < 300 or _was_done(call, raw):
            return raw
        raise judge_status(call, raw.status, raw.body, raw.retry_after)

    async def _once(self, call: Call, token: Secret | None, max_bytes: int, still_right: StillRight) -> RawAnswer:
        """One exchange, of which the watch on the clocks and the rate learn."""
        raw = await self._exchange.send(call, token, max_bytes, still_right)
        self.observe_time(raw.date, raw.wall, raw.monotonic, raw.sent)
        if raw.status == 429:
            self._limiter.throttled(self._clock.monotonic(), raw.retry_after, raw.sent)
        else:
            self._limiter.answered(self._clock.monotonic())
        return raw

    async def _wait_in_turn(self, call: Call, queued: _QueuedSince) -> None:
        """Wait until the rate lets this call go; Throttled when that would be too long to still be right.

        One waiter of a kind at a time sleeps, the others queue behind it in order; changes do not queue
        behind reads, since what they were decided on grows old.
        """
        async with self._queues[call.safe]:
            while True:
                now = self._clock.monotonic()
                pause = self._limiter.pause_left(now)
                if pause > RETRY_MAX_S or (not call.safe and self._is_stale(queued, now, pause)):
                    why = f"not sent: it would have had to wait too long; {pause:.0f} s of a pause are left"
                    raise Throttled(why, operation=call.operation, retry_after=pause)
                if not queued.still_right():
                    raise outdated(call)
                wait = self._limiter.reserve(now, math.inf if call.safe else CHANGE_PATIENCE_S)
                if not wait:
                    return
                await self._clock.sleep(wait)

    def _is_stale(self, queued: _QueuedSince, now: float, pause: float) -> bool:
        return pause > 0 or self._limiter.signals != queued.signals or now - queued.at > CHANGE_WAIT_MAX_S


def _was_done(call: Call, raw: RawAnswer) -> bool:
    if call.done_code is None or raw.status != 409:
        return False
    return parsing.parse_error(raw.status, raw.body)[0] == call.done_code


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome is not None else None
    if isinstance(error, Throttled):
        return 0.0  # the limiter knows how long
    wanted_s = error.retry_after if isinstance(error, Retryable) else None
    return max(_BACKOFF(state), wanted_s or 0.0)
