"""Where the server listens is where it is reached, over IPv4 and IPv6."""

from __future__ import annotations

import asyncio
import socket
from urllib.parse import urlsplit

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from reaper.web.server import listener, serving

APP = Starlette(routes=[Route("/", lambda _: PlainTextResponse("here"))])
IPV6 = pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6: it was not listened on")


async def _answer(host: str, port: int) -> str:
    """What a client gets that goes to an address; '' where nobody listens."""
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError:
        return ""
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    told = (await reader.read()).decode()
    writer.close()
    return told.rpartition("\r\n")[2]


async def _answers(host: str) -> tuple[str, str]:
    """What clients of IPv4 and of IPv6 get of a server that listens on `host`."""
    async with serving(APP, host, 0) as address:
        port = urlsplit(address).port
        assert port is not None
        return await _answer("127.0.0.1", port), await _answer("::1", port)


@IPV6
def test_every_address_of_ipv6_means_those_of_ipv4_too() -> None:
    assert asyncio.run(_answers("::")) == ("here", "here")


@IPV6
def test_one_address_of_ipv6_means_that_one() -> None:
    assert asyncio.run(_answers("::1")) == ("", "here")


def test_every_address_of_ipv4_means_no_other() -> None:
    assert asyncio.run(_answers("0.0.0.0")) == ("here", "")


def test_every_address_is_listened_on_where_there_is_no_ipv6() -> None:
    with listener("::", 0, ipv6=False) as opened:
        assert (opened.family, opened.getsockname()[0]) == (socket.AF_INET, "0.0.0.0")
