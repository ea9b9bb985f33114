"""How long a hold stands, and whom it binds."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from reaper.core.holds import Holds, SessionHold, end_of, hold_words, read_day
from reaper.core.model import DAY_S, Action
from reaper.core.plan import Hold, Mark, PlanContext
from reaper.core.plan_lines import plan_lines
from tests.world import AGENT, NOW, STALE, candidate, plan_of, policy, session

DAY = date(2027, 1, 31)
LAST_MOMENT = datetime(2027, 2, 1, tzinfo=UTC).timestamp()
ONE = session(idle=20 * DAY_S)
THESIS = SessionHold("prod", AGENT.name, ONE.id, DAY, reason="thesis", by="ops", created_at=ONE.created_at, id="h1")
CASE = SessionHold("prod", AGENT.name, ONE.id, legal="ABC-1", by="kim", id="h2")
PAST = replace(THESIS, until=datetime.fromtimestamp(NOW - 2 * DAY_S, UTC).date())


def test_a_hold_stands_to_the_end_of_its_day_in_utc() -> None:
    assert end_of(DAY) == LAST_MOMENT
    assert THESIS.stands(LAST_MOMENT - 0.001)
    assert not THESIS.stands(LAST_MOMENT)


def test_a_legal_hold_has_no_end() -> None:
    assert CASE.stands(LAST_MOMENT * 100)
    assert Holds([CASE, THESIS]).free_at(ONE, NOW) == math.inf


def test_the_last_day_of_the_calendar_has_an_end_too() -> None:
    assert end_of(date.max) > LAST_MOMENT


def test_a_released_hold_does_not_stand_whatever_the_clock_says() -> None:
    assert not replace(CASE, released=NOW + 600.0).stands(NOW)


def test_a_hold_binds_one_incarnation_or_whoever_has_the_id() -> None:
    anew, holds = ONE._replace(created_at=ONE.created_at + 1), Holds([THESIS])
    assert holds.on(ONE, NOW) == (THESIS,)
    assert holds.on(anew, NOW) == ()
    assert Holds([CASE]).on(anew, NOW) == (CASE,)
    assert Holds([CASE]).on(session("session-0002"), NOW) == ()
    assert not CASE.binds("prod", "another", ONE.id, ONE.created_at)
    assert not CASE.binds("another", AGENT.name, ONE.id, ONE.created_at)


@pytest.mark.parametrize(
    "text", ["", "2027-1-31", "2027-02-30", "20270131", "2027-W04-7", "2027-01-31T10", "２０２７-01-31"]
)
def test_a_day_is_written_in_one_way(text: str) -> None:
    with pytest.raises(ValueError, match=r"day|date|isoformat|month|range"):
        read_day(text)


def test_the_words_of_a_hold_steer_no_terminal() -> None:
    assert hold_words(THESIS) == "held by ops until 2027-01-31: thesis"
    assert hold_words(CASE) == "held by kim for the case ABC-1, without an end"
    assert hold_words(replace(THESIS, by="\x1b[2J", reason="a\nb")).isprintable()


def planned(*holds: SessionHold, mark: Mark | None = None, grace_s: int = 0, **standing: object) -> Hold | None:
    marks = {mark.seen.incarnation: mark} if mark else {}
    context = PlanContext(1, marks, holds=Holds(holds), **standing)  # type: ignore[arg-type]
    (item,) = plan_of([candidate(ONE)], context, policy(grace_s=grace_s)).items
    return item.hold


def test_a_held_candidate_says_so_before_anything_else() -> None:
    assert planned() is None
    assert planned(THESIS) is Hold.HOLD
    assert planned(THESIS, breaker=True, observe=True, doubt=Hold.CLOCK) is Hold.HOLD
    assert planned(PAST) is None


def test_no_mark_is_made_or_kept_while_a_session_is_held_and_none_counts_from_before_its_end() -> None:
    mark = Mark(ONE, Action.DELETE, STALE.name, NOW - 10 * DAY_S, NOW - 9 * DAY_S)
    over = [PAST, replace(CASE, released=NOW - DAY_S)]
    assert planned(mark=mark, grace_s=DAY_S) is None
    for ended in over:
        assert planned(ended, mark=mark, grace_s=DAY_S) is Hold.GRACE
        late = replace(mark, marked_at=NOW - DAY_S, ripe_at=NOW)
        assert planned(ended, mark=late, grace_s=DAY_S) is None
    context = PlanContext(1, {ONE.incarnation: mark}, holds=Holds([CASE]))
    assert plan_of([candidate(ONE)], context, policy(grace_s=DAY_S)).marks == ()


def test_an_approval_of_a_plan_is_for_no_held_session_and_no_limit_counts_it() -> None:
    two = session("session-0002")
    held = PlanContext(2, holds=Holds([CASE]))
    made = plan_of([candidate(ONE), candidate(two)], held, policy())
    assert [line.split()[1] for line in plan_lines(made.items)] == [two.id]
    assert made.blocked == {Hold.HOLD: 1}
