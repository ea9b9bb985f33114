"""Ctrl-C in the middle of changes: the first ends what is not begun, the second the waiting for what is."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

T = TypeVar("T")

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@dataclass(slots=True)
class Interrupts:
    """What the person at the keyboard has asked for so far."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    insisted: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self) -> None:
        """One more signal came."""
        if self.asked.is_set():
            self.insisted.set()
            return
        self.asked.set()
        told = "reaper: interrupted: what is under way is finished first; once more stops waiting for it"
        print(told, file=sys.stderr, flush=True)


@contextmanager
def interruptible() -> Iterator[Interrupts]:
    """Count signals instead of being ended by them."""
    loop, made = asyncio.get_running_loop(), Interrupts()
    former = [(number, signal.getsignal(number)) for number in _SIGNALS]
    for number in _SIGNALS:
        loop.add_signal_handler(number, made.note)
    try:
        yield made
    finally:
        for number, handler in former:
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


@contextmanager
def plain_ctrl_c() -> Iterator[None]:
    """Let Ctrl-C end a question at once: the event loop, which would see it, waits for the answer too."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)


async def unless(event: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """What the work gives; None when the event came first, and the work was cancelled."""
    if event.is_set():
        work.close()
        return None
    task, gate = asyncio.ensure_future(work), asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait({task, gate}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        gate.cancel()
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
