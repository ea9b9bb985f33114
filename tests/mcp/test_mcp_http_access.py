"""Who may use the MCP server over HTTP, on a clock of the test: how strangers are refused, and what that costs."""

from __future__ import annotations

import asyncio

import pytest
import structlog
from mcp_world import TOKEN
from starlette.types import Message, Receive, Scope, Send

from reaper.mcp.http_access import LOG_EVERY_S, REFUSAL_DELAY_S, WAITING_MAX, HttpAccess


class StandingClock:
    """Time passes only when a test lets it."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.now + seconds, woken))
        await woken

    async def pass_by(self, seconds: float) -> None:
        self.now += seconds
        for due, woken in self._sleepers:
            if due <= self.now and not woken.done():
                woken.set_result(None)
        await settle()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class Door:
    """The access control, and what those who asked got."""

    def __init__(self) -> None:
        self.clock, self.got, self.let_in = StandingClock(), [], 0  # type: ignore[var-annotated]
        self.access = HttpAccess(self._inside, token=TOKEN, private=True, clock=self.clock)

    async def _inside(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.let_in += 1

    async def come(self, token: str) -> None:
        headers = [(b"host", b"127.0.0.1"), (b"authorization", f"Bearer {token}".encode())]

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.got.append(message["status"])

        async def receive() -> Message:
            raise AssertionError("a stranger's body is not read")

        await self.access({"type": "http", "method": "POST", "headers": headers}, receive, send)


def test_a_refusal_is_told_after_a_while_and_who_has_the_token_does_not_wait() -> None:
    async def run() -> None:
        door = Door()
        stranger = asyncio.create_task(door.come("x" * 32))
        await settle()
        await door.come(TOKEN)
        assert (door.got, door.let_in) == ([], 1)
        await door.clock.pass_by(REFUSAL_DELAY_S / 2)
        assert door.got == []
        await door.clock.pass_by(REFUSAL_DELAY_S / 2)
        await stranger
        assert (door.got, door.let_in) == ([401], 1)

    asyncio.run(run())


def test_of_a_thousand_strangers_few_are_kept_waiting() -> None:
    async def run() -> None:
        door = Door()
        strangers = [asyncio.create_task(door.come("x" * 32)) for _ in range(1_000)]
        await settle()
        assert door.got == [429] * (1_000 - WAITING_MAX)
        await door.come(TOKEN)
        assert door.let_in == 1
        await door.clock.pass_by(REFUSAL_DELAY_S)
        await asyncio.gather(*strangers)
        assert door.got.count(401) == WAITING_MAX

    asyncio.run(run())


def test_a_stranger_who_hangs_up_leaves_his_place_to_the_next() -> None:
    async def run() -> None:
        door = Door()
        for _ in range(WAITING_MAX + 1):
            stranger = asyncio.create_task(door.come("x" * 32))
            await settle()
            stranger.cancel()
            await asyncio.wait([stranger])
        assert door.got == []

    asyncio.run(run())


def test_many_refusals_are_one_line_in_the_log() -> None:
    async def run() -> None:
        door = Door()
        with structlog.testing.capture_logs() as lines:
            strangers = [asyncio.create_task(door.come("x" * 32)) for _ in range(500)]
            await settle()
            await door.clock.pass_by(LOG_EVERY_S)
            await asyncio.gather(*strangers)
            late = asyncio.create_task(door.come("x" * 32))
            await door.clock.pass_by(REFUSAL_DELAY_S)
            await door.clock.pass_by(REFUSAL_DELAY_S)
            await late
        assert [line["count"] for line in lines] == [1, 500]

    asyncio.run(run())


@pytest.mark.parametrize("token", ["", TOKEN[:-1], TOKEN + "x", TOKEN.upper()])
def test_only_the_whole_token_opens(token: str) -> None:
    async def run() -> None:
        door = Door()
        stranger = asyncio.create_task(door.come(token))
        await settle()
        await door.clock.pass_by(REFUSAL_DELAY_S)
        await stranger
        assert (door.got, door.let_in) == ([401], 0)

    asyncio.run(run())
