"""When a session is next due, told with everything that stands in between."""

from __future__ import annotations

from dataclasses import replace

from reaper.core.conditions import Idle, StatusIn
from reaper.core.model import DAY_S, Action, Agent, Session
from reaper.core.planner import Mark
from reaper.core.policy import Mode, Policy, Rule
from reaper.engine.explain import explain
from reaper.store.database import MEMORY_URL, Database
from reaper.store.store import Store

NOW = 1_790_000_000
WEEK = Rule("week", Action.DELETE, (StatusIn(frozenset({"idle", "failed"})), Idle(7 * DAY_S)))
POLICY = Policy("standard", (WEEK,), Mode.ENFORCE, grace_s=DAY_S)


def session(idle: int, status: str = "idle") -> Session:
    return Session("session-1", status, "1", NOW - 20 * DAY_S, NOW - idle, NOW - idle + 30 * DAY_S)


def told(seen: Session, policy: Policy = POLICY, mark: Mark | None = None) -> str:
    store = Store(Database(MEMORY_URL))
    if mark is not None:
        store.replace_marks("p", "a", [mark])
    return explain("p", Agent("a", "1"), seen, policy, store, NOW).due_text


def test_a_session_due_later_is_told_when_and_that_grace_follows() -> None:
    text = told(session(2 * DAY_S))
    assert "(in 5d): delete by rule week, unless it is used before; at the earliest" in text


def test_a_session_due_now_and_unmarked_waits_for_its_whole_grace() -> None:
    seen = session(8 * DAY_S)
    assert told(seen).startswith("now: delete by rule week; at the earliest")
    assert told(seen, replace(POLICY, grace_s=0)) == "now: delete by rule week"


def test_a_mark_that_is_ripe_lets_it_go_now() -> None:
    seen = session(9 * DAY_S)
    assert (
        told(seen, mark=Mark(seen, Action.DELETE, "week", NOW - 2 * DAY_S, NOW - DAY_S)) == "now: delete by rule week"
    )


def test_an_active_session_is_due_once_it_is_idle() -> None:
    assert ", once it is idle" in told(session(DAY_S, "active"))


def test_a_session_that_expires_first_is_never_due() -> None:
    late = Policy("late", (replace(WEEK, when=(StatusIn(frozenset({"idle"})), Idle(31 * DAY_S))),))
    assert told(session(DAY_S), late).startswith("never: it expires at")


def test_a_session_no_rule_will_catch_is_never_due() -> None:
    assert told(session(DAY_S, "creating")).startswith("never: no rule")
