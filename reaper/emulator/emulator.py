"""The whole emulator in one value: platform, faults, wire and server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from reaper.clock import Clock, SystemClock
from reaper.emulator.admin import PREFIX, answer_admin
from reaper.emulator.asgi import Asgi
from reaper.emulator.faults import Faults
from reaper.emulator.http import Api
from reaper.emulator.http_server import serve
from reaper.emulator.in_process import EmulatorTransport
from reaper.emulator.payloads import Request, WireAnswer
from reaper.emulator.platform import GoneCursor, Platform
from reaper.emulator.population import populate

PROJECT_PATH = "/api/projects/emulated"


class Emulator:
    """A platform with `agents` agents of `sessions` sessions each, the same for the same `seed`.

    Its time is `now` (default: the clock's), moved on by `advance`; all its waiting goes through the clock.
    `api.requests` and `platform.history` say what happened, `faults` is what goes wrong.
    """

    def __init__(
        self,
        *,
        now: Callable[[], float] | None = None,
        clock: Clock | None = None,
        agents: int = 3,
        sessions: int = 200,
        seed: int = 1,
        latency_s: float = 0.0,
        require_token: bool = False,
        tombstone_s: float = 3600.0,
        get_tombstones: bool = False,
        creating_s: float = 1.0,
        files_touch: bool = False,
        gone_cursor: GoneCursor = "error",
    ) -> None:
        self._clock = clock or SystemClock()
        self._base = now or self._clock.wall
        self._offset_s = 0.0
        self.latency_s = latency_s
        self.faults = Faults()
        self.platform = Platform(
            self.now,
            tombstone_s=tombstone_s,
            get_tombstones=get_tombstones,
            creating_s=creating_s,
            files_touch=files_touch,
            gone_cursor=gone_cursor,
        )
        populate(self.platform, agents=agents, sessions=sessions, seed=seed)
        self.api = Api(self.platform, self.faults, self._clock.sleep, require_token)
        self.asgi = Asgi(self.answer, self._clock.sleep, latency_s)

    def now(self) -> float:
        """The platform's time in Unix seconds."""
        return self._base() + self._offset_s

    def advance(self, seconds: float) -> float:
        """Move the platform's clock; returns the new time."""
        self._offset_s += seconds
        return self.now()

    def answer(self, request: Request) -> WireAnswer:
        """Answer one request of the API, or of `/_emulator/`."""
        if request.path.startswith(PREFIX):
            return answer_admin(self.api, self.advance, request)
        return self.api.answer(request)

    def transport(self, actor: str = "api") -> EmulatorTransport:
        """A way for an httpx2 client to this emulator without sockets."""
        return EmulatorTransport(self.answer, self._clock.sleep, self.latency_s, actor)

    async def serve(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        on_ready: Callable[[str], None],
        stop: asyncio.Event | None = None,
    ) -> None:
        """Serve until `stop` or cancelled; `on_ready` gets the endpoint to put into a configuration."""
        await serve(self.asgi, host, port, on_ready=lambda address: on_ready(address + PROJECT_PATH), stop=stop)

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Serve in the background while the block runs; gives the endpoint."""
        stop = asyncio.Event()
        endpoint: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self.serve(on_ready=endpoint.set_result, stop=stop))
        try:
            waiting: set[asyncio.Future[None] | asyncio.Future[str]] = {task, endpoint}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if not endpoint.done():
                await task
            yield endpoint.result()
        finally:
            stop.set()
            await task
