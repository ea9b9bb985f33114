"""sessions logs: what a session's log holds, or all that comes, across connections that break."""

from __future__ import annotations

import asyncio
import random
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Final

from reaper.cli.endings import CommandError, Exit
from reaper.cli.explain_command import checked
from reaper.cli.session_commands import SessionCommands
from reaper.clock import SystemClock
from reaper.core.model import TOMBSTONES, Malformed, Session
from reaper.core.provider import Gone, Provider, Retryable
from reaper.core.text import clean
from reaper.foundry import requests

QUIET_S: Final = 2.0
"""Without --follow, a log is over when nothing came for so long."""
SILENT_MAX_S: Final = 180.0
"""The platform says every minute that a log is quiet; a connection that says nothing for so long is dead."""
RECONNECTS_MAX: Final = 40
RECONNECT_PAUSE_MAX_S: Final = 30.0
KEPT_LINES: Final = 5_000


class ShownLines:
    """The lines printed last: a new connection brings them again, and they are not printed twice.

    Lines are opaque, so a repetition is known by its text and its place: what comes after a line that is in
    none of the kept ones is new.
    """

    def __init__(self) -> None:
        self._kept: deque[str] = deque(maxlen=KEPT_LINES)
        self._former: list[str] = []
        self._place: int | None = None

    def again(self) -> None:
        """The next lines may come for the second time."""
        self._former, self._place = list(self._kept), 0

    def is_new(self, line: str) -> bool:
        """Whether to print a line; what is printed is remembered."""
        if self._place is not None:
            try:
                self._place = self._former.index(line, self._place) + 1
            except ValueError:
                self._former, self._place = [], None
            else:
                return False
        self._kept.append(line)
        return True


class Follower:
    """Prints one session's log."""

    def __init__(self, client: Provider, agent: str, session: str) -> None:
        self._client, self._agent, self._session = client, agent, session
        self._shown = ShownLines()

    async def run(self, *, follow: bool) -> None:
        """Print what is there until nothing came for a moment; with `follow` what comes until the session is gone."""
        record = await self._record()
        if record is None:
            raise CommandError(f"agent {self._agent} has no session {self._session}", Exit.FAILED)
        await (self._follow() if follow else self._print(record, QUIET_S))

    async def _follow(self) -> None:
        """Print what comes, connecting again whenever the connection breaks."""
        there, in_vain = True, 0
        while there:
            try:
                there, in_vain = await self._once(), 0
            except Retryable as error:
                in_vain += 1
                if in_vain >= RECONNECTS_MAX:
                    raise
                pause_s = random.uniform(0, min(RECONNECT_PAUSE_MAX_S, 2.0 ** (in_vain - 2)))
                print(f"reaper: {clean(error)}; connecting again in {pause_s:.1f} s", file=sys.stderr)
                await SystemClock().sleep(pause_s)
        print(f"reaper: session {self._session} is gone, its log has ended", file=sys.stderr)

    async def _once(self) -> bool:
        """One connection to its end; False when the session is gone, Retryable when it brought nothing new."""
        record = await self._record()
        if record is None:
            return False
        self._shown.again()
        try:
            news, why = await self._print(record, SILENT_MAX_S), "the connection ended"
        except Gone:
            news, why = 0, "the platform has no log of it yet"
        if await self._record() is None:
            return False
        if not news:
            raise Retryable(why, operation="log_stream")
        print("reaper: the connection ended, connecting again", file=sys.stderr)
        return True

    async def _record(self) -> Session | None:
        """The session as it is now, None when it is gone."""
        try:
            record = (await self._client.get(self._agent, self._session)).value
        except Gone:
            return None
        if isinstance(record, Session) and record.status in TOMBSTONES:
            return None
        if isinstance(record, Malformed) or record.version is None:
            raise CommandError(f"the version of session {self._session} cannot be read", Exit.FAILED)
        return record

    async def _print(self, record: Session, silence_s: float) -> int:
        """Print the new lines of one connection until it ends or is silent; returns how many there were."""
        news = 0
        async with aclosing(self._lines(record, silence_s)) as lines:  # type: ignore[type-var]
            try:
                async for line in lines:
                    if self._shown.is_new(line):
                        print(line, flush=True)
                        news += 1
            except Retryable as error:
                if not news:
                    raise
                print(f"reaper: {error}", file=sys.stderr)
        return news

    async def _lines(self, record: Session, silence_s: float) -> AsyncIterator[str]:
        """The lines of one connection, which ends when nothing comes for so long after it was opened."""
        loop = asyncio.get_running_loop()
        silent = asyncio.timeout(None)

        def opened() -> None:
            silent.reschedule(loop.time() + silence_s)

        lines = self._client.logs(self._agent, str(record.version), record.id, on_open=opened)
        async with aclosing(lines) as stream:  # type: ignore[type-var]
            while True:
                try:
                    async with silent:
                        line = await anext(stream)
                except (TimeoutError, StopAsyncIteration):
                    return
                yield line
                silent = asyncio.timeout(silence_s)


async def run_logs(commands: SessionCommands, session: str, *, follow: bool) -> None:
    """Print a session's log; with `follow` until the session is gone."""
    checked(requests.get_session, commands.agent, session)
    async with commands.client() as client:
        await Follower(client, commands.agent, session).run(follow=follow)
