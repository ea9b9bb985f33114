"""An httpx2 client on the emulator without sockets, its waiting done by a clock in hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from reaper.emulator import Emulator, Fault
from tests.clock import ManualClock

from .conftest import NOW

BASE = "https://contoso.services.ai.azure.com/api/projects/prod"
SESSIONS = "/agents/support-eu/endpoint/sessions"
V1 = {"api-version": "v1"}


@pytest.fixture
def emulator(clock: ManualClock) -> Emulator:
    return Emulator(clock=clock, agents=1, sessions=50, latency_s=0.05)


def run(emulator: Emulator, work: Callable[[httpx2.AsyncClient], Awaitable[Any]]) -> Any:
    async def go() -> Any:
        transport = emulator.transport(actor="reaper-1")
        async with httpx2.AsyncClient(transport=transport, base_url=BASE, params=V1, timeout=30) as client:
            return await work(client)

    return asyncio.run(go())


def test_a_request_goes_through_and_takes_the_latency(emulator: Emulator, clock: ManualClock) -> None:
    answer = run(emulator, lambda client: client.get(SESSIONS, params={**V1, "limit": 7}))
    assert (answer.status_code, len(answer.json()["data"])) == (200, 7)
    assert clock.wall() == NOW + 0.05


def test_the_history_knows_which_client_did_it(emulator: Emulator) -> None:
    session = next(emulator.platform.sessions("support-eu")).id
    assert run(emulator, lambda client: client.delete(f"{SESSIONS}/{session}")).status_code == 204
    assert emulator.platform.history[0].actor == "reaper-1"


def test_odd_names_arrive_as_they_were_sent(emulator: Emulator) -> None:
    emulator.platform.add_agent("a b/c%d")
    answer = run(emulator, lambda client: client.get("/agents/a%20b%2Fc%25d"))
    assert answer.json()["name"] == "a b/c%d"


@pytest.mark.parametrize(("moment", "changes"), [("before", 0), ("after", 1)])
def test_a_dropped_connection_is_a_read_error(emulator: Emulator, moment: str, changes: int) -> None:
    emulator.faults.add(Fault(operation="create", drop=moment))
    with pytest.raises(httpx2.ReadError):
        run(emulator, lambda client: client.post(SESSIONS, json={}))
    assert len(emulator.platform.history) == changes


def test_a_hung_request_times_out_after_the_clients_own_patience(emulator: Emulator, clock: ManualClock) -> None:
    emulator.faults.add(Fault(hang=True))
    with pytest.raises(httpx2.ReadTimeout):
        run(emulator, lambda client: client.get(SESSIONS))
    assert clock.wall() == NOW + 30.05


@pytest.mark.parametrize(("delay", "outcome"), [(29.0, 200), (31.0, None)])
def test_a_delay_is_waited_for_or_is_a_timeout(
    emulator: Emulator, clock: ManualClock, delay: float, outcome: int | None
) -> None:
    emulator.faults.add(Fault(delay_seconds=delay))
    if outcome is None:
        with pytest.raises(httpx2.ReadTimeout):
            run(emulator, lambda client: client.get(SESSIONS))
    else:
        assert run(emulator, lambda client: client.get(SESSIONS)).status_code == outcome
    assert clock.wall() == pytest.approx(NOW + 0.05 + min(delay, 30))


def test_a_log_is_followed_until_its_session_is_gone(emulator: Emulator) -> None:
    emulator.platform.create("support-eu", "session-0001")
    version = emulator.platform.get("support-eu", "session-0001").version

    async def follow(client: httpx2.AsyncClient) -> list[str]:
        events = []
        url = f"/agents/support-eu/versions/{version}/sessions/session-0001:logstream"
        async with client.stream("GET", url) as answer:
            assert answer.headers["content-type"] == "text/event-stream"
            async for line in answer.aiter_lines():
                events.append(line)
                if "No logs since last 60 seconds" in line:
                    emulator.platform.delete("support-eu", "session-0001")
        return events

    events = run(emulator, follow)
    assert events[0] == "event: log"
    assert "Starting server" in events[1]
