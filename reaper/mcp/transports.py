"""The ways to the server: stdin and stdout for one client, or HTTP for whoever carries the token."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.transport_security import TransportSecuritySettings

from reaper.clock import Clock
from reaper.core.loopback import is_loopback
from reaper.mcp.http_access import HttpAccess
from reaper.web.server import serving


async def serve_stdio(server: Server[Any]) -> None:
    """Serve one client on stdin and stdout until it hangs up; nothing else is written to stdout."""
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())


@asynccontextmanager
async def serving_http(server: Server[Any], token: str, host: str, port: int, clock: Clock) -> AsyncIterator[str]:
    """Serve over HTTP while the block runs; yields the address.

    Each request stands alone, so that any number of servers can share a name.
    """
    app = server.streamable_http_app(
        json_response=True,
        stateless_http=True,
        # `HttpAccess` checks Host and Origin, for loopback and elsewhere.
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    app.add_middleware(HttpAccess, token=token, private=is_loopback(host), clock=clock)
    async with server.session_manager.run(), serving(app, host, port) as address:
        yield f"{address}/mcp"
