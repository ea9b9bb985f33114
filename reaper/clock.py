"""The only module that asks the time or sleeps, so that a test can be the clock."""

from __future__ import annotations

import asyncio
import time
from typing import Final, Protocol
from weakref import WeakKeyDictionary

_STEADY: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
TURNS_OF_A_REQUEST: Final = 4
"""A loop takes so many to accept a connection, to read what it asks for, to find that out, and to answer."""
_turnstiles: Final = WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock]()


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


async def give_way() -> None:
    """Let everybody else have their turn, in the midst of long work, of which one step at a time goes on."""
    async with _turnstiles.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
        for _ in range(TURNS_OF_A_REQUEST):
            await asyncio.sleep(0)
