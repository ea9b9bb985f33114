"""The wire without sockets: routes, errors, headers, and the routes beside the API."""

from __future__ import annotations

import json

import pytest

from reaper.emulator import Emulator, Request, WireAnswer
from tests.clock import ManualClock

BASE = "/api/projects/anything"
SESSIONS = f"{BASE}/agents/support-eu/endpoint/sessions"


@pytest.fixture
def emulator(clock: ManualClock) -> Emulator:
    return Emulator(clock=clock, agents=2, sessions=30, seed=1)


def ask(
    emulator: Emulator, method: str, path: str, query: str = "", body: object = None, **headers: str
) -> WireAnswer:
    sent = b"" if body is None else json.dumps(body).encode()
    return emulator.answer(Request(method, path, f"api-version=v1&{query}", headers, sent))


def test_an_error_has_exactly_the_documented_body(emulator: Emulator) -> None:
    answer = ask(emulator, "GET", f"{SESSIONS}/never-was-there")
    assert answer.status == 404
    assert answer.json() == {
        "error": {
            "code": "session_not_found",
            "message": "Session never-was-there was not found",
            "param": "session_id",
            "type": "invalid_request_error",
            "details": [],
            "additionalInfo": {"request_id": answer.header("x-request-id")},
        }
    }


def test_every_answer_has_the_platforms_date_and_a_request_id(emulator: Emulator) -> None:
    first = ask(emulator, "GET", f"{BASE}/agents")
    emulator.advance(3600)
    second = ask(emulator, "DELETE", f"{SESSIONS}/never-was-there")
    assert first.header("date") == "Mon, 21 Sep 2026 14:13:20 GMT"
    assert second.header("date") == "Mon, 21 Sep 2026 15:13:20 GMT"
    assert first.header("x-request-id") != second.header("x-request-id")


@pytest.mark.parametrize("query", ["", "api-version=v2", "api-version="])
def test_another_api_version_is_a_bad_request(emulator: Emulator, query: str) -> None:
    answer = emulator.answer(Request("GET", SESSIONS, query))
    assert (answer.status, answer.json()["error"]["code"]) == (400, "unsupported_api_version")


def test_a_token_is_required_only_when_asked_for(clock: ManualClock) -> None:
    strict = Emulator(clock=clock, agents=1, sessions=3, require_token=True)
    assert ask(strict, "GET", SESSIONS).status == 401
    assert ask(strict, "GET", SESSIONS, authorization="Bearer abc").status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/api/projects//agents", 404),
        ("GET", f"{BASE}/conversations", 404),
        ("GET", f"{SESSIONS}/some-session/unknown", 404),
        ("PUT", f"{BASE}/agents/support-eu", 405),
        ("POST", f"{BASE}/agents/support-eu", 405),
        ("GET", f"{SESSIONS}?limit=0", 404),
    ],
)
def test_what_is_not_offered_is_refused(emulator: Emulator, method: str, path: str, status: int) -> None:
    assert ask(emulator, method, path).status == status


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=ten", "order=up", "after=aaaaaaaa&before=bbbbbbbb"])
def test_bad_list_parameters_are_refused(emulator: Emulator, query: str) -> None:
    assert ask(emulator, "GET", SESSIONS, query).status == 400


@pytest.mark.parametrize("body", [[], {"version_indicator": 3}, {"agent_session_id": 12345678}])
def test_bad_creations_are_refused(emulator: Emulator, body: object) -> None:
    assert ask(emulator, "POST", SESSIONS, body=body).status == 400


def test_names_are_percent_decoded(emulator: Emulator) -> None:
    emulator.platform.add_agent("ünï/côde agent")
    path = f"{BASE}/agents/%C3%BCn%C3%AF%2Fc%C3%B4de%20agent"
    assert ask(emulator, "GET", path).json()["name"] == "ünï/côde agent"
    assert ask(emulator, "POST", f"{path}/endpoint/sessions").status == 201


def test_a_page_carries_its_cursors_and_an_empty_one_none(emulator: Emulator) -> None:
    page = ask(emulator, "GET", SESSIONS, "limit=100&order=asc").json()
    assert (page["object"], len(page["data"]), page["has_more"]) == ("list", 30, False)
    assert page["first_id"] == page["data"][0]["agent_session_id"]
    after = ask(emulator, "GET", SESSIONS, f"order=asc&after={page['last_id']}").json()
    assert (after["data"], after["first_id"], after["last_id"], after["has_more"]) == ([], None, None, False)


def test_a_page_holds_twenty_sessions_unless_asked_otherwise(emulator: Emulator) -> None:
    page = ask(emulator, "GET", SESSIONS).json()
    assert (len(page["data"]), page["has_more"]) == (20, True)


def test_agents_and_versions_are_listed_and_read(emulator: Emulator) -> None:
    page = ask(emulator, "GET", f"{BASE}/agents", "kind=hosted&order=asc&limit=1").json()
    assert page["has_more"]
    rest = ask(emulator, "GET", f"{BASE}/agents", f"order=asc&limit=1&after={page['last_id']}").json()
    names = {page["data"][0]["name"], rest["data"][0]["name"]}
    assert names == {"support-eu", "research"}
    assert ask(emulator, "GET", f"{BASE}/agents", "kind=prompt").json()["data"] == []
    latest = ask(emulator, "GET", f"{BASE}/agents/research").json()["versions"]["latest"]
    version = ask(emulator, "GET", f"{BASE}/agents/research/versions/{latest['version']}").json()
    assert version == latest
    assert version["definition"]["session_configuration"]["idle_timeout_seconds"] > 0
    assert ask(emulator, "GET", f"{BASE}/agents/research/versions/99").status == 404


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        ("DELETE", f"{BASE}/agents/support-eu", ""),
        ("DELETE", f"{BASE}/agents/support-eu/versions/1", ""),
        ("DELETE", f"{SESSIONS}/some-session", "force=true"),
    ],
)
def test_calls_that_cascade_are_refused_and_remembered(
    emulator: Emulator, method: str, path: str, query: str
) -> None:
    assert ask(emulator, method, path, query).status == 403
    assert [(event.kind, event.agent) for event in emulator.platform.history] == [("forbidden", "support-eu")]


