"""The only module that asks the time or sleeps, so that a test can be the clock."""

from __future__ import annotations

import asyncio
import time
from typing import Final, Protocol

_STEADY: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Clock(Protocol):
    """Local time. Sessions are never judged by it: they are judged by the platform's `Date`."""

    def wall(self) -> float:
        """Unix seconds as this machine believes them."""

    def monotonic(self) -> float:
        """Seconds that only ever grow, also while the machine sleeps, from an arbitrary start."""

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""


class SystemClock:
    """The machine's own clock."""

    def wall(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.clock_gettime(_STEADY)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def turn_of_others() -> None:
    """Let whatever else is due have its turn on the event loop."""
    await asyncio.sleep(0)
