"""A platform that allows so many requests a second and refuses the rest, and workers that ask it; in no time."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from itertools import count
from typing import Protocol

from reaper.foundry.rate_limiter import RateLimiter


class Pacing(Protocol):
    """What decides when the next request goes out."""

    def reserve(self, now: float) -> float: ...

    def answered(self, now: float) -> None: ...

    def throttled(self, now: float, retry_after: float | None, sent: float) -> None: ...


class Obedient:
    """What a client does by itself: each waits as long as the platform said, and nobody asks less."""

    def reserve(self, now: float) -> float:
        return 0.0

    def answered(self, now: float) -> None: ...

    def throttled(self, now: float, retry_after: float | None, sent: float) -> None: ...


def simulate(
    limit: Callable[[float], float],
    seconds: float,
    *,
    retry_after: float | None = 1.0,
    burst: float = 5.0,
    since: float = 0.0,
    workers: int = 16,
    latency_s: float = 0.05,
    seed: int = 1,
    max_per_second: float = 50,
    pacing: Pacing | None = None,
) -> tuple[float, float]:
    """Ask a token bucket of `limit(t)` a second; give (share of the limit used, share refused) from `since` on.

    Workers are alike: of those that wait for their turn only the first asks again, and the others stand behind it.
    """
    chance, number = random.Random(seed), count()
    pace = pacing or RateLimiter(max_per_second, 0.0, jitter=chance.random)
    tokens, filled_at = burst, 0.0
    sent = refused = behind = 0
    someone_waits = False
    events = [(0.0, next(number), "ask", 0.0) for _ in range(workers)]
    while events[0][0] <= seconds:
        now, _, what, sent_at = heapq.heappop(events)
        after, then = 0.0, ("ask", 0.0)
        if what == "ask" and someone_waits:
            behind += 1
            continue
        if what in {"ask", "ask again"}:
            after, then = pace.reserve(now), ("ask again", 0.0)
            someone_waits = after > 0
            if not after:
                after, then = latency_s * chance.uniform(0.2, 0.8), ("arrive", now)
                if behind:
                    behind, someone_waits = behind - 1, True
                    heapq.heappush(events, (now, next(number), "ask again", 0.0))
        elif what == "arrive":
            tokens, filled_at = min(burst, tokens + (now - filled_at) * limit(now)), now
            taken = tokens >= 1
            tokens -= taken
            sent, refused = sent + (now >= since), refused + (now >= since and not taken)
            after, then = latency_s * chance.uniform(0.2, 0.8), ("taken" if taken else "refused", sent_at)
        elif what == "taken":
            pace.answered(now)
        else:
            pace.throttled(now, retry_after, sent_at)
            after = (retry_after or 0.0) if isinstance(pace, Obedient) else 0.0
        heapq.heappush(events, (now + after, next(number), *then))
    step = (seconds - since) / 1000
    allowed = sum(limit(since + n * step) for n in range(1000)) * step
    return (sent - refused) / allowed, refused / sent
