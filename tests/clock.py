"""The clocks of all tests: one that only sleeping moves, and an event loop in virtual time, where nothing waits."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

EPOCH = 1_800_000_000.0
"""The platform's time when a simulated history begins."""


class ManualClock:
    """Time that only a sleep, or a test, moves: `passed` seconds after `start`. `slept` are the sleeps, in order."""

    def __init__(self, start: float = 1_790_000_000.0) -> None:
        self.start, self.passed = start, 0.0
        self.slept: list[float] = []

    def wall(self) -> float:
        return self.start + self.passed

    def monotonic(self) -> float:
        return self.passed

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.passed += seconds
        await asyncio.sleep(0)


class _Jumping(selectors.DefaultSelector):
    """Instead of waiting for a timer, moves the loop's time on to it."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[Any]:
        if self.loop.on_turn is not None:
            self.loop.on_turn()
        if timeout == 0:
            return []  # somebody is ready already: no need to ask the kernel
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("everything waits for something that never comes")
            self.loop.moved += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is `moved`, in seconds since its start.

    `paused` are the seconds in which its whole machine stood still, its clocks included. `on_turn` is called at each
    turn of the loop: whenever everybody waits for something.
    """

    def __init__(self) -> None:
        selector = _Jumping()
        super().__init__(selector)
        selector.loop = self
        self.moved = 0.0
        self.paused = 0.0
        self.on_turn: Callable[[], None] | None = None
        # Weeks in seconds leave a float too few digits for the real clock's resolution: a timer would never be due.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return getattr(self, "moved", 0.0)


def run(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())


def loop() -> VirtualLoop:
    """The loop that runs now."""
    running = asyncio.get_running_loop()
    assert isinstance(running, VirtualLoop)
    return running


class VirtualClock:
    """The reaper's own clock: `error` seconds wrong; the monotonic one stands still while its machine does."""

    def __init__(self) -> None:
        self.error = 0.0

    def wall(self) -> float:
        return true_time() + self.error

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def leap(self, seconds: float, *, still: bool = False) -> None:
        """Time goes on without the process; where the machine stands `still`, its clocks do, too."""
        if still:
            loop().paused += seconds
            self.error -= seconds
        else:
            loop().moved += seconds


class Moment(NamedTuple):
    """A moment by the process's monotonic clock, in truth, and by how long its machine had stood still by then."""

    monotonic: float
    at: float
    paused: float


def true_time() -> float:
    """The time as it is, which the platform keeps its records by."""
    running = loop()
    return EPOCH + running.moved + running.paused


def now() -> Moment:
    """This moment."""
    running = loop()
    return Moment(running.moved, true_time(), running.paused)
