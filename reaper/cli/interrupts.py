"""Signals: what ends a server, and Ctrl-C in the middle of changes."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

T = TypeVar("T")

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def until_signalled() -> asyncio.Event:
    """Set by SIGINT and SIGTERM, which end nothing by themselves from here on."""
    came = asyncio.Event()
    for number in _SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, came.set)
    return came


@dataclass(slots=True)
class Interrupts:
    """The first Ctrl-C ends what is not begun, the second the waiting for what is."""

    asked: bool = False
    _work: asyncio.Task[Any] | None = None

    def why(self) -> str:
        """Why nothing new may begin, '' while it may."""
        return "interrupted" if self.asked else ""

    def note(self) -> None:
        """One more signal came."""
        if self.asked:
            if self._work is not None:
                self._work.cancel()
            return
        self.asked = True
        line = "reaper: interrupted: what is under way is finished first; once more stops waiting for it"
        print(line, file=sys.stderr, flush=True)

    async def patiently(self, work: Coroutine[Any, Any, T]) -> T | None:
        """What the work gives; None when the second signal ended it."""
        self._work = task = asyncio.ensure_future(work)
        await asyncio.wait({task})
        return None if task.cancelled() else task.result()


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
