"""mcp: the tools for assistants, over stdio or streamable HTTP."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette

from reaper.cli.endings import CommandError
from reaper.cli.reading import read
from reaper.clock import SystemClock
from reaper.config import load
from reaper.logs import configure_logging
from reaper.loopback import is_loopback
from reaper.mcp import Desk, Gate, make_server
from reaper.server import serving
from reaper.wiring import Connector

HTTP_LISTEN: Final = "127.0.0.1:9465"
TOKEN_VARIABLE: Final = "REAPER_MCP_TOKEN"  # noqa: S105 - the variable's name


async def run_stdio(config: Path | None) -> None:
    """Serve one client on stdin and stdout until it hangs up; nothing else is written to stdout."""
    server = _server(config)
    # A thread waits for stdin and cannot be interrupted, so Ctrl-C ends the process as SIGTERM does. A deletion on
    # its way then has its intent on disk, and the next sweep finds out what became of it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())


async def run_http(config: Path | None, listen: tuple[str, int], token_file: Path | None) -> None:
    """Serve over HTTP until interrupted; one line on stdout when ready."""
    host, port = listen
    token = read_token(token_file, os.environ)
    if token is None and not is_loopback(host):
        raise CommandError(
            f"listening on {host} lets others delete sessions: "
            f"give a bearer token with --token-file or {TOKEN_VARIABLE}"
        )
    server = _server(config)
    app = application(server, token, private=is_loopback(host))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with server.session_manager.run(), serving(app, host, port) as address:
        print(f"ready: {address}/mcp", flush=True)
        await stop.wait()


def application(server: Server[Any], token: str | None, *, private: bool) -> Starlette:
    """The HTTP side. Each request stands alone, so that any number of servers can share a name."""
    app = server.streamable_http_app(
        json_response=True,
        stateless_http=True,
        # The gate checks Host and Origin, for loopback and elsewhere.
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    app.add_middleware(Gate, token=token, private=private)
    return app


def read_token(file: Path | None, environ: Mapping[str, str]) -> str | None:
    """The bearer token that clients must carry, None when none was given; an empty one is an error."""
    if file is None and TOKEN_VARIABLE not in environ:
        return None
    told = environ[TOKEN_VARIABLE] if file is None else file.read_text(encoding="utf-8", errors="replace")
    token = told.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        where = TOKEN_VARIABLE if file is None else str(file)
        raise CommandError(f"{where} holds no bearer token: one line of printable ASCII without spaces")
    return token


def _server(config: Path | None) -> Server[Any]:
    """The server on the configuration, which is read once to say what is wrong with it, and anew for each call."""
    path, loaded = read(config)
    configure_logging(loaded.settings.log.format, loaded.settings.log.level)
    clock = SystemClock()
    return make_server(Desk(lambda: load(path, os.environ).settings, Connector(clock), clock))
