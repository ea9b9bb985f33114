"""Faults as a client meets them on a real connection."""

from __future__ import annotations

import asyncio
import json
from email.utils import parsedate_to_datetime

import httpx2
import pytest

from reaper.emulator import Emulator, Fault

from .conftest import Served

pytestmark = pytest.mark.process
SESSIONS = "/agents/research/endpoint/sessions"


@pytest.fixture
def client(served: Served):  # type: ignore[no-untyped-def]
    with httpx2.Client(base_url=served.endpoint, params={"api-version": "v1"}, timeout=10) as client:
        yield client


def make(client: httpx2.Client) -> str:
    return str(client.post("/agents/support-eu/endpoint/sessions", json={}).json()["agent_session_id"])


@pytest.mark.parametrize(("moment", "status"), [("before", 200), ("after", 404)])
def test_a_dropped_connection_is_a_disconnect_and_not_an_answer(
    client: httpx2.Client, served: Served, moment: str, status: int
) -> None:
    session = make(client)
    served.admin("faults", [{"operation": "delete", "drop": moment, "times": 1}])
    with pytest.raises((httpx2.ReadError, httpx2.RemoteProtocolError)):
        client.delete(f"/agents/support-eu/endpoint/sessions/{session}")
    assert client.get(f"/agents/support-eu/endpoint/sessions/{session}").status_code == status


def test_a_429_says_when_to_come_back_in_seconds_as_a_date_or_not_at_all(
    client: httpx2.Client, served: Served
) -> None:
    limited = {"operation": "list", "status": 429, "code": "too_many_requests", "times": 1}
    wait = {"retry_after_seconds": 90}
    forms = [
        {**limited, **wait},
        {**limited, **wait, "retry_after_form": "date", "after": 1},
        {**limited, "after": 2},
    ]
    served.admin("faults", forms)
    seconds, date, absent = (client.get(SESSIONS) for _ in range(3))
    assert [answer.status_code for answer in (seconds, date, absent)] == [429] * 3
    assert seconds.headers["retry-after"] == "90"
    said = parsedate_to_datetime(date.headers["retry-after"]) - parsedate_to_datetime(date.headers["date"])
    assert abs(said.total_seconds() - 90) <= 1
    assert "retry-after" not in absent.headers
    assert client.get(SESSIONS).status_code == 200


def test_a_truncated_body_is_no_json(client: httpx2.Client, served: Served) -> None:
    served.admin("faults", [{"operation": "list", "lie": "truncated"}])
    with pytest.raises(json.JSONDecodeError):
        client.get(SESSIONS).json()


def test_a_hung_call_is_ended_by_the_clients_own_timeout(client: httpx2.Client, served: Served) -> None:
    served.admin("faults", [{"operation": "list", "hang": True, "times": 1}])
    with pytest.raises(httpx2.ReadTimeout):
        client.get(SESSIONS, timeout=0.2)
    assert client.get(SESSIONS).status_code == 200


def test_there_is_one_date_and_it_is_the_platforms(client: httpx2.Client, served: Served) -> None:
    served.admin("faults", [{"operation": "list", "lie": "no_date", "times": 1}])
    assert "date" not in client.get(SESSIONS).headers
    assert len(client.get(SESSIONS).headers.get_list("date")) == 1


def test_an_upload_over_the_limit_is_refused_and_one_at_the_limit_is_not(client: httpx2.Client) -> None:
    url = f"/agents/support-eu/endpoint/sessions/{make(client)}/files/content"
    full = b"x" * (50 * 1024 * 1024)
    assert client.put(url, params={"api-version": "v1", "path": "big"}, content=full).status_code == 201
    assert client.put(url, params={"api-version": "v1", "path": "big"}, content=full + b"x").status_code == 413


def test_serving_in_the_same_loop_starts_answers_and_stops_despite_hung_calls() -> None:
    emulator = Emulator(agents=1, sessions=10)
    emulator.faults.add(Fault(operation="get", hang=True))

    async def live() -> str:
        async with emulator.serving() as endpoint, httpx2.AsyncClient(base_url=endpoint, timeout=5) as client:
            answer = await client.get("/agents/support-eu/endpoint/sessions", params={"api-version": "v1"})
            assert len(answer.json()["data"]) == 10
            arrived = asyncio.Event()
            emulator.api.on_call = lambda _: arrived.set()
            hung = asyncio.create_task(client.get("/agents/support-eu/endpoint/sessions/whatever"))
            await arrived.wait()
        with pytest.raises(httpx2.TransportError):
            await hung
        return endpoint

    endpoint = asyncio.run(asyncio.wait_for(live(), 10))
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(endpoint)


def test_a_taken_port_is_an_ordinary_error() -> None:
    async def twice() -> None:
        async with Emulator(agents=1, sessions=1).serving() as endpoint:
            port = int(endpoint.split(":")[2].split("/")[0])
            await Emulator(agents=1, sessions=1).serve(port=port, on_ready=print)

    with pytest.raises(OSError, match="in use"):
        asyncio.run(twice())
