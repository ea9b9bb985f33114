"""The HTTP side of the daemon: metrics, health, and status as a page and as JSON. Read-only."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from reaper.core.loopback import is_loopback
from reaper.core.settings import Server
from reaper.engine.live_status import LiveStatus
from reaper.engine.status_json import status_json
from reaper.web.access import Access, read_token
from reaper.web.connections import BACKLOG, Patience, connections_max, protocol
from reaper.web.page.pages import manual_routes
from reaper.web.page.pages import routes as page_routes

STOP_MAX_S: Final = 3
ASKED_BY_KUBELET: Final = ("/livez", "/readyz")


@dataclass(frozen=True, slots=True)
class Served:
    """What is served: the live status, its metrics, and `stuck`, which says why nothing goes on, '' while it does.

    `metrics` renders them in the form that an `Accept` header asks for, with its content type.
    """

    live: LiveStatus
    metrics: Callable[[str], tuple[bytes, str]]
    stuck: Callable[[], str] = lambda: ""


@dataclass(frozen=True, slots=True)
class Site:
    """What is served at one address."""

    app: Starlette
    host: str
    port: int


def sites(shown: Served, server: Server) -> list[Site]:
    """Where what is served: all at one address, or the page and the status at one of their own; the manual at each.

    Raises TokenError when the file that should hold the token does not.
    """
    token = read_token(server.token_file) if server.token_file else None
    machines, people, manual = _for_machines(shown), _for_people(shown), manual_routes()
    if server.page is None:
        return [_site([*machines, *people, *manual], (server.host, server.port), token)]
    return [
        _site([*machines, *manual], (server.host, server.port), token),
        _site([*people, *manual], server.page, token),
    ]


def _site(routes: Sequence[Route], address: tuple[str, int], token: str | None) -> Site:
    access = Middleware(Access, private=is_loopback(address[0]), token=token, open_=ASKED_BY_KUBELET)
    return Site(Starlette(routes=routes, middleware=[access]), *address)


def _for_machines(shown: Served) -> list[Route]:
    live = shown.live

    async def metrics(request: Request) -> Response:
        text, content_type = shown.metrics(request.headers.get("accept", ""))
        return Response(text, media_type=content_type)

    async def livez(_: Request) -> Response:
        why = shown.stuck()
        return PlainTextResponse(f"{why or 'ok'}\n", 503 if why else 200)

    async def readyz(_: Request) -> Response:
        why = _not_ready(live)
        return PlainTextResponse(f"{why or 'ok'}\n", 503 if why else 200)

    return [Route("/metrics", metrics), Route("/livez", livez), Route("/readyz", readyz)]


def _for_people(shown: Served) -> list[Route]:
    async def status(_: Request) -> Response:
        return Response(json.dumps(status_json(shown.live)), media_type="application/json")

    return [Route("/api/v1/status", status), *page_routes(shown.live, shown.stuck)]


def _not_ready(live: LiveStatus) -> str:
    """Why nothing is acted on here, '' while this process does its job."""
    if live.state_fault or live.standby or live.ready:
        return live.state_fault or live.standby
    failed = sorted({report.why for report in live.latest.values() if report.why})
    return "no sweep has finished yet" + "".join(f"\n{why}" for why in failed)


class _Server(uvicorn.Server):
    """Leaves signals to the daemon."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def listening(sites: Sequence[Site]) -> AsyncIterator[list[str]]:
    """Serve them all while the block runs; yields their addresses. Raises OSError when a port cannot be had."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(serving(site.app, site.host, site.port)) for site in sites]


def listener(host: str, port: int, *, ipv6: bool) -> socket.socket:
    """A socket that listens; on `::` it hears IPv4, too, and that alone where there is no `ipv6`. Raises OSError."""
    if ":" not in host:
        return socket.create_server((host, port), backlog=BACKLOG)
    everywhere = ipaddress.ip_address(host).is_unspecified
    if everywhere and not ipv6:
        return socket.create_server(("", port), backlog=BACKLOG)
    return socket.create_server((host, port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=everywhere)


@asynccontextmanager
async def serving(app: Starlette, host: str, port: int, patience: Patience | None = None) -> AsyncIterator[str]:
    """Serve `app` while the block runs; yields its address. Raises OSError when the port cannot be had."""
    opened = listener(host, port, ipv6=socket.has_dualstack_ipv6())
    # asyncio does so only for sockets that name their protocol, which this one does not.
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    shown = f"[{host}]" if ":" in host else host
    config = uvicorn.Config(
        app,
        http=protocol(patience or Patience(connections_max())),
        ws="none",
        backlog=BACKLOG,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=STOP_MAX_S,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[opened]))
    try:
        yield f"http://{shown}:{opened.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        opened.close()
