"""The console log of a session, and following it as server-sent events."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

KEPT_LINES = 1_000
POLL_S = 0.25
QUIET_S = 60.0


class SessionLog:
    """The last lines of a session, numbered from 0 for ever."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._written = 0

    def write(self, now: float, stream: str, message: str) -> None:
        self._lines.append(line(now, stream, message))
        self._written += 1

    def since(self, number: int) -> tuple[list[str], int]:
        """The kept lines from `number` on, and the number of the next one."""
        first = self._written - len(self._lines)
        return list(self._lines)[max(0, number - first) :], self._written


def line(now: float, stream: str, message: str) -> str:
    """One log line as the platform writes it: JSON today, opaque by contract."""
    stamp = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"timestamp": stamp, "stream": stream, "message": message})


def frame(text: str) -> bytes:
    """One server-sent event."""
    return f"event: log\ndata: {text}\n\n".encode()


async def follow(
    read: Callable[[int], tuple[list[str], int] | None],
    now: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]],
) -> AsyncIterator[bytes]:
    """Yield the log from its start and as it grows, and nothing (`b""`) at each look that found no news.

    Ends when `read` answers None: the session is gone. Says every minute that it is quiet.
    """
    number, quiet_since = 0, now()
    while (news := read(number)) is not None:
        lines, number = news
        if not lines and now() - quiet_since >= QUIET_S:
            lines = [line(now(), "status", "No logs since last 60 seconds")]
        if lines:
            quiet_since = now()
        yield b"".join(map(frame, lines))
        await sleep(POLL_S)
