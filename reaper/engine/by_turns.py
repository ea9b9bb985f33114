"""Long work by steps, between which everybody else has a turn."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

from reaper.clock import give_way

T = TypeVar("T")


async def by_turns(steps: Generator[None, None, T]) -> T:
    """What these steps come to, others having their turn after each."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: T = end.value
            return found
        await give_way()
