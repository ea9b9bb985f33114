"""One action of assistants at a time on one state, however many servers and clients there are.

What is counted against a cap must be written down before the next one counts; the lock is held from the one to the
other. The kernel lets it go when its holder dies.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from reaper.clock import Clock
from reaper.mcp.advice import NotDoneError
from reaper.store.database import StateError, path_of

WAIT_MAX_S: Final = 60
WAITING_MAX: Final = 16
"""Who calls a thousand times at once does not know what it does, and hears so at once."""

_POLL_S: Final = 0.05
_BUSY: Final = "other actions of assistants are under way, and nothing was done. Ask again in a minute"


class ActionLock:
    """Who may act now: first come, first served within this process, and one process at a time."""

    def __init__(self) -> None:
        self._mine = asyncio.Lock()
        self._waiting = 0

    @asynccontextmanager
    async def taken(self, state: Callable[[], str], clock: Clock) -> AsyncIterator[str]:
        """Hold the lock on the state whose URL is asked for then, and yield it; NotDoneError when it comes late."""
        until = clock.monotonic() + WAIT_MAX_S
        await self._queue()
        try:
            url = state()
            held = await _locked(_beside(url), until, clock)
            try:
                yield url
            finally:
                os.close(held)
        finally:
            self._mine.release()

    async def _queue(self) -> None:
        if self._waiting >= WAITING_MAX:
            raise NotDoneError(_BUSY)
        self._waiting += 1
        try:
            await asyncio.wait_for(self._mine.acquire(), WAIT_MAX_S)
        except TimeoutError as error:
            raise NotDoneError(_BUSY) from error
        finally:
            self._waiting -= 1


def _beside(url: str) -> str:
    """The lock's path, the same whatever links lead to the state."""
    database = path_of(url)
    if not database:
        raise StateError(f"state {url}: there is no file beside which assistants could take turns")
    return f"{os.path.realpath(database)}.mcp-lock"


async def _locked(path: str, until: float, clock: Clock) -> int:
    """A descriptor that holds the lock on what is at `path` now."""
    while True:
        held = _attempt(path)
        if held is not None:
            return held
        if clock.monotonic() >= until:
            raise NotDoneError(_BUSY)
        await clock.sleep(_POLL_S)


def _attempt(path: str) -> int | None:
    """The lock, None while another process holds it; StateError when it cannot be had at all."""
    try:
        opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateError(f"{path}: {error.strerror}") from error
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        ours = os.fstat(opened).st_uid == os.geteuid()
        same = os.path.samestat(os.fstat(opened), os.stat(path, follow_symlinks=False))
    except (BlockingIOError, FileNotFoundError):
        os.close(opened)
        return None
    except OSError as error:
        os.close(opened)
        raise StateError(f"{path}: {error.strerror}") from error
    if ours and same:
        return opened
    os.close(opened)
    if not ours:
        raise StateError(f"{path}: another user owns it")
    return None
