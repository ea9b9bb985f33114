"""The last look before an action: nothing is done to a session that is not as the plan saw it."""

from __future__ import annotations

from datetime import time
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from reaper.core.model import ACTIVE, DAY_S, IDLE, TOMBSTONES, Action, Agent, Malformed, Session
from reaper.core.plan import Candidate, PlanContext
from reaper.core.policy import Policy, decide
from reaper.core.recheck import recheck
from reaper.core.windows import DAYS, Window
from tests.world import AGENT, NOW, RUNAWAY, candidate, plan_of, policy, session


def look(fresh: Session | Malformed, now: float | None = NOW, chosen: Policy | None = None) -> Any:
    chosen = chosen or policy()
    made = plan_of([candidate(session())], PlanContext(1), chosen)
    return recheck(made.items[0], fresh, made, now)


def test_a_session_that_is_as_it_was_may_go() -> None:
    verdict = look(session())
    assert (verdict.go, verdict.gone, verdict.changed, verdict.why) == (True, False, False, "")


@pytest.mark.parametrize(
    "change",
    [
        {"id": "session-0002"},
        {"status": ACTIVE},
        {"status": "failed"},
        {"status": "hibernating"},
        {"version": "4"},
        {"version": None},
        {"last_accessed_at": NOW - 8 * DAY_S + 1},
        {"last_accessed_at": NOW - 8 * DAY_S - 1},
        {"expires_at": NOW},
        {"stopped_at": NOW - 60},
        {"strange": ("colour",)},
    ],
)
def test_any_change_since_the_listing_refuses_and_breaks_the_promise(change: dict[str, Any]) -> None:
    verdict = look(session()._replace(**change))
    assert (verdict.go, verdict.gone, verdict.changed) == (False, False, True)
    assert verdict.why.startswith("it changed since it was listed")


def test_a_session_created_again_is_refused_whatever_its_status() -> None:
    for status in (IDLE, *TOMBSTONES):
        verdict = look(session()._replace(created_at=NOW - 8 * DAY_S, status=status))
        assert (verdict.go, verdict.gone, verdict.changed) == (False, False, True)


@pytest.mark.parametrize("status", sorted(TOMBSTONES))
def test_a_tombstone_is_gone(status: str) -> None:
    verdict = look(session()._replace(status=status))
    assert (verdict.go, verdict.gone, verdict.changed) == (False, True, False)


def test_a_malformed_record_is_refused_and_the_promise_stands() -> None:
    verdict = look(Malformed("session-0001", "time_zero"))
    assert (verdict.go, verdict.gone, verdict.changed) == (False, False, False)
    assert "time_zero" in verdict.why


def test_without_the_platforms_clock_nothing_goes() -> None:
    verdict = look(session(), now=None)
    assert (verdict.go, verdict.changed) == (False, False)


def test_a_window_that_has_closed_refuses_a_delete() -> None:
    clock = time.fromisoformat("00:00")
    narrow = Window(frozenset(DAYS), clock, time(0, 1), ZoneInfo("UTC"))
    midnight = NOW - NOW % DAY_S
    chosen = policy(windows=(narrow,))
    seen = candidate(session())
    made = plan_of([seen], PlanContext(1), chosen, midnight + 59)
    assert recheck(made.items[0], seen.session, made, midnight + 59).go
    assert recheck(made.items[0], seen.session, made, midnight + 60).why == "the window has closed"
    runaway = candidate(session("runaway-0001", status=ACTIVE, idle=DAY_S), RUNAWAY)
    stop = plan_of([runaway], PlanContext(1), chosen, midnight)
    assert recheck(stop.items[0], stop.items[0].session, stop, midnight + 60).go


def test_a_clock_that_went_back_finds_the_session_not_due() -> None:
    verdict = look(session(), now=NOW - 2 * DAY_S)
    assert (verdict.go, verdict.why) == (False, "the policy no longer asks for it")


def test_the_last_look_judges_by_the_newest_version_the_plan_was_made_with() -> None:
    made = plan_of([candidate(session())], PlanContext(1), policy(), agent=Agent(AGENT.name, None))
    assert recheck(made.items[0], session(), made, NOW).go


def test_what_the_policy_keeps_is_never_acted_on_even_when_a_plan_holds_it() -> None:
    seen = session()._replace(last_accessed_at=NOW)
    made = plan_of([Candidate(seen, decide(seen, policy(), AGENT, NOW))], PlanContext(1), policy())
    assert made.items[0].action is Action.KEEP
    assert not recheck(made.items[0], seen, made, NOW).go
