"""The emulator on a real port, able to break connections as well as to serve them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from reaper.emulator.asgi import Application, ConnectionDroppedError, Receive, Scope, Send

BACKLOG = 2_048
STOP_TIMEOUT_S = 2


class _BreakableProtocol(H11Protocol):
    """Aborts the connection where the application asks for it: the client sees no answer, not a 500."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        inner = self.app

        async def breakable(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await inner(scope, receive, send)
            except ConnectionDroppedError:
                self.transport.abort()
                while (await receive())["type"] != "http.disconnect":
                    pass

        self.app = breakable


class _EmulatorServer(uvicorn.Server):
    """Leaves the signals to whoever runs it, and says when it accepts connections."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def break_connections(self) -> None:
        """End what is under way, so that hung requests and open streams do not hold up the end."""
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()


async def serve(
    app: Application,
    host: str,
    port: int,
    *,
    on_ready: Callable[[str], None],
    stop: asyncio.Event | None = None,
) -> None:
    """Serve until `stop` is set or this is cancelled; OSError when the port is taken.

    `on_ready` gets `http://HOST:PORT` with the real port once connections are accepted.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    # asyncio does so only for sockets that name their protocol, which this one does not.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server = _EmulatorServer(_config(app))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await _first(task, server.ready)
        if server.ready.is_set():
            on_ready(_address(host, listener.getsockname()[1]))
        await _first(task, stop or asyncio.Event())
    finally:
        server.should_exit = True
        server.break_connections()
        await asyncio.shield(task)


def _config(app: Application) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_BreakableProtocol,
        ws="none",
        lifespan="off",
        log_level="critical",
        access_log=False,
        log_config=None,
        date_header=False,
        server_header=False,
        timeout_graceful_shutdown=STOP_TIMEOUT_S,
    )


def _address(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _first(task: asyncio.Task[None], event: asyncio.Event) -> None:
    """Wait until the event is set, or the task has ended without it."""
    waiting = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