def test_deleting_what_is_not_there_is_done(emulator: Emulator) -> None:
    answer = ask(emulator, "DELETE", f"{SESSIONS}/never-was-there")
    assert (answer.status, answer.body) == (204, b"")


def test_the_routes_beside_the_api_show_and_steer(emulator: Emulator) -> None:
    def admin(method: str, path: str, body: object = None) -> WireAnswer:
        sent = b"" if body is None else json.dumps(body).encode()
        route, _, query = path.partition("?")
        return emulator.answer(Request(method, f"/_emulator/{route}", query, {}, sent))

    sessions = admin("GET", "sessions?agent=support-eu").json()
    idle = next(each for each in sessions if each["status"] == "idle")
    start = emulator.now()
    assert admin("POST", "advance", {"seconds": 90}).json() == {"now": start + 90}
    described = admin("POST", "metadata", {"agent": "support-eu", "metadata": {"reaper.hold": "soon"}}).json()
    assert described["versions"]["latest"]["metadata"] == {"reaper.hold": "soon"}
    used = admin("POST", "use", {"agent": "support-eu", "session": idle["agent_session_id"]}).json()
    assert used["last_accessed_at"] == start + 90
    assert [event["kind"] for event in admin("GET", "history").json()] == ["used"]
    assert admin("POST", "faults", [{"operation": "get", "status": 500}]).json() == {"faults": 1}
    assert ask(emulator, "GET", f"{SESSIONS}/{idle['agent_session_id']}").status == 500
    requests = admin("GET", "requests").json()
    assert requests["counts"] == {"get": 1}
    assert requests["recent"] == [f"GET {SESSIONS}/{idle['agent_session_id']}"]


def test_an_endpoint_gets_a_version_selector_and_new_sessions_are_spread_by_it(emulator: Emulator) -> None:
    before = ask(emulator, "GET", f"{BASE}/agents/support-eu").json()
    assert "agent_endpoint" not in before
    newest = before["versions"]["latest"]["version"]
    rules = [
        {"type": "FixedRatio", "agent_version": "1", "traffic_percentage": 90},
        {"type": "FixedRatio", "agent_version": newest, "traffic_percentage": 10},
    ]
    selector = {"version_selector": {"version_selection_rules": rules}}
    patched = ask(emulator, "PATCH", f"{BASE}/agents/support-eu", body={"agent_endpoint": selector})
    assert (patched.status, patched.json()["agent_endpoint"]) == (200, selector)
    listed = {each["name"]: each for each in ask(emulator, "GET", f"{BASE}/agents").json()["data"]}
    assert listed["support-eu"]["agent_endpoint"] == selector
    made = [ask(emulator, "POST", SESSIONS, body={}).json()["version_indicator"]["agent_version"] for _ in range(100)]
    assert (made.count("1"), made.count(newest)) == (90, 10)
    gone = ask(emulator, "PATCH", f"{BASE}/agents/support-eu", body={"agent_endpoint": {"version_selector": None}})
    assert "agent_endpoint" not in gone.json()
    assert ask(emulator, "PATCH", f"{BASE}/agents/support-eu", body={"agent_endpoint": "x"}).status == 400


def test_a_rollout_and_a_rollback_can_be_scripted(emulator: Emulator) -> None:
    steps = [
        {"after_seconds": 0, "traffic": {"1": 100}},
        {"after_seconds": 60, "traffic": {"1": 50, "2": 50}},
        {"after_seconds": 90, "traffic": None},
    ]
    body = json.dumps({"agent": "support-eu", "steps": steps}).encode()
    assert emulator.answer(Request("POST", "/_emulator/rollout", "", {}, body)).json() == {"steps": 3}

    def shares() -> list[int]:
        endpoint = ask(emulator, "GET", f"{BASE}/agents/support-eu").json().get("agent_endpoint")
        rules = endpoint["version_selector"]["version_selection_rules"] if endpoint else []
        return [rule["traffic_percentage"] for rule in rules]

    assert shares() == [100]
    emulator.advance(60)
    assert shares() == [50, 50]
    emulator.advance(30)
    assert shares() == []


@pytest.mark.parametrize(
    ("route", "body", "status"),
    [
        ("faults", b"[{]", 400),
        ("faults", b'[{"lie": "white"}]', 400),
        ("advance", b"{}", 400),
        ("use", b'{"agent": "nobody", "session": "x"}', 404),
        ("rollout", b'{"agent": "nobody", "steps": [{"after_seconds": 0, "traffic": null}]}', 404),
        ("rollout", b'{"agent": "support-eu", "steps": [{}]}', 400),
        ("anything", b"", 404),
    ],
)
def test_bad_requests_beside_the_api_are_told_why(emulator: Emulator, route: str, body: bytes, status: int) -> None:
    answer = emulator.answer(Request("POST", f"/_emulator/{route}", "", {}, body))
    assert answer.status == status
    assert answer.body
