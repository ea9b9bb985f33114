"""When a session is next due, told with everything that stands in between."""

from __future__ import annotations

from dataclasses import replace
from datetime import time
from zoneinfo import ZoneInfo

import pytest

from reaper.core.conditions import Idle, StatusIn
from reaper.core.jump import Level
from reaper.core.model import DAY_S, Action, Agent, Session
from reaper.core.plan import Candidate, Hold, Mark, PlanContext
from reaper.core.planner import make_plan
from reaper.core.policy import Beyond, Limits, Mode, Policy, Rule, decide
from reaper.core.windows import Window
from reaper.engine.explain import Circumstances, Explanation, explain
from reaper.store.database import MEMORY_URL, Database
from reaper.store.store import Store

NOW = 1_790_000_000
AROUND = Circumstances("p", Agent("a", "1"))
WEEK = Rule("week", Action.DELETE, (StatusIn(frozenset({"idle", "failed"})), Idle(7 * DAY_S)))
POLICY = Policy("standard", (WEEK,), Mode.ENFORCE, grace_s=DAY_S)


def session(idle: int, status: str = "idle") -> Session:
    return Session("session-1", status, "1", NOW - 20 * DAY_S, NOW - idle, NOW - idle + 30 * DAY_S)


def explained(seen: Session, policy: Policy = POLICY, mark: Mark | None = None) -> Explanation:
    store = Store(Database(MEMORY_URL))
    if mark is not None:
        store.replace_marks("p", "a", [mark], NOW)
    return explain(seen, AROUND, policy, store, NOW)


def due_text(seen: Session, policy: Policy = POLICY, mark: Mark | None = None) -> str:
    return explained(seen, policy, mark).due_text


def test_a_session_due_later_is_told_when_and_that_grace_follows() -> None:
    text = due_text(session(2 * DAY_S))
    assert "(in 5d): delete by rule week, unless it is used before; at the earliest" in text


def test_a_session_due_now_and_unmarked_waits_for_its_whole_grace() -> None:
    seen = session(8 * DAY_S)
    assert due_text(seen).startswith("now: delete by rule week; at the earliest")
    assert due_text(seen, replace(POLICY, grace_s=0)) == "now: delete by rule week"


def test_a_mark_that_is_ripe_lets_it_go_now() -> None:
    seen = session(9 * DAY_S)
    assert (
        due_text(seen, mark=Mark(seen, Action.DELETE, "week", NOW - 2 * DAY_S, NOW - DAY_S))
        == "now: delete by rule week"
    )


def test_an_active_session_is_due_once_it_is_idle() -> None:
    assert ", once it is idle" in due_text(session(DAY_S, "active"))


def test_a_session_that_expires_first_is_never_due() -> None:
    late = Policy("late", (replace(WEEK, when=(StatusIn(frozenset({"idle"})), Idle(31 * DAY_S))),))
    assert due_text(session(DAY_S), late).startswith("never: it expires at")


def test_a_session_no_rule_will_catch_is_never_due() -> None:
    assert due_text(session(DAY_S, "creating")).startswith("never: no rule")


RUNAWAY = Rule("runaway", Action.STOP, (StatusIn(frozenset({"active"})), Idle(3_600)))
MARK = Mark(session(9 * DAY_S), Action.DELETE, "week", NOW - 2 * DAY_S, NOW - DAY_S)
SHUT = Window(frozenset(), time(0), time(0), ZoneInfo("UTC"))
NAMES = {Hold.OBSERVE: "mode", Hold.STRANGE: "record", Hold.GRACE: "grace", Hold.WINDOW: "windows"}


@pytest.mark.parametrize(
    ("seen", "policy", "mark", "hold"),
    [
        (session(9 * DAY_S), POLICY, None, Hold.GRACE),
        (session(9 * DAY_S), POLICY, MARK, None),
        (session(9 * DAY_S), POLICY, replace(MARK, rule="another"), Hold.GRACE),
        (session(9 * DAY_S), POLICY, replace(MARK, marked_at=NOW - 3 * DAY_S), Hold.GRACE),
        (session(9 * DAY_S), replace(POLICY, grace_s=0), replace(MARK, ripe_at=NOW + 60), Hold.GRACE),
        (session(9 * DAY_S), replace(POLICY, grace_s=3 * DAY_S), MARK, Hold.GRACE),
        (session(9 * DAY_S), replace(POLICY, windows=(SHUT,)), MARK, Hold.WINDOW),
        (session(9 * DAY_S), replace(POLICY, mode=Mode.OBSERVE), MARK, Hold.OBSERVE),
        (session(9 * DAY_S)._replace(strange=("new",)), POLICY, None, Hold.STRANGE),
        (session(DAY_S, "active"), replace(POLICY, rules=(RUNAWAY,), windows=(SHUT,)), None, None),
    ],
)
def test_the_first_guard_that_explain_shows_to_hold_is_the_one_that_holds_in_the_plan(
    seen: Session, policy: Policy, mark: Mark | None, hold: Hold | None
) -> None:
    marks = {mark.seen.incarnation: mark} if mark else {}
    context = PlanContext(100, marks, observe=policy.mode is Mode.OBSERVE)
    candidates = [Candidate(seen, decide(seen, policy, Agent("a", "1"), NOW))]
    plan = make_plan(candidates, context, project="p", agent=Agent("a", "1"), policy=policy, now=NOW)
    assert plan.items[0].hold is hold
    holding = [guard.name for guard in explained(seen, policy, mark).guards if not guard.lets_through]
    assert holding[:1] == ([NAMES[hold]] if hold else [])


def test_explain_says_when_a_mark_ripens_that_was_made_under_a_shorter_grace() -> None:
    shown = explained(session(9 * DAY_S), replace(POLICY, grace_s=3 * DAY_S), MARK)
    assert shown.earliest == MARK.marked_at + 3 * DAY_S


def test_a_jump_that_waits_for_a_person_is_told_of_each_session() -> None:
    store, spread = Store(Database(MEMORY_URL)), replace(POLICY, limits=Limits(beyond=Beyond.SPREAD))
    store.put_level("p", "a", Level(10, NOW, 90), NOW)
    seen = session(8 * DAY_S)
    told = {check.name: check for check in explain(seen, AROUND, spread, store, NOW).guards}
    assert not told["jump"].lets_through
    assert told["jump"].text == "90 candidates where 10 were, limit jump: 25%: it waits for a person"
    assert told["limits"].text.endswith("at_least 5; the longest overdue first")
    calm = {check.name: check for check in explain(seen, AROUND, POLICY, store, NOW).guards}
    assert (calm["jump"].lets_through, calm["jump"].text) == (True, "none waits for a person")
