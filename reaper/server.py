"""The HTTP side of the daemon: metrics, health, and status as a page and as JSON. Read-only."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Final

import uvicorn
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from reaper.board import Board
from reaper.page import routes as page_routes
from reaper.render import status_json

STOP_MAX_S: Final = 3

Health = Callable[[], str]


def application(board: Board, registry: CollectorRegistry, stuck: Health) -> Starlette:
    """The routes; `stuck` says why sweeps make no progress, '' while they do."""

    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), media_type=content_type)

    async def livez(_: Request) -> Response:
        why = stuck()
        return PlainTextResponse(f"{why or 'ok'}\n", 503 if why else 200)

    async def readyz(_: Request) -> Response:
        why = _not_ready(board)
        return PlainTextResponse(f"{why or 'ok'}\n", 503 if why else 200)

    async def status(_: Request) -> Response:
        return Response(json.dumps(status_json(board)), media_type="application/json")

    return Starlette(
        routes=[
            Route("/metrics", metrics),
            Route("/livez", livez),
            Route("/readyz", readyz),
            Route("/api/v1/status", status),
            *page_routes(board, stuck),
        ]
    )


def _not_ready(board: Board) -> str:
    """Why nothing is acted on here, '' while this process does its job."""
    if board.state_fault or board.standby or board.ready:
        return board.state_fault or board.standby
    failed = sorted({report.why for report in board.latest.values() if report.why})
    return "no sweep has finished yet" + "".join(f"\n{why}" for why in failed)


class _Server(uvicorn.Server):
    """Leaves signals to the daemon."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(app: Starlette, host: str, port: int) -> AsyncIterator[str]:
    """Serve `app` while the block runs; yields its address. Raises OSError when the port cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family)
    # asyncio does so only for sockets that name their protocol, which this one does not.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    shown = f"[{host}]" if ":" in host else host
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=STOP_MAX_S
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://{shown}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()
