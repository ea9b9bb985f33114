"""Reads and changes on real sockets: what a broken connection repeats, and what it never does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from reaper.clock import SystemClock
from reaper.core.provider import InDoubt, Outdated, Retryable, Unreadable
from reaper.core.settings import Connection, CredentialKind, Requests
from reaper.emulator import Emulator
from reaper.emulator.faults import Fault
from reaper.foundry.auth import Tokens
from reaper.foundry.client import Client
from reaper.foundry.rate_limiter import RateLimiter

AGENT = "support-eu"


def on_sockets(work: Callable[[Client, Emulator, list[str]], Awaitable[None]]) -> None:
    """Do the work with a client on an emulator's real port, and the ids of its sessions."""

    async def live() -> None:
        emulator = Emulator(agents=1, sessions=300)
        clock = SystemClock()
        async with emulator.serving() as endpoint:
            connection = Connection(endpoint, CredentialKind.NONE, requests=Requests(max_per_second=1000))
            tokens, limiter = Tokens(connection, clock), RateLimiter(1000, clock.monotonic())
            async with Client(connection, clock, tokens, limiter) as client:
                listed = (await client.page(AGENT)).value.sessions
                await work(client, emulator, [one.id for one in listed if one.id])

    asyncio.run(asyncio.wait_for(live(), 30))


def asked(emulator: Emulator, operation: str) -> int:
    return emulator.api.requests[operation]


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("operation", ["delete", "stop"])
def test_a_change_whose_kept_connection_breaks_is_sent_once_and_in_doubt(operation: str, moment: str) -> None:
    async def work(client: Client, emulator: Emulator, ids: list[str]) -> None:
        change = client.delete if operation == "delete" else client.stop
        await change(AGENT, ids[0])
        emulator.faults.add(Fault(operation=operation, drop=moment))
        before = asked(emulator, operation)
        with pytest.raises(InDoubt):
            await change(AGENT, ids[1])
        assert asked(emulator, operation) == before + 1

    on_sockets(work)


@pytest.mark.parametrize("operation", ["delete", "stop"])
def test_a_change_that_grew_too_old_while_its_connection_was_made_sends_no_byte(operation: str) -> None:
    async def work(client: Client, emulator: Emulator, ids: list[str]) -> None:
        asked_so_far: list[bool] = []

        def until_it_leaves() -> bool:
            asked_so_far.append(True)
            return len(asked_so_far) == 1

        change = client.delete if operation == "delete" else client.stop
        with pytest.raises(Outdated):
            await change(AGENT, ids[0], until_it_leaves)
        assert len(asked_so_far) == 2
        assert asked(emulator, operation) == 0
        await change(AGENT, ids[0])
        assert asked(emulator, operation) == 1

    on_sockets(work)


def test_a_read_whose_kept_connection_breaks_is_read_again() -> None:
    async def work(client: Client, emulator: Emulator, ids: list[str]) -> None:
        emulator.faults.add(Fault(operation="get", drop="before", times=1))
        assert (await client.get(AGENT, ids[0])).value.id == ids[0]

    on_sockets(work)


def test_an_answer_that_ends_too_early_is_no_answer() -> None:
    async def work(client: Client, emulator: Emulator, ids: list[str]) -> None:
        emulator.faults.add(Fault(operation="get", lie="truncated"))
        with pytest.raises((Retryable, Unreadable)):
            await client.get(AGENT, ids[0])

    on_sockets(work)


def test_a_log_that_nobody_reads_on_is_let_go() -> None:
    async def work(client: Client, emulator: Emulator, ids: list[str]) -> None:
        lines = client.logs(AGENT, "1", ids[0])
        async for line in lines:
            assert line
            break
        await lines.aclose()  # type: ignore[attr-defined]
        assert (await client.get(AGENT, ids[0])).value.id == ids[0]

    on_sockets(work)
