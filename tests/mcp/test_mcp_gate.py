"""The gate of the HTTP server in virtual time: how strangers are refused, and what that costs."""

from __future__ import annotations

import asyncio

import pytest
import structlog
from mcp_world import TOKEN
from starlette.types import Message, Receive, Scope, Send

from reaper.mcp.http_access import LOG_EVERY_S, REFUSAL_DELAY_S, WAITING_MAX, HttpAccess
from tests.clock import VirtualClock
from tests.clock import run as virtual


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class Door:
    """A gate, and what those who came to it got."""

    def __init__(self) -> None:
        self.got, self.let_in = [], 0  # type: ignore[var-annotated]
        self.gate = HttpAccess(self._inside, token=TOKEN, private=True, clock=VirtualClock())

    async def _inside(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.let_in += 1

    async def come(self, token: str, host: str = "127.0.0.1", origin: str = "http://localhost:6274") -> None:
        given = {"host": host, "origin": origin, "authorization": f"Bearer {token}"}
        headers = [(name.encode(), value.encode()) for name, value in given.items()]

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.got.append(message["status"])

        async def receive() -> Message:
            raise AssertionError("a stranger's body is not read")

        await self.gate({"type": "http", "method": "POST", "headers": headers}, receive, send)


def test_a_refusal_is_told_after_a_while_and_who_has_the_token_does_not_wait() -> None:
    async def run() -> None:
        door = Door()
        stranger = asyncio.create_task(door.come("x" * 32))
        await settle()
        await door.come(TOKEN)
        assert (door.got, door.let_in) == ([], 1)
        await asyncio.sleep(REFUSAL_DELAY_S / 2)
        assert door.got == []
        await asyncio.sleep(REFUSAL_DELAY_S / 2)
        await stranger
        assert (door.got, door.let_in) == ([401], 1)

    virtual(run)


def test_of_a_thousand_strangers_few_are_kept_waiting() -> None:
    async def run() -> None:
        door = Door()
        strangers = [asyncio.create_task(door.come("x" * 32)) for _ in range(1_000)]
        await settle()
        assert door.got == [429] * (1_000 - WAITING_MAX)
        await door.come(TOKEN)
        assert door.let_in == 1
        await asyncio.sleep(REFUSAL_DELAY_S)
        await asyncio.gather(*strangers)
        assert door.got.count(401) == WAITING_MAX

    virtual(run)


def test_a_stranger_who_hangs_up_leaves_his_place_to_the_next() -> None:
    async def run() -> None:
        door = Door()
        for _ in range(WAITING_MAX + 1):
            stranger = asyncio.create_task(door.come("x" * 32))
            await settle()
            stranger.cancel()
            await asyncio.wait([stranger])
        assert door.got == []

    virtual(run)


def test_many_refusals_are_one_line_in_the_log() -> None:
    async def run() -> None:
        door = Door()
        with structlog.testing.capture_logs() as lines:
            strangers = [asyncio.create_task(door.come("x" * 32)) for _ in range(500)]
            await settle()
            await asyncio.sleep(LOG_EVERY_S)
            await asyncio.gather(*strangers)
            late = asyncio.create_task(door.come("x" * 32))
            await asyncio.sleep(REFUSAL_DELAY_S)
            await asyncio.sleep(REFUSAL_DELAY_S)
            await late
        assert [line["count"] for line in lines] == [1, 500]

    virtual(run)


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://127.0.0.1.evil.example", "null", "file://localhost"]
)
def test_a_foreign_page_is_refused_although_it_carries_the_token(origin: str) -> None:
    async def run() -> None:
        door = Door()
        await door.come(TOKEN, origin=origin)
        assert (door.got, door.let_in) == ([403], 0)

    asyncio.run(run())


@pytest.mark.parametrize("host", ["evil.example", "evil.example:9465", "127.0.0.1.evil.example", ""])
def test_a_name_that_was_pointed_here_is_refused_although_it_carries_the_token(host: str) -> None:
    async def run() -> None:
        door = Door()
        await door.come(TOKEN, host=host)
        assert (door.got, door.let_in) == ([421], 0)

    asyncio.run(run())


@pytest.mark.parametrize("token", ["", TOKEN[:-1], TOKEN + "x", TOKEN.upper()])
def test_only_the_whole_token_opens(token: str) -> None:
    async def run() -> None:
        door = Door()
        stranger = asyncio.create_task(door.come(token))
        await settle()
        await asyncio.sleep(REFUSAL_DELAY_S)
        await stranger
        assert (door.got, door.let_in) == ([401], 0)

    virtual(run)
