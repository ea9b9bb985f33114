"""A request is answered in the midst of long work, of however many agents at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from urllib.parse import urlsplit

from page_world import busy, no_metrics

from reaper.clock import give_way
from reaper.core.settings import Server
from reaper.web.server import Served, listening, sites

AGENTS = 50


async def answered(address: str) -> bytes:
    """The first line of what a client is told that comes anew."""
    at = urlsplit(address)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    writer.write(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    line = await reader.readline()
    writer.close()
    return line


async def steps_taken_meanwhile(asking: Awaitable[object], workers: int) -> int:
    """How many steps of long work were done until this was answered, the workers being at it."""
    steps = 0

    async def work() -> None:
        nonlocal steps
        while True:
            steps += 1
            await give_way()

    working = [asyncio.create_task(work()) for _ in range(workers)]
    for _ in range(workers):
        await give_way()
    before = steps
    await asking
    taken = steps - before
    for one in working:
        one.cancel()
    await asyncio.gather(*working, return_exceptions=True)
    return taken


def test_a_probe_waits_for_a_step_or_two_of_long_work_and_not_for_one_of_each_agent() -> None:
    async def taken() -> int:
        async with listening(sites(Served(busy(), no_metrics), Server("127.0.0.1", 0))) as [address]:
            assert b" 200 " in await answered(address)
            return await steps_taken_meanwhile(answered(address), AGENTS)

    assert 1 <= asyncio.run(taken()) <= 2


def test_all_who_work_long_go_on_in_their_order() -> None:
    order: list[int] = []

    async def work(number: int) -> None:
        for _ in range(3):
            order.append(number)
            await give_way()

    async def all_of_them() -> None:
        await asyncio.gather(*map(work, range(4)))

    asyncio.run(all_of_them())
    assert order == [0, 1, 2, 3] * 3
