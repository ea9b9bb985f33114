"""What a client can cost: a place for a short while, and nothing of the others' places."""

from __future__ import annotations

import asyncio
import contextlib
import resource
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from reaper.web.connections import CONNECTIONS_MAX, Patience, connections_max
from reaper.web.server import serving

SHORT_S = 0.1
LONG_S = 20.0
WHOLE = b"GET /quick HTTP/1.1\r\nHost: x\r\n\r\n"
HALF = b"GET /quick HTTP/1.1\r\nHost: x\r\nX-Slow: "
ENDLESS = "x" * 20_000_000

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class House:
    """A server whose slow route works until it is let go."""

    def __init__(self, patience: Patience) -> None:
        self.patience = patience
        self.go = asyncio.Event()
        self.working = asyncio.Event()

    async def slow(self, _: Request) -> Response:
        self.working.set()
        await self.go.wait()
        return PlainTextResponse("done")

    async def quick(self, _: Request) -> Response:
        return PlainTextResponse("done")

    async def much(self, _: Request) -> Response:
        return PlainTextResponse(ENDLESS)

    async def echo(self, request: Request) -> Response:
        return PlainTextResponse(await request.body())

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Callable[[bytes], Awaitable[Stream]]]:
        """How to connect and send the first bytes."""
        routes = [Route(f"/{one.__name__}", one) for one in (self.slow, self.quick, self.much)]
        app = Starlette(routes=[*routes, Route("/echo", self.echo, methods=["POST"])])
        opened: list[asyncio.StreamWriter] = []

        async def connect(first: bytes) -> Stream:
            reader, writer = await asyncio.open_connection(where.hostname, where.port)
            opened.append(writer)
            writer.write(first)
            await writer.drain()
            return reader, writer

        async with serving(app, "127.0.0.1", 0, self.patience) as address:
            where = urlsplit(address)
            try:
                yield connect
            finally:
                self.go.set()
                for writer in opened:
                    writer.close()


def run(patience: Patience, story: Callable[[House, Callable[[bytes], Awaitable[Stream]]], Awaitable[None]]) -> None:
    async def play() -> None:
        house = House(patience)
        async with asyncio.timeout(LONG_S), house.open() as connect:
            await story(house, connect)

    asyncio.run(play())


async def rest(reader: asyncio.StreamReader) -> bytes:
    """All that still comes; a connection that is reset has ended, too."""
    found = b""
    with contextlib.suppress(ConnectionError):
        while part := await reader.read(65_536):
            found += part
    return found


@pytest.mark.parametrize("begun", [b"", HALF, b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nbody"])
def test_a_request_that_never_ends_is_aborted_however_it_trickles(begun: bytes) -> None:
    async def story(_: House, connect: Callable[[bytes], Awaitable[Stream]]) -> None:
        reader, writer = await connect(begun)

        async def trickle() -> None:
            while begun:
                writer.write(b"x")
                await asyncio.sleep(SHORT_S / 20)

        trickling = asyncio.create_task(trickle())
        assert await rest(reader) == b""
        trickling.cancel()

    run(Patience(4, request_s=SHORT_S), story)


def test_an_answer_that_takes_long_is_waited_for() -> None:
    async def story(house: House, connect: Callable[[bytes], Awaitable[Stream]]) -> None:
        reader, _ = await connect(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        await house.working.wait()
        other, _ = await connect(HALF)
        assert await rest(other) == b""
        house.go.set()
        assert (await rest(reader)).endswith(b"done")

    run(Patience(4, request_s=SHORT_S), story)


def test_a_client_that_does_not_take_its_answer_is_aborted() -> None:
    async def story(_: House, connect: Callable[[bytes], Awaitable[Stream]]) -> None:
        reader, writer = await connect(b"GET /much HTTP/1.1\r\nHost: x\r\n\r\n")
        transport = writer.transport
        assert isinstance(transport, asyncio.ReadTransport)
        transport.pause_reading()
        other, _ = await connect(HALF)
        assert await rest(other) == b""
        transport.resume_reading()
        assert len(await rest(reader)) < len(ENDLESS)

    run(Patience(4, request_s=4 * SHORT_S, answer_s=SHORT_S), story)


def test_a_newcomer_takes_the_place_of_who_has_kept_us_waiting_longest() -> None:
    async def story(_: House, connect: Callable[[bytes], Awaitable[Stream]]) -> None:
        first, _ = await connect(HALF)
        second, writer = await connect(HALF)
        for _ in range(3):
            served, _ = await connect(WHOLE.replace(b"Host", b"Connection: close\r\nHost"))
            assert (await rest(served)).endswith(b"done")
        assert await rest(first) == b""
        writer.write(b"but here it ends\r\nConnection: close\r\n\r\n")
        assert (await rest(second)).endswith(b"done")

    run(Patience(2, request_s=LONG_S), story)


def test_a_newcomer_is_turned_away_when_all_places_are_at_work() -> None:
    async def story(house: House, connect: Callable[[bytes], Awaitable[Stream]]) -> None:
        reader, _ = await connect(b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        await house.working.wait()
        turned_away, _ = await connect(WHOLE)
        assert await rest(turned_away) == b""
        house.go.set()
        assert (await rest(reader)).endswith(b"done")

    run(Patience(1, request_s=LONG_S), story)


@pytest.fixture
def descriptors() -> Iterator[Callable[[int], None]]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield lambda count: resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_two_listeners_leave_three_quarters_of_the_descriptors_to_sweeping(
    descriptors: Callable[[int], None],
) -> None:
    for count in (128, 256, 512):
        descriptors(count)
        assert 2 * connections_max() <= count / 4
    descriptors(1_024)
    assert connections_max() == CONNECTIONS_MAX
