"""How fast a project may be asked: a rate that is found by asking, since no call tells it.

Pure state; the time is handed in, in seconds of any clock that only grows.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Final

CUT: Final = 0.08
"""A refusal after a calm time lowers the rate by this share: the limit was all but found."""

RECOVERY_S: Final = 20.0
RECOVERY_REQUESTS: Final = 60
"""Asking at full rate for so long, and for so many requests, brings the rate back to where it was last
refused. The requests keep the share of refused ones low where the rate is: one in two recoveries."""

SOON: Final = 0.2
"""A refusal within this share of a recovery after the last one: the rate is far off, not slightly."""

LEAST: Final = 0.6
"""The rate is never cut below this share of itself at once."""

START_PER_SECOND: Final = 50.0
"""Where a rate that nobody knows yet begins, when it may be higher."""

QUICK_S: Final = 0.5
STEADY_S: Final = 6.0
DOUBLING_REQUESTS: Final = 3
"""A climb doubles the rate in so long, and in no fewer requests: quickly, then, after it was refused, steadily."""

LANDING: Final = 0.7
"""A quick climb that was refused goes on steadily from this share of the rate: it has gone too far."""

CLOSED_S: Final = 1.0
"""A platform that let through one request at most in so long is closed: that says nothing of its limit."""

FAR: Final = 3
"""After so many recoveries without a refusal the limit is far beyond the rate."""

FLOOR_PER_SECOND: Final = 0.2
PAUSE_MIN_S: Final = 0.25
"""Whatever the platform says: a bucket just found empty holds nothing at once."""
PAUSE_MAX_S: Final = 60.0
_TICK_S: Final = 1e-6


class RateLimiter:
    """A project's rate: uses what the platform allows, and is refused seldom.

    Near its limit the rate follows a cubic curve around its `ceiling`, the rate at which it was last refused (as TCP
    CUBIC does, RFC 9438): quickly up to it, long near it, then faster beyond it. Where the limit may be far off, it
    climbs by doubling until it is refused: at first, after the platform was closed, and once it has been beyond its
    ceiling for as long as it took to get there. Both run on time spent asking at the full rate only: a rate that
    nobody used proves nothing.

    A refusal pauses everything. Refusals of requests that were under way when the first came say the
    same thing again, and count as one. `rate` is in requests a second; `signals` counts what was heard.
    """

    def __init__(
        self,
        max_per_second: float,
        now: float,
        *,
        jitter: Callable[[], float] = random.random,
        known: float | None = None,
    ) -> None:
        """`known` is what the rate was found to be before."""
        self._max = float(max_per_second)
        self.rate = min(known or START_PER_SECOND, self._max)
        self._ceiling = self.rate
        self._top = self._max
        self._doubling_s = QUICK_S if self.rate < self._max and known is None else 0.0
        self._recovery_s = self._recovery()
        self._asked_s = self._recovery_s
        self._asked_from_s = float("-inf")
        self._jitter = jitter
        self._next = self._paused_until = self._answered_at = now
        self._signal_at = now - 1
        self._answers = 0
        self._refusals_in_row = self._soon = 0
        self._pressed = False
        self.signals = 0

    @property
    def found(self) -> float | None:
        """The rate that refusals have shown, for whoever asks the same platform later; None while there is none."""
        return self.rate if self.signals and not self._doubling_s else None

    def reserve(self, now: float, patience_s: float = math.inf) -> float:
        """Take a turn and return 0, or return the seconds after which to try again.

        Whom the rate, and no pause, would keep waiting beyond its patience takes the next turn at once: what comes
        after waits for that turn, too.
        """
        wait = max(self._next, self._paused_until) - now
        if wait > _TICK_S:
            self._pressed = True
            if wait <= patience_s or self._paused_until > now:
                return wait
        interval = 1 / self.rate
        # A turn taken late does not delay the next ones, by up to one turn.
        self._next = max(self._next, now - interval) + interval
        return 0.0

    def pause_left(self, now: float) -> float:
        """Seconds until anything may be sent, 0 when not paused."""
        return max(0.0, self._paused_until - now)

    def answered(self, now: float) -> None:
        """Note that the platform took a request."""
        self._refusals_in_row = 0
        self._answers += 1
        if self._pressed:
            self._rise(min(now - self._answered_at, 2 / self.rate))
        self._pressed = False
        self._answered_at = now

    def throttled(self, now: float, retry_after: float | None, sent: float) -> None:
        """Note a refusal (429) of a request sent at `sent`: pause all, and ask less from then on.

        `retry_after` is in seconds, None when the platform did not say: then 1 s, doubled with each
        refusal in a row, up to a minute, more or less by half.
        """
        if sent > self._signal_at:
            self.signals += 1
            self._refusals_in_row += 1
            self._lower(now)
            self._pause(now, self._backoff() if retry_after is None else retry_after)
            self._signal_at, self._answers = now, 0
        elif retry_after is not None:
            self._pause(now, retry_after)

    def _rise(self, asked_s: float) -> None:
        """Ask more after so long of asking at the full rate without being refused."""
        if self._doubling_s:
            self._set(self.rate * 2 ** min(asked_s / self._doubling_s, 1 / DOUBLING_REQUESTS))
            if self.rate >= self._top:
                self._settle(self._top)
            return
        self._asked_s += asked_s
        self._set(self._curve())
        if self._asked_s >= FAR * self._recovery_s and self.rate < self._max:
            self._climb(self.rate, STEADY_S, self._max)

    def _lower(self, now: float) -> None:
        """Ask less after a refusal."""
        # What went through since the last refusal, its pause included, is what the limit let through at least.
        delivered = self._answers / max(now - self._signal_at, _TICK_S)
        if self.signals > 1 and now - self._signal_at >= CLOSED_S and self._answers < 2:
            top = self._top if self._doubling_s else self._ceiling
            self._climb(min(self.rate / 4, top / 16), QUICK_S, top)
        elif self._doubling_s == QUICK_S:
            self._climb(self.rate * LANDING, STEADY_S, self._max)
        elif self._doubling_s:
            self._settle(self.rate * (1 - CUT), 0.0)
        elif self._asked_s - self._asked_from_s >= SOON * self._recovery_s:
            self._settle(self.rate, 0.0)
        else:
            ran_s = max(now - max(self._signal_at, self._paused_until), _TICK_S)
            self._soon += 1
            least = 1 - 2 * CUT if self._soon == 1 else LEAST
            guess = (delivered + min(self.rate, self._answers / ran_s)) / 2
            self._settle(min(max(guess, self.rate * least), self.rate * (1 - CUT)), 1.0)

    def _climb(self, start: float, doubling_s: float, top: float) -> None:
        """Go up from `start` by doubling, to `top` at most."""
        self._doubling_s, self._top = doubling_s, top
        self._set(start)

    def _settle(self, ceiling: float, recovered: float = 1.0) -> None:
        """Stay near a rate, having recovered to it by so much, and rise slowly from there."""
        self._doubling_s = 0.0
        self._ceiling = min(max(ceiling, FLOOR_PER_SECOND), self._max)
        self._recovery_s = self._recovery()
        self._asked_s = self._asked_from_s = recovered * self._recovery_s
        if not recovered:
            self._soon = 0
        self._set(self._curve())

    def _recovery(self) -> float:
        return RECOVERY_S + RECOVERY_REQUESTS / self._ceiling

    def _curve(self) -> float:
        return self._ceiling * (1 + CUT * (self._asked_s / self._recovery_s - 1) ** 3)

    def _set(self, rate: float) -> None:
        self.rate = min(max(rate, FLOOR_PER_SECOND), self._max)

    def _backoff(self) -> float:
        return min(2.0 ** min(self._refusals_in_row - 1, 10), PAUSE_MAX_S) * (0.5 + self._jitter())

    def _pause(self, now: float, seconds: float) -> None:
        # Refused again without one answer between: a `Retry-After: 0` must not become a hot loop.
        least = self._backoff() if self._refusals_in_row > 1 else 0.0
        self._paused_until = max(self._paused_until, now + max(seconds, least, PAUSE_MIN_S))
        self._next = max(self._next, self._paused_until)
        self._answered_at = max(self._answered_at, self._paused_until)
