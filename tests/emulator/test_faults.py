"""Injected faults: how they are read, which calls they hit, and what the lies say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reaper.emulator import Emulator, Fault, FaultError, Request, WireAnswer, parse_faults
from reaper.emulator.faults import LIES
from tests.clock import ManualClock

from .conftest import NOW

SESSIONS = "/api/projects/anything/agents/support-eu/endpoint/sessions"


@pytest.fixture
def emulator(clock: ManualClock) -> Emulator:
    return Emulator(clock=clock, agents=2, sessions=60, seed=1)


def ask(emulator: Emulator, method: str, path: str, query: str = "") -> WireAnswer:
    return emulator.answer(Request(method, path, f"api-version=v1&{query}"))


def listing(emulator: Emulator, query: str = "limit=100&order=asc") -> Any:
    return ask(emulator, "GET", SESSIONS, query).json()


def ids(page: Any) -> list[str]:
    return [record["agent_session_id"] for record in page["data"]]


def an_idle(emulator: Emulator) -> str:
    return next(s.id for s in emulator.platform.sessions("support-eu") if s.status == "idle")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"operation": "lst"}]', "faults[0].operation: 'lst' is not one of"),
        ('[{}, {"sttus": 500}]', "faults[1].sttus: no such field"),
        ('{"status": "500"}', "faults[0].status: expected int or null"),
        ('{"times": true}', "faults[0].times: expected int or null, not True"),
        ('{"status": 42}', "faults[0].status: 42 is not between"),
        ('{"drop": "never"}', "faults[0].drop: 'never' is not one of before, after"),
        ('{"lie": "white"}', "faults[0].lie: 'white' is not one of"),
        ('{"lie": "bad_field"}', "faults[0].field: bad_field needs"),
        ('{"delay_seconds": -1}', "faults[0].delay_seconds: must not be negative"),
        ('["list"]', "faults[0]: expected an object"),
    ],
)
def test_a_fault_that_makes_no_sense_is_told_where_and_why(text: str, message: str) -> None:
    with pytest.raises(FaultError) as error:
        parse_faults(json.loads(text))
    assert message in str(error.value)


def test_faults_are_read_from_json() -> None:
    faults = parse_faults([{"operation": "delete", "status": 429, "times": 2, "hang": True}])
    assert faults == (Fault(operation="delete", status=429, times=2, hang=True),)


def test_a_fault_skips_its_first_matches_and_ends(emulator: Emulator) -> None:
    emulator.faults.add(Fault(operation="list", status=503, after=1, times=2))
    assert [ask(emulator, "GET", SESSIONS).status for _ in range(5)] == [200, 503, 503, 200, 200]


def test_a_fault_hits_only_what_its_globs_match(emulator: Emulator) -> None:
    emulator.faults.add(Fault(operation="get", agent="support-*", session="vip-*", status=500))
    statuses = {
        s.id: ask(emulator, "GET", f"{SESSIONS}/{s.id}").status for s in emulator.platform.sessions("support-eu")
    }
    assert {status for session, status in statuses.items() if session.startswith("vip-")} == {500}
    assert 500 not in {status for session, status in statuses.items() if not session.startswith("vip-")}


@pytest.mark.parametrize(("form", "expected"), [("seconds", "120"), ("date", "Mon, 21 Sep 2026 14:15:20 GMT")])
def test_a_429_may_say_when_to_come_back_in_both_forms(emulator: Emulator, form: str, expected: str) -> None:
    fault = {"status": 429, "code": "too_many_requests", "retry_after_seconds": 120, "retry_after_form": form}
    emulator.faults.replace(parse_faults([fault]))
    answer = ask(emulator, "GET", SESSIONS)
    assert (answer.status, answer.json()["error"]["code"]) == (429, "too_many_requests")
    assert answer.header("retry-after") == expected


def test_an_error_has_no_effect_unless_it_says_so(emulator: Emulator) -> None:
    session = an_idle(emulator)
    emulator.faults.add(Fault(operation="delete", status=500, times=1))
    assert ask(emulator, "DELETE", f"{SESSIONS}/{session}").status == 500
    assert emulator.platform.history == []
    emulator.faults.replace([Fault(operation="delete", status=500, effect=True)])
    assert ask(emulator, "DELETE", f"{SESSIONS}/{session}").status == 500
    assert [event.session for event in emulator.platform.history] == [session]


@pytest.mark.parametrize(("fault", "gone"), [
    (Fault(drop="before"), False), (Fault(drop="after"), True),
    (Fault(hang=True), False), (Fault(hang="after"), True),
])  # fmt: skip
def test_a_broken_call_takes_effect_only_when_it_breaks_after(emulator: Emulator, fault: Fault, gone: bool) -> None:
    emulator.faults.add(fault)
    answer = ask(emulator, "DELETE", f"{SESSIONS}/{an_idle(emulator)}")
    assert answer.dropped or answer.hangs
    assert bool(emulator.platform.history) is gone


def test_an_empty_list_is_a_friendly_200(emulator: Emulator) -> None:
    emulator.faults.add(Fault(operation="list", lie="empty_list"))
    assert listing(emulator) == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


def test_a_lost_role_hides_most_sessions_and_always_the_same(clock: ManualClock) -> None:
    emulator = Emulator(clock=clock, agents=1, sessions=1000)
    emulator.faults.add(Fault(operation="list", lie="only_own"))
    seen = ids(listing(emulator))
    assert 20 <= len(seen) <= 90
    assert seen == ids(listing(emulator))


def test_a_looping_cursor_never_ends_and_never_moves(emulator: Emulator) -> None:
    emulator.faults.add(Fault(operation="list", lie="loop_cursor"))
    first = listing(emulator)
    second = listing(emulator, f"limit=100&order=asc&after={first['last_id']}")
    assert first == second
    assert first["has_more"]


def test_endless_pages_go_on_with_new_sessions(emulator: Emulator) -> None:
    emulator.faults.add(Fault(operation="list", lie="endless"))
    first = listing(emulator, "limit=5&order=asc")
    second = listing(emulator, f"limit=5&order=asc&after={first['last_id']}")
    assert first["has_more"]
    assert second["has_more"]
    assert len(set(ids(first) + ids(second))) == 10


def test_a_duplicate_comes_again_on_the_next_page(emulator: Emulator) -> None:
    emulator.faults.add(Fault(operation="list", lie="duplicate"))
    first = listing(emulator, "limit=10&order=asc")
    second = listing(emulator, f"limit=10&order=asc&after={first['last_id']}")
    assert ids(second)[0] == first["last_id"]
    assert len(ids(second)) == 10
    third = listing(emulator, f"limit=10&order=asc&after={second['last_id']}")
    assert (ids(third)[0], second["last_id"]) == (ids(second)[-1], ids(second)[-1])


def test_fields_can_be_wrong_missing_or_new(emulator: Emulator) -> None:
    emulator.faults.add(
        Fault(operation="list", session="vip-*", lie="bad_field", field="last_accessed_at", value="yesterday"),
        Fault(operation="list", session="vip-*", lie="drop_field", field="created_at"),
        Fault(operation="list", session="vip-*", lie="add_field", field="owner", value="alice"),
    )
    for record in listing(emulator)["data"]:
        bent = record["agent_session_id"].startswith("vip-")
        assert (record["last_accessed_at"] == "yesterday") is bent
        assert ("created_at" not in record) is bent
        assert ("owner" in record) is bent


def test_a_lie_about_a_share_of_the_sessions_meets_about_that_many(clock: ManualClock) -> None:
    emulator = Emulator(clock=clock, agents=1, sessions=100)
    emulator.faults.add(Fault(operation="list", lie="bad_field", field="status", value="zombie", share=0.3))
    zombies = [record for record in listing(emulator)["data"] if record["status"] == "zombie"]
    assert 15 <= len(zombies) <= 45


def test_a_ghost_delete_says_done_and_does_nothing(emulator: Emulator) -> None:
    session = an_idle(emulator)
    emulator.faults.add(Fault(operation="delete", lie="ghost_delete"))
    assert ask(emulator, "DELETE", f"{SESSIONS}/{session}").status == 204
    assert ask(emulator, "GET", f"{SESSIONS}/{session}").status == 200
    assert emulator.platform.history == []


def test_a_stale_read_does_not_know_that_the_session_was_used(emulator: Emulator) -> None:
    session = an_idle(emulator)
    emulator.platform.use("support-eu", session)
    emulator.faults.add(Fault(operation="get", lie="stale_read"))
    record = ask(emulator, "GET", f"{SESSIONS}/{session}").json()
    assert record["last_accessed_at"] == record["created_at"] < NOW


def test_the_date_may_be_wrong_or_missing(emulator: Emulator) -> None:
    emulator.faults.add(Fault(operation="list", date_shift_seconds=-86_400))
    assert ask(emulator, "GET", SESSIONS).header("date") == "Sun, 20 Sep 2026 14:13:20 GMT"
    emulator.faults.replace([Fault(lie="no_date")])
    assert ask(emulator, "GET", SESSIONS).header("date") is None


def test_a_body_may_be_cut_or_replaced(emulator: Emulator) -> None:
    emulator.faults.add(Fault(operation="list", lie="truncated"))
    with pytest.raises(json.JSONDecodeError):
        listing(emulator)
    emulator.faults.replace([Fault(operation="list", body="<html>sign in</html>")])
    assert ask(emulator, "GET", SESSIONS).body == b"<html>sign in</html>"
    emulator.faults.clear()
    assert len(ids(listing(emulator))) == 60


def test_a_gateway_answers_in_the_platforms_place_and_nothing_happens(emulator: Emulator) -> None:
    session = an_idle(emulator)
    emulator.faults.add(Fault(lie="gateway"))
    for method in ("GET", "DELETE"):
        answer = ask(emulator, method, f"{SESSIONS}/{session}")
        assert (answer.status, answer.header("content-type"), answer.header("x-request-id")) == (
            404,
            "text/html",
            None,
        )
        assert b"<html>" in answer.body
    emulator.faults.replace([Fault(lie="gateway", status=302, headers={"location": "/login"})])
    assert ask(emulator, "DELETE", f"{SESSIONS}/{session}").status == 302
    emulator.faults.clear()
    assert ask(emulator, "GET", f"{SESSIONS}/{session}").status == 200


def test_a_redirect_says_where_to(emulator: Emulator) -> None:
    emulator.faults.add(Fault("delete", status=307, headers={"location": "https://elsewhere.example/"}))
    answer = ask(emulator, "DELETE", f"{SESSIONS}/{an_idle(emulator)}")
    assert (answer.status, answer.header("location")) == (307, "https://elsewhere.example/")


def test_something_can_happen_right_before_a_call(emulator: Emulator) -> None:
    session = an_idle(emulator)
    emulator.api.on_call = lambda call: emulator.platform.use(call.agent, call.session) and None
    assert ask(emulator, "GET", f"{SESSIONS}/{session}").json()["status"] == "active"


@pytest.mark.parametrize("lie", sorted(set(LIES) - {"gateway"}))
def test_every_lie_is_still_an_answer(emulator: Emulator, lie: str) -> None:
    emulator.faults.add(Fault(lie=lie, field="status", value="x"))
    assert ask(emulator, "GET", SESSIONS).status == 200
    assert ask(emulator, "GET", f"{SESSIONS}/{an_idle(emulator)}").status == 200
