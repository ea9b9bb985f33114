"""Few connections at once, and none that waits for its client long: who says nothing must cost nothing.

Each connection takes a descriptor, and sweeping needs descriptors. When there are as many connections as may be, a
new one takes the place of the one that has kept us waiting longest, so that a probe is answered beside hundreds of
half-open ones.
"""

from __future__ import annotations

import asyncio
import resource
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

CONNECTIONS_MAX: Final = 64
DESCRIPTORS_SHARE: Final = 8
"""A listener takes one descriptor in so many: there may be two listeners, and most are for sweeping."""
REQUEST_MAX_S: Final = 10.0
ANSWER_MAX_S: Final = 60.0
BACKLOG: Final = 16


def connections_max() -> int:
    """How many connections one listener may hold, by what this process may open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return CONNECTIONS_MAX
    return max(1, min(CONNECTIONS_MAX, soft // DESCRIPTORS_SHARE))


@dataclass(frozen=True, slots=True)
class Patience:
    """How many clients are served at once, and how long each may take to send its request and to take its answer."""

    connections: int
    request_s: float = REQUEST_MAX_S
    answer_s: float = ANSWER_MAX_S


def protocol(patience: Patience) -> type[asyncio.Protocol]:
    """What uvicorn makes of each connection."""
    return type("BoundedConnection", (_Connection,), {"patience": patience})


class _Connection(H11Protocol):
    """A connection that is aborted when its client keeps it waiting: to end its request, or to take its answer.

    What trickles in does not prolong the wait. While a handler works, nobody waits for the client.
    """

    patience: ClassVar[Patience]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waits_s: float | None = None
        self._waits_since = 0.0
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._turn()
        self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._turn()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._turn()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._turn()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._turn()

    def _turn(self) -> None:
        """Whose turn it is has perhaps changed: wait for the client, or stop waiting."""
        if self.flow.write_paused:
            waits_s: float | None = self.patience.answer_s
        elif self.cycle is None or self.cycle.response_complete or self.cycle.more_body:
            waits_s = self.patience.request_s
        else:
            waits_s = None
        if waits_s != self._waits_s:
            self._wait(waits_s)

    def _wait(self, seconds: float | None) -> None:
        if self._patience is not None:
            self._patience.cancel()
        self._waits_s, self._waits_since = seconds, self.loop.time()
        # Closing would wait for the client once more, to take what was written.
        self._patience = None if seconds is None else self.loop.call_later(seconds, self.transport.abort)

    def _make_room(self) -> None:
        held = [one for one in self.connections if isinstance(one, _Connection) and not one.transport.is_closing()]
        if len(held) > self.patience.connections:
            waiting = (one for one in held if one is not self and one._waits_s is not None)
            min(waiting, key=lambda one: one._waits_since, default=self).transport.abort()
