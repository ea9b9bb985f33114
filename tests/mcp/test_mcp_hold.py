"""session_hold: an assistant may keep, for a while and within bounds, and never release."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from inside import ENDPOINT, Inside
from mcp.client import Client
from mcp_types import CallToolResult, ElicitResult

from reaper.core.holds import SessionHold
from reaper.emulator import Fault
from reaper.mcp import hold_tool
from reaper.mcp.server import ALLOW_CREATE, ALLOW_DELETE, ALLOW_HOLD, ALLOW_STOP
from reaper.store.store import opened

ONE = "old-00000001"


@pytest.fixture
def inside(tmp_path: Path) -> Inside:
    return Inside(tmp_path)


def day(inside: Inside, days: int) -> str:
    return (datetime.fromtimestamp(inside.clock.wall(), UTC).date() + timedelta(days=days)).isoformat()


def ask(inside: Inside, session: str = ONE, days: int = 10, name: str = "claude", **changes: Any) -> CallToolResult:
    given = {
        "projectEndpoint": ENDPOINT,
        "agentName": "support-eu",
        "sessionId": session,
        "until": day(inside, days),
        "reason": "the person is still at it",
        **changes,
    }
    return inside.talk(lambda client: client.call_tool("session_hold", given), flags=(ALLOW_HOLD,), name=name)


def words(result: CallToolResult) -> str:
    assert result.is_error
    return str(result.content[0].text)  # type: ignore[union-attr]


def holds(inside: Inside) -> list[SessionHold]:
    with opened(inside.settings.state) as store:
        return store.holds.all()


def test_what_an_assistant_holds_is_left_alone_by_sweeps_and_by_assistants(inside: Inside) -> None:
    result = ask(inside)
    assert not result.is_error, result.content
    told: Any = result.structured_content
    assert told["told"] == f"held by mcp client claude until {day(inside, 10)}: the person is still at it"
    (held,) = holds(inside)
    assert (held.id, held.client, held.legal, held.created_at is None) == (told["hold"], "claude", "", False)
    inside.sweep()
    assert ONE not in inside.deleted()
    assert "only a person releases it" in words(inside.ask("session_delete", ONE))
    assert ONE not in inside.deleted()
    explained = inside.call("reaper_explain", agentName="support-eu", sessionId=ONE)
    assert [one["by"] for one in explained["holds"]] == ["mcp client claude"]
    assert ("hold", False) in [(one["guard"], one["lets_through"]) for one in explained["guards"]]


@pytest.mark.parametrize(
    ("flags", "offered"),
    [((), False), ((ALLOW_HOLD,), True), ((ALLOW_STOP,), False), ((ALLOW_DELETE,), False), ((ALLOW_CREATE,), False)],
)
def test_only_its_own_flag_lets_the_tool_in(inside: Inside, flags: tuple[str, ...], offered: bool) -> None:
    async def names(client: Client) -> set[str]:
        return {tool.name for tool in (await client.list_tools()).tools}

    found = inside.talk(names, flags=flags)
    assert ("session_hold" in found) is offered
    assert not [name for name in found if "release" in name]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"days": -1}, "is over already"),
        ({"days": 91}, "more than 90 days away"),
        ({"until": "2027-02-30"}, "no day of the calendar"),
        ({"until": "for ever"}, "until"),
        ({"reason": ""}, "reason"),
        ({"reason": "x" * 301}, "reason"),
        ({"legal": "ABC-1"}, "legal"),
        ({"session": "nobody-00000001"}, "Check agentName and sessionId"),
        ({"agentName": "stray"}, "no policy manages"),
        ({"projectEndpoint": "https://evil.example/api/projects/x"}, "none of the configured projects"),
    ],
)
def test_what_an_assistant_may_not_hold_is_refused_and_nothing_is_held(
    inside: Inside, changes: dict[str, Any], why: str
) -> None:
    assert why in words(ask(inside, **changes))
    assert holds(inside) == []


def test_an_assistant_holds_up_to_the_last_day_it_may(inside: Inside) -> None:
    assert not ask(inside, days=90).is_error


def test_assistants_hold_so_many_sessions_and_no_more_and_a_new_name_gives_no_more(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hold_tool, "STANDING_MAX", 2)
    assert not ask(inside, "old-00000001").is_error
    assert not ask(inside, "old-00000002").is_error
    assert not ask(inside, "old-00000002").is_error, "the same again is none more"
    assert "holds of assistants stand already" in words(ask(inside, "old-00000003", name="another"))
    with opened(inside.settings.state) as store:
        store.holds.release([store.holds.all()[0].id], inside.clock.wall(), {})
    assert not ask(inside, "old-00000003").is_error, "those that were released make room"


def test_words_of_an_assistant_steer_no_terminal(inside: Inside) -> None:
    assert not ask(inside, reason="a\x1b[2Jb\nc").is_error
    (held,) = holds(inside)
    assert held.reason.isprintable()


def test_a_malformed_record_is_not_held_for_it_is_kept_anyway(inside: Inside) -> None:
    inside.fault(Fault("get", session=ONE, lie="drop_field", field="created_at"))
    assert "malformed" in words(ask(inside))


def test_a_hold_of_the_configuration_refuses_an_assistant_too(inside: Inside) -> None:
    held = {
        "project": "here",
        "agent": "support-eu",
        "session": ONE,
        "until": "2999-01-31",
        "reason": "x",
        "by": "ops",
    }
    inside.reconfigure(lambda tree: tree.update(holds=[held]))
    assert "held by ops until 2999-01-31: x" in words(inside.ask("session_delete", ONE))
    assert inside.deleted() == []


def test_what_is_held_while_a_person_is_asked_is_not_deleted(inside: Inside) -> None:
    """The question was asked, the person holds the session in another window, and says yes to the question."""

    async def holds_it(_: Any, __: Any) -> ElicitResult:
        made = inside.emulator.platform.find("support-eu", ONE)
        assert made is not None
        wanted = SessionHold("here", "support-eu", ONE, date(2999, 1, 31), by="kim", created_at=made.created_at)
        with opened(inside.settings.state) as store:
            store.holds.place(wanted, {})
        return ElicitResult(action="accept", content={})

    assert "held by kim" in words(inside.ask("session_delete", ONE, answers=holds_it))
    assert inside.deleted() == []
